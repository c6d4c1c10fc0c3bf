import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { base64url } from 'jose';
import { expect, test } from 'vitest';
import { parse } from './shape.ts';
import {
  parseStatusList,
  STATUS_LIST_SIZE,
  type StatusBits,
  statusAt,
  statusBytes,
  statusShape,
} from './status-list.ts';

interface Vector {
  readonly bits: StatusBits;
  readonly size: number;
  readonly lst: string;
  readonly statuses: Readonly<Record<string, number>>;
}
const file = readFileSync(new URL('./vectors/status-list.json', import.meta.url), 'utf8');
const vectors: readonly Vector[] = JSON.parse(file).lists;
const bytesOf = ({ lst }: Vector) => inflateSync(base64url.decode(lst));

test.each(vectors)('the draft’s list of $size places, $bits bit each, is read as it says', (vector) => {
  const bytes = bytesOf(vector);
  expect(bytes.length).toBe((vector.size * vector.bits) / 8);
  for (const [index, status] of Object.entries(vector.statuses))
    expect(statusAt(bytes, vector.bits, Number(index)), index).toBe(status);
  expect(statusAt(bytes, vector.bits, vector.size - 1)).toBeDefined();
  expect(statusAt(bytes, vector.bits, vector.size)).toBeUndefined();
});

test.each(vectors.filter(({ bits }) => bits === 1))(
  'the draft’s list of $size places is made of those revoked',
  (vector) => {
    const revoked = Object.entries(vector.statuses).flatMap(([index, status]) =>
      status === 1 ? [Number(index)] : [],
    );
    expect(bytesOf(vector).equals(statusBytes(vector.size, revoked))).toBe(true);
  },
);

test.each([-1, 0.5, STATUS_LIST_SIZE, Number.NaN])('%s is not a place', (index) => {
  expect(() => statusBytes(STATUS_LIST_SIZE, [index])).toThrow(RangeError);
});

const good = {
  sub: 'https://bank.example/status/0',
  iat: 1,
  exp: 2,
  ttl: 60,
  status_list: { bits: 1, lst: 'eNrbuRgAAhcBXQ' },
};

test('a list may say more than is read', () => {
  const more = {
    ...good,
    iss: 'x',
    status_list: { ...good.status_list, aggregation_uri: 'https://x.example' },
  };
  expect(parseStatusList(more)).toEqual(good);
});

test.each([
  ['without an end', { exp: undefined }],
  ['without a lifetime', { ttl: undefined }],
  ['with none', { ttl: 0 }],
  ['with three bits', { status_list: { bits: 3, lst: 'eNrbuRgAAhcBXQ' } }],
  ['with padding', { status_list: { bits: 1, lst: 'eNrbuRgAAhcBXQ==' } }],
  ['that is of nobody', { sub: '' }],
])('a list %s is none', (_, change) => {
  expect(() => parseStatusList({ ...good, ...change })).toThrow('malformed');
});

test.each([
  'ftp://bank.example/status/0',
  'https://bank.example/status/0?x=1',
  'https://bank.example/status/0#x',
  'https://user@bank.example/status/0',
  'https://bank.example/a/../status/0',
  'HTTPS://bank.example/status/0',
  '/status/0',
])('%s is no address of a list', (uri) => {
  expect(() => parse(statusShape, { status_list: { idx: 0, uri } })).toThrow('malformed');
});
