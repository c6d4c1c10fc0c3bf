// Parts of the READMEs are generated: what stands between `<!-- name -->` and `<!-- /name -->`.

export const READMES = { en: 'README.md', ja: 'README.ja.md' } as const;

export type Language = keyof typeof READMES;

/** What stands between the markers, without the line breaks beside them. @throws Error when they are not there once each */
export function blockOf(markdown: string, name: string): string {
  const { begin, end } = bounds(markdown, name);
  return markdown.slice(begin, end).trim();
}

/** The text with `content` between the markers. @throws Error when they are not there once each */
export function withBlock(markdown: string, name: string, content: string): string {
  const { begin, end } = bounds(markdown, name);
  return `${markdown.slice(0, begin)}\n${content}\n${markdown.slice(end)}`;
}

function bounds(markdown: string, name: string): { readonly begin: number; readonly end: number } {
  const [opening, closing] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [before, between, ...rest] = markdown.split(opening);
  const once = before !== undefined && between !== undefined && rest.length === 0;
  const end = markdown.indexOf(closing);
  if (!once || end < before.length || markdown.lastIndexOf(closing) !== end) {
    throw new Error(`the text must have the markers ${opening} and ${closing}, once each, in this order`);
  }
  return { begin: before.length + opening.length, end };
}
