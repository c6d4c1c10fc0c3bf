// Bars as SVG, for the READMEs. The card brings its own ground, so that it can be read on whatever page it stands,
// light or dark.

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The value as it is to be read. */
  readonly text: string;
  /** Ours, or a peer's. */
  readonly ours: boolean;
}

export interface BarGroup {
  /** Above its bars; empty: none. */
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 720;
const MARGIN = 24;
const LABELS = 200;
/** Room for the value beside the longest bar. */
const VALUES = 84;
const ROW = 26;
const BAR = 14;

const STYLE = `
  text { font: 14px system-ui, -apple-system, "Segoe UI", "Hiragino Sans", "Noto Sans JP", "Noto Sans CJK JP", sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .group { font-weight: 600; }
  .value { font-variant-numeric: tabular-nums; }
  .card { fill: #ffffff; stroke: #d1d9e0; }
  .ours { fill: #0b7a75; }
  .peer { fill: #a8b1bb; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .card { fill: #0d1117; stroke: #3d444d; }
    .ours { fill: #3fc1b8; }
    .peer { fill: #656d76; }
  }`;

/** All bars on one scale, which begins at zero. */
export function barChart(title: string, groups: readonly BarGroup[]): string {
  const longest = Math.max(...groups.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const scale = (WIDTH - 2 * MARGIN - LABELS - VALUES) / longest;
  const rows: string[] = [];
  let y = MARGIN + 16;
  rows.push(`<text class="title" x="${MARGIN}" y="${y}">${title}</text>`);
  y += 14;
  for (const { title: heading, bars } of groups) {
    if (heading !== '') {
      y += ROW;
      rows.push(`<text class="group" x="${MARGIN}" y="${y}">${heading}</text>`);
    }
    for (const { label, value, text, ours } of bars) {
      y += ROW;
      const width = Math.max(2, value * scale).toFixed(1);
      rows.push(
        `<text x="${MARGIN}" y="${y}">${label}</text>`,
        `<rect class="${ours ? 'ours' : 'peer'}" x="${MARGIN + LABELS}" y="${y - BAR + 2}" width="${width}" height="${BAR}" rx="2"/>`,
        `<text class="value" x="${(MARGIN + LABELS + Number(width) + 8).toFixed(1)}" y="${y}">${text}</text>`,
      );
    }
    y += 8;
  }
  const height = y + MARGIN - 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="10"/>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}
