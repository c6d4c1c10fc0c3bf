type Child = Node | string | null;
type Attribute = string | number | boolean | EventListener | undefined;

/**
 * An element with attributes, listeners (`onclick` and the like) and children. `true` is an empty attribute,
 * `false` and `undefined` none. Text goes in as text nodes only, so nothing that came over the network can become markup.
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Attribute>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Drawn on a 24-unit grid for these pages.
const ICONS = {
  back: 'M15 5l-7 7 7 7',
  check: 'M4.5 12.5l5 5 10-11',
  close: 'M6 6l12 12M18 6L6 18',
  chevron: 'M9 5l7 7-7 7',
  clock: 'M12 7v5.5l3.5 2M12 3.5a8.5 8.5 0 100 17 8.5 8.5 0 000-17z',
  erase: 'M9 6h11v12H9l-6-6 6-6zM12 9.5l5 5M17 9.5l-5 5',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 017 0v3M12 14.5v2',
  menu: 'M4 7h16M4 12h16M4 17h16',
  warn: 'M12 4l9 16H3L12 4zM12 10v4.5M12 17.2v.1',
} as const;

export function icon(name: keyof typeof ICONS): SVGSVGElement {
  return drawing('icon', ICONS[name]);
}

/** The bank's mark: two leaves on one stem. */
export function bankMark(): SVGSVGElement {
  return drawing(
    'mark',
    'M12 21V10M12 13C6.5 13 4 9.5 4 4c5.5 0 8 3.5 8 9zM12 10c0-4 2.5-6.5 8-6.5 0 5.5-3.5 8.5-8 8.5',
  );
}

function drawing(className: string, path: string): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', className);
  const shape = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  shape.setAttribute('d', path);
  svg.append(shape);
  return svg;
}
