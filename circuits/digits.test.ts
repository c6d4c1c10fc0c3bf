import { expect, test } from 'vitest';
import { parseCode, parsePin } from './digits.ts';

test.each([
  ['123456', '123456'],
  ['１２３４５６', '123456'],
  ['123 456', '123456'],
  ['１２３　４５６', '123456'],
  ['012345', '012345'],
])('the typed code %j is %s', (typed, digits) => {
  expect(parseCode(typed)).toBe(digits);
});

test.each(['', '12345', '1234567', '12345a', '一二三四五六', '١٢٣٤٥٦', '12-34-56', '+12345'])(
  '%j is no code',
  (typed) => {
    expect(() => parseCode(typed)).toThrow('malformed');
  },
);

test('a PIN has 4 to 12 digits', () => {
  expect(() => parsePin('123')).toThrow('malformed');
  expect(parsePin('1234')).toBe('1234');
  expect(parsePin('１２３４５６７８９０１２')).toBe('123456789012');
  expect(() => parsePin('1234567890123')).toThrow('malformed');
});
