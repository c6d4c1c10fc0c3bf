import { ERROR_CODES } from '@akashi/circuits';
import { describe, expect, test } from 'vitest';
import { TEXTS as DESK } from './desk/texts.ts';
import { TEXTS as PHONE } from './phone/texts.ts';

const PAGES = { phone: PHONE, desk: DESK };
const JAPANESE = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u;
/** What is the same in both, or shown in the other language on purpose. */
const FOREIGN = new Set(['language']);

/** Every text with its place, functions called with a small and a larger number. */
function flatten(value: unknown, place = ''): [string, string][] {
  if (typeof value === 'string') return [[place, value]];
  if (typeof value === 'function') {
    const parameters = value.length === 1 ? [1, 3] : [];
    return parameters.map((given) => [`${place}(${given})`, String(value(given))]);
  }
  if (typeof value !== 'object' || value === null) throw new TypeError(`no text at ${place}`);
  return Object.entries(value).flatMap(([key, inner]) =>
    flatten(inner, place === '' ? key : `${place}.${key}`),
  );
}

describe.each(Object.entries(PAGES))('texts of the %s', (_, { ja, en }) => {
  const japanese = new Map(flatten(ja));
  const english = new Map(flatten(en));

  test('every text is there in both languages', () => {
    expect([...english.keys()].sort()).toEqual([...japanese.keys()].sort());
  });

  test('no text is empty, padded, or the same in both languages', () => {
    for (const [place, text] of [...japanese, ...english]) expect(text.trim(), place).toBe(text);
    for (const [place, text] of english) {
      expect(text, place).not.toBe('');
      // A number alone needs no translation.
      if (!/^\d+$/.test(text)) expect(japanese.get(place), place).not.toBe(text);
    }
  });

  test('Japanese is Japanese and English is English', () => {
    for (const [place, text] of japanese) if (!FOREIGN.has(place)) expect(text, place).toMatch(JAPANESE);
    for (const [place, text] of english) {
      if (!FOREIGN.has(place) && !/^\d+$/.test(text)) expect(text, place).not.toMatch(JAPANESE);
    }
  });

  test('failures are named by codes that exist', () => {
    const codes: readonly string[] = ERROR_CODES;
    for (const code of Object.keys(ja.failures)) if (code !== 'other') expect(codes).toContain(code);
  });
});
