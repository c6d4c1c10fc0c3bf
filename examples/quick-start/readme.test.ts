import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { renderQuickStart } from './readme.ts';
import { blockOf, type Language, READMES, withBlock } from './readme-block.ts';

const languages = Object.keys(READMES) as Language[];

test.each(languages)(
  'the quick start of the README (%s) is the code that is compiled and run',
  async (language) => {
    const markdown = await readFile(new URL(`../../${READMES[language]}`, import.meta.url), 'utf8');
    expect(
      blockOf(markdown, 'quick-start'),
      'stale: npx tsx examples/quick-start/readme.ts writes it again',
    ).toBe(await renderQuickStart(language));
  },
);

test('both READMEs have the same headings, generated parts, commands and links, in the same order', async () => {
  const [en, ja] = await Promise.all(
    [READMES.en, READMES.ja].map((name) => readFile(new URL(`../../${name}`, import.meta.url), 'utf8')),
  );
  expect(outline(ja ?? '')).toEqual(outline(en ?? ''));
});

describe('a generated part', () => {
  const text = 'before\n<!-- a -->\nold\n<!-- /a -->\nafter\n';

  test('is replaced, and nothing beside it', () => {
    const fresh = withBlock(text, 'a', 'new\nlines');
    expect(fresh).toBe('before\n<!-- a -->\nnew\nlines\n<!-- /a -->\nafter\n');
    expect(blockOf(fresh, 'a')).toBe('new\nlines');
    expect(withBlock(fresh, 'a', 'new\nlines')).toBe(fresh);
  });

  test.each([
    ['no markers', 'text'],
    ['no closing marker', '<!-- a -->'],
    ['no opening marker', '<!-- /a -->'],
    ['markers in the wrong order', '<!-- /a --><!-- a -->'],
    ['two parts of one name', `${text}${text}`],
    ['two opening markers', `<!-- a -->${text}`],
    ['two closing markers', `${text}<!-- /a -->`],
    ['another name', text.replaceAll(' a', ' b').replaceAll('/a', '/b')],
  ])('is not guessed where there are %s', (_, markdown) => {
    expect(() => withBlock(markdown, 'a', 'new')).toThrow('markers');
    expect(() => blockOf(markdown, 'a')).toThrow('markers');
  });
});

/** What a translation must not change: levels of headings, markers, commands, code spans of tables, targets of links. */
function outline(markdown: string): readonly string[] {
  const lines = markdown.split('\n').map((line) => {
    if (/^#+ /.test(line)) return line.replace(/ .*/, '');
    if (/^(?:<!--|npm|```)/.test(line)) return line;
    // Each README has the chart in its own language.
    return [...line.replace(/\.(?:en|ja)\.svg/, '.svg').matchAll(/\]\(([^)]+)\)|^(\| `[^`]+`)/g)]
      .map((match) => match[1] ?? match[2])
      .join(' ');
  });
  return lines.filter((line) => line !== '' && !/^README(?:\.ja)?\.md$/.test(line));
}
