import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { base64url, CompactSign, generateKeyPair } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { challenge } from './challenge.ts';
import { CURRENCIES } from './currency.ts';
import { transactionHash } from './evidence.ts';
import { parse, requestJws } from './shape.ts';
import { LINES_MAX, type Transaction, transaction } from './transaction.ts';
import { parseRequest } from './wire.ts';

interface Vectors {
  transactions: { transaction: Transaction; salt: string; json: string; hash: string }[];
}
const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`./vectors/${name}`, import.meta.url), 'utf8'));
const vectors: Vectors = read('transaction.json');
const { request } = read('wire.json');

const ORDER: Transaction = {
  amount: '4350',
  currency: 'USD',
  payee: 'Night Owl Books',
  lines: [
    { text: 'Field notes', quantity: 2, amount: '3900' },
    { text: 'Delivery', quantity: 1, amount: '650' },
    { text: 'Voucher', quantity: 1, amount: '-200' },
  ],
};
const SALT = new Uint8Array(32);

/** The order with one figure another, for every figure there is; sums are kept where a line's amount changes. */
const CHANGED: readonly (readonly [string, Transaction])[] = [
  ['amount, without lines', { ...withoutLines(ORDER), amount: '4351' }],
  ['currency', { ...ORDER, currency: 'EUR' }],
  ['payee', { ...ORDER, payee: 'Night Owl Book' }],
  ['lines left out', withoutLines(ORDER)],
  ['text of a line', line(0, { text: 'Field note' })],
  ['quantity of a line', line(0, { quantity: 3 })],
  ['amounts of two lines', { ...ORDER, lines: shifted() }],
  ['order of the lines', { ...ORDER, lines: [...(ORDER.lines ?? [])].reverse() }],
  ['amount and a line', { ...line(1, { amount: '651' }), amount: '4351' }],
];

function withoutLines({ lines: _, ...rest }: Transaction): Transaction {
  return rest;
}

function line(index: number, change: object): Transaction {
  return {
    ...ORDER,
    lines: (ORDER.lines ?? []).map((old, i) => (i === index ? { ...old, ...change } : old)),
  };
}

function shifted() {
  const [first, second, ...rest] = ORDER.lines ?? [];
  if (first === undefined || second === undefined) throw new TypeError('two lines');
  return [{ ...first, amount: '3901' }, { ...second, amount: '649' }, ...rest];
}

describe('a transaction', () => {
  test('is taken with lines and without', () => {
    expect(parse(transaction, ORDER)).toEqual(ORDER);
    expect(parse(transaction, withoutLines(ORDER))).toEqual(withoutLines(ORDER));
    for (const [, changed] of CHANGED) expect(parse(transaction, changed)).toEqual(changed);
  });

  const wrong: readonly (readonly [string, unknown])[] = [
    ['a sum one more', { ...ORDER, amount: '4351' }],
    ['a sum one less', { ...ORDER, amount: '4349' }],
    ['no line at all', { ...ORDER, lines: [] }],
    ['an unknown currency', { ...ORDER, currency: 'XXX' }],
    ['a number as amount', { ...withoutLines(ORDER), amount: 4350 }],
    ['a leading zero', { ...withoutLines(ORDER), amount: '04350' }],
    ['an amount below zero', { ...withoutLines(ORDER), amount: '-1' }],
    ['19 digits', { ...withoutLines(ORDER), amount: '1000000000000000000' }],
    ['an empty payee', { ...ORDER, payee: '' }],
    ['a payee over two lines', { ...ORDER, payee: 'a\nb' }],
    ['a further member', { ...ORDER, tip: '1' }],
    ['a further member of a line', line(0, { unit: 'kg' })],
    ['a line of minus zero', line(0, { amount: '-0' })],
    ['a line without text', line(0, { text: '' })],
    ['an invisible character in a line', line(0, { text: 'a\u202eb' })],
    ...[0, -1, 1.5, 1_000_000, '2', null].map(
      (quantity) => [`a quantity of ${quantity}`, line(0, { quantity })] as const,
    ),
  ];

  test.each(wrong)('with %s is refused', (_, given) => {
    expect(() => parse(transaction, given)).toThrow('malformed');
    expect(() => parseRequest({ ...request.payload, transaction: given })).toThrow('malformed');
  });

  test(`has ${LINES_MAX} lines at most`, () => {
    const lines = (count: number) =>
      Array.from({ length: count }, () => ({ text: 'a', quantity: 1, amount: '1' }));
    const order = (count: number) => ({ ...ORDER, amount: String(count), lines: lines(count) });
    expect(parse(transaction, order(LINES_MAX)).lines).toHaveLength(LINES_MAX);
    expect(() => parse(transaction, order(LINES_MAX + 1))).toThrow('malformed');
  });

  test('is held against its lines as integers, not as rounded numbers', () => {
    const exact = { ...ORDER, amount: '900719925474099300' };
    const lines = ['900719925474099299', '1'].map((amount) => ({ text: 'a', quantity: 1, amount }));
    expect(parse(transaction, { ...exact, lines }).amount).toBe(exact.amount);
    expect(() => parse(transaction, { ...exact, amount: '900719925474099301', lines })).toThrow('malformed');
  });
});

describe('the hash of a transaction', () => {
  test.each(vectors.transactions)('equals the vector $#', (vector) => {
    const hash = transactionHash(parse(transaction, vector.transaction), base64url.decode(vector.salt));
    expect(base64url.encode(hash)).toBe(vector.hash);
    expect(canonicalize(vector.transaction)).toBe(vector.json);
  });

  test('is another for every figure that changes, and for another salt', () => {
    const hashes = [ORDER, ...CHANGED.map(([, changed]) => changed)].map((one) =>
      base64url.encode(transactionHash(one, SALT)),
    );
    hashes.push(base64url.encode(transactionHash(ORDER, new Uint8Array(32).fill(1))));
    expect(new Set(hashes).size).toBe(CHANGED.length + 2);
    for (const length of [0, 31, 33]) {
      expect(() => transactionHash(ORDER, new Uint8Array(length))).toThrow(TypeError);
    }
  });

  test('is over RFC 8785 JSON, whatever the texts and the order of the members', () => {
    const words = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(
        words,
        words,
        fc.constantFrom(...CURRENCIES),
        fc.nat(999_998),
        (payee, text, currency, n) => {
          const given = {
            payee,
            lines: [{ text, quantity: n + 1, amount: String(n) }],
            amount: String(n),
            currency,
          };
          const expected = createHash('sha256').update('akashi/transaction/v1').update(SALT);
          expected.update(canonicalize(given) ?? '');
          expect(Buffer.from(transactionHash(given, SALT))).toEqual(expected.digest());
        },
      ),
    );
  });
});

describe('a request with another figure', () => {
  let sign: (payload: object) => Promise<string>;
  beforeAll(async () => {
    const { privateKey } = await generateKeyPair('ES256');
    sign = (payload) =>
      new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
        .setProtectedHeader({ alg: 'ES256', typ: 'akashi-request+jwt', kid: 'k' })
        .sign(privateKey);
  });

  /** The bytes that the signature and the challenge are over, so that no random signature makes the difference. */
  const bound = async (order: Transaction) => {
    const [header, payload] = (await sign({ ...request.payload, transaction: order })).split('.');
    return challenge({ request: `${header}.${payload}.`, index: 0, nonce: SALT, code: '123456' });
  };

  test.each(CHANGED)('(%s) has another challenge', async (_, changed) => {
    expect(await bound(changed)).not.toBe(await bound(ORDER));
  });

  // What is signed must be what a phone takes: otherwise a start would succeed that nobody can answer.
  test('fits the wire even with the longest texts everywhere', async () => {
    const long = '証'.repeat(120);
    const languages = ['ja', 'en', 'de', 'fr', 'zh', 'ko', 'es', 'pt'];
    const lines = Array.from({ length: LINES_MAX }, (_, i) => ({
      text: long,
      quantity: 999_999,
      amount: i === 0 ? '999999999999999999' : '0',
    }));
    const longest = {
      ...request.payload,
      iss: `https://${'v'.repeat(248)}`,
      aud: Array.from({ length: 16 }, () => request.payload.aud[0]),
      tenant: { id: 'a'.repeat(64), name: long },
      operator: long,
      purpose: { id: 'p'.repeat(64), text: Object.fromEntries(languages.map((tag) => [tag, long])) },
      transaction: { amount: '999999999999999999', currency: 'JPY', payee: long, lines },
    };
    expect(parseRequest(longest)).toEqual(longest);
    const jws = await sign(longest);
    expect(parse(requestJws, jws)).toBe(jws);
    // Room is left for facts with parameters.
    expect(jws.length).toBeLessThan(24_000);
  });
});
