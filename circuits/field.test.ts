import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BASE_FIELD_ORDER,
  bytesToInteger,
  FIELD_ORDER,
  fieldFromBytes,
  fieldToBytes,
  parseCoordinate,
  parseField,
} from './field.ts';

const notDecimals = [
  '',
  '00',
  '01',
  '-1',
  '+1',
  ' 1',
  '1 ',
  '1.0',
  '1e3',
  '0x1',
  '１',
  '1\n',
  '9'.repeat(78),
  '9'.repeat(1e6),
];

describe.each([
  ['parseField', parseField, FIELD_ORDER],
  ['parseCoordinate', parseCoordinate, BASE_FIELD_ORDER],
] as const)('%s', (_, parser, order) => {
  test('takes 0 and the largest element, and nothing from the order on', () => {
    expect(parser('0')).toBe(0n);
    expect(parser((order - 1n).toString())).toBe(order - 1n);
    expect(() => parser(order.toString())).toThrow('malformed');
    expect(() => parser((order + 1n).toString())).toThrow('malformed');
  });

  test.each(notDecimals.map((text) => [text.slice(0, 20), text]))('refuses %j', (_name, text) => {
    expect(() => parser(text)).toThrow('malformed');
  });

  test.each([[1], [1n], [null], [undefined], [['1']], [{}], [true]])('refuses the type of %s', (value) => {
    expect(() => parser(value)).toThrow('malformed');
  });
});

test('bytes of an element lead back to it', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, FIELD_ORDER - 1n), (value) => {
      expect(bytesToInteger(fieldToBytes(value))).toBe(value);
    }),
  );
  expect(() => fieldToBytes(FIELD_ORDER)).toThrow(TypeError);
  expect(() => fieldToBytes(-1n)).toThrow(TypeError);
});

test('the cut to 31 bytes ignores what follows and nothing else', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 31, maxLength: 31 }),
      fc.uint8Array({ maxLength: 4 }),
      (bytes, rest) => {
        expect(fieldFromBytes(Uint8Array.of(...bytes, ...rest))).toBe(bytesToInteger(bytes));
      },
    ),
  );
  expect(() => fieldFromBytes(new Uint8Array(30))).toThrow(TypeError);
});
