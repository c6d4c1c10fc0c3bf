import * as fc from 'fast-check';
import { base64url } from 'jose';
import { expect, test } from 'vitest';
import { decodeBase64url, encodeBase64url } from './base64url.ts';

test('bytes come back, and the text is what jose writes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = encodeBase64url(bytes);
      expect(text).toBe(base64url.encode(bytes));
      expect(decodeBase64url(text)).toEqual(bytes);
    }),
  );
});

test('a text is decoded only if it is the one that its bytes are written as', () => {
  const character = fc.constantFrom(...'AQgwBRhx-_019z+/= \n\u00e9\u{1f600}');
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 12 }), (text) => {
      let bytes: Uint8Array;
      try {
        bytes = decodeBase64url(text);
      } catch (error) {
        expect(error).toMatchObject({ code: 'malformed' });
        expect(base64url.encode(Buffer.from(text, 'base64url'))).not.toBe(text);
        return;
      }
      expect(encodeBase64url(bytes)).toBe(text);
    }),
  );
});

test.each(['A', 'AAAAA', 'AB', 'AAB', 'AA=', 'AA==', 'A A', '+/AA', 'AAA\n'])('%j is refused', (text) => {
  expect(() => decodeBase64url(text)).toThrow('malformed');
});
