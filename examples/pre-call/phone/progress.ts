import { element } from '../element.ts';
import type { Frame, Screen } from './frame.ts';
import type { Texts } from './texts.ts';

export interface Progress {
  readonly screen: Screen;
  /** @param part 0 to 1; `step` is said beside the bar and by screen readers */
  reach(part: number, step?: (texts: Texts) => string): void;
}

/** A screen for work that goes on by itself. */
export function progressScreen(
  frame: Frame,
  words: (texts: Texts) => { readonly title: string; readonly text: string },
): Progress {
  let part = 0;
  let step: ((texts: Texts) => string) | undefined;
  let bar = element('progress');
  let said = element('p');
  const draw = (): void => {
    bar.value = part;
    const text = step?.(frame.texts) ?? '';
    if (said.textContent !== text) said.textContent = text;
  };
  return {
    screen: () => {
      const { title, text } = words(frame.texts);
      bar = element('progress', { max: 1, 'aria-labelledby': 'title' });
      said = element('p', { class: 'step', role: 'status' });
      draw();
      return { title, content: [element('p', { class: 'soft' }, text), bar, said] };
    },
    reach: (next, nextStep) => {
      part = next;
      step = nextStep ?? step;
      draw();
    },
  };
}
