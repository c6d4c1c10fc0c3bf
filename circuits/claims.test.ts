import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  areSameDefinition,
  encodeClaim,
  encodeClaims,
  encodeValues,
  schemaSignal,
  shownDefinition,
} from './claim-encoding.ts';
import {
  type ClaimDefinition,
  type ClaimsSchema,
  claimsSchema,
  dateOfDays,
  daysOfDate,
  encodeBounds,
  type OrderedClaim,
  orderedClaim,
} from './claims.ts';
import { claimsCredential } from './poseidon.ts';
import { parse } from './shape.ts';
import { requestedFact } from './wire.ts';

interface Vectors {
  readonly schema: ClaimsSchema;
  readonly signal: string;
  readonly encodings: readonly { readonly claim: string; readonly value: string; readonly field: string }[];
  readonly credential: {
    readonly holder: string;
    readonly salt: string;
    readonly claims: Readonly<Record<string, string>>;
    readonly encoded: readonly string[];
    readonly credential: string;
  };
  readonly facts: readonly unknown[];
  readonly signals: readonly {
    readonly lower?: string;
    readonly upper?: string;
    readonly values?: readonly string[];
  }[];
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('./vectors/claims.json', import.meta.url), 'utf8'));
const { schema } = vectors;

function claim(name: string): ClaimDefinition {
  const found = schema.claims.find((definition) => definition.name === name);
  if (found === undefined) throw new TypeError('no such claim');
  return found;
}

function ordered(name: string): OrderedClaim {
  return parse(orderedClaim, claim(name));
}

describe('the schema', () => {
  test('has the signal of the vector, in whatever order its keys come', () => {
    expect(String(schemaSignal(schema))).toBe(vectors.signal);
    const turned = JSON.parse(JSON.stringify(schema), (_, value) =>
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).reverse())
        : value,
    );
    expect(Object.keys(turned)[0]).toBe('claims');
    expect(String(schemaSignal(turned))).toBe(vectors.signal);
  });

  test('has another signal with any part of it changed', () => {
    const [born, ...rest] = schema.claims;
    const changed: readonly unknown[] = [
      { ...schema, schema: 'customer2' },
      { ...schema, version: 2 },
      { ...schema, volatile: true },
      { ...schema, claims: schema.claims.toReversed() },
      { ...schema, claims: rest },
      { ...schema, claims: [{ ...born, name: 'birth' }, ...rest] },
      { ...schema, claims: [{ ...born, type: 'integer' }, ...rest] },
      { ...schema, claims: [{ ...born, label: { en: 'Date of birth' } }, ...rest] },
      { ...schema, claims: schema.claims.map((c) => (c.type === 'money' ? { ...c, currency: 'USD' } : c)) },
    ];
    const signals = changed.map((other) => schemaSignal(parse(claimsSchema, other)));
    expect(new Set([schemaSignal(schema), ...signals]).size).toBe(changed.length + 1);
  });
});

describe('a value', () => {
  test.each(vectors.encodings)('of $claim, $value, is the vector', ({ claim: name, value, field }) => {
    expect(String(encodeClaim(claim(name), value))).toBe(field);
  });

  test.each([
    ['months', '-1'],
    ['months', '-0'],
    ['months', String(2n ** 64n)],
    ['months', '9'.repeat(100)],
    ['months', '01'],
    ['months', '+1'],
    ['months', '1.0'],
    ['months', '1e3'],
    ['months', '0x10'],
    ['months', ' 1'],
    ['months', '１'],
    ['months', ''],
    ['balance', String(2n ** 63n)],
    ['balance', String(-(2n ** 63n) - 1n)],
    ['balance', '-0'],
    ['balance', '1,000'],
    ['born', '1899-12-31'],
    ['born', '0099-01-01'],
    ['born', '2026-02-29'],
    ['born', '1900-02-29'],
    ['born', '2026-13-01'],
    ['born', '2026-00-10'],
    ['born', '2026-1-1'],
    ['born', '20260101'],
    ['born', '10000-01-01'],
    ['born', '2026-01-01T00:00:00Z'],
    ['prefecture', '1'],
    ['prefecture', '013'],
    ['prefecture', 'Tokyo'],
    ['plan', ''],
    ['plan', ' Gold'],
    ['plan', 'Go\u200bld'],
    ['plan', 'Cafe\u0301'],
    ['plan', 'x'.repeat(121)],
  ])('of %s is not %j', (name, value) => {
    expect(() => encodeClaim(claim(name), value)).toThrow('malformed');
  });

  test('of money orders as the amounts do, debts included', () => {
    const amount = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(amount, amount, (one, other) => {
        const [a, b] = [one, other].map((value) => encodeClaim(claim('balance'), String(value)));
        expect((a ?? 0n) < (b ?? 0n)).toBe(one < other);
      }),
    );
  });

  test('of a date goes there and back, one day after the other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_958_463 }), (days) => {
        expect(daysOfDate(dateOfDays(days))).toBe(days);
        expect(dateOfDays(days + 1) > dateOfDays(days) || days === 2_958_463).toBe(true);
      }),
    );
  });
});

describe('the claims of a credential', () => {
  const { holder, salt, claims, encoded, credential } = vectors.credential;

  test('are encoded and committed to as the vector has it', () => {
    const made = encodeClaims(schema, claims);
    expect(made.map(String)).toEqual(encoded);
    const committed = { schema: schemaSignal(schema), salt: BigInt(salt), claims: made };
    expect(String(claimsCredential(committed, BigInt(holder)))).toBe(credential);
    expect(() => claimsCredential({ ...committed, claims: made.slice(1) }, 1n)).toThrow(TypeError);
  });

  test.each<[string, Record<string, string>]>([
    ['one missing', Object.fromEntries(Object.entries(claims).slice(1))],
    ['one too many', { ...claims, more: '1' }],
    ['one by another name', { ...Object.fromEntries(Object.entries(claims).slice(1)), birth: '2008-02-29' }],
    ['one of another type', { ...claims, months: '2008-02-29' }],
    ['a name of every object', { ...Object.fromEntries(Object.entries(claims).slice(1)), toString: '1' }],
  ])('are refused with %s', (_, wrong) => {
    expect(() => encodeClaims(schema, wrong)).toThrow('malformed');
  });
});

describe('what a request asks', () => {
  test('has the signals of the vectors', () => {
    for (const [i, fact] of vectors.facts.entries()) {
      const entry = parse(requestedFact, fact);
      const { lower, upper, values } = vectors.signals[i] ?? {};
      if (entry.fact === 'range') {
        expect(encodeBounds(entry.claim, entry)).toEqual({
          lower: BigInt(lower ?? ''),
          upper: BigInt(upper ?? ''),
        });
      } else if (entry.fact === 'member') {
        expect(Object.values(encodeValues(entry.claim, entry.values)).map(String)).toEqual(values);
      } else throw new TypeError('the vectors are about claims');
    }
  });

  test('of bounds must leave something between them', () => {
    const months = ordered('months');
    const last = String(2n ** 64n - 1n);
    expect(encodeBounds(months, { atLeast: last })).toEqual({ lower: 2n ** 64n - 1n, upper: 2n ** 64n - 1n });
    expect(encodeBounds(months, { atLeast: '6', atMost: '6' })).toEqual({ lower: 6n, upper: 6n });
    expect(() => encodeBounds(months, { atLeast: '6', atMost: '5' })).toThrow('malformed');
    expect(() => encodeBounds(months, {})).toThrow('malformed');
    // The hash of a text has no order.
    expect(() => encodeBounds(ordered('plan'), { atMost: 'Gold' })).toThrow('malformed');
  });

  test('of values is one to eight, no two alike, and the last one fills what is left', () => {
    const months = claim('months');
    const eight = ['1', '2', '3', '4', '5', '6', '7', '8'];
    expect(Object.values(encodeValues(months, eight))).toEqual(eight.map(BigInt));
    expect(Object.values(encodeValues(months, ['5']))).toEqual(eight.map(() => 5n));
    for (const wrong of [[], [...eight, '9'], ['1', '1'], ['1', 'x']]) {
      expect(() => encodeValues(months, wrong)).toThrow('malformed');
    }
  });

  test('shows of a list only what is asked for', () => {
    const prefecture = claim('prefecture');
    expect(shownDefinition(prefecture, ['27'])).toMatchObject({ values: [{ value: '27' }] });
    expect(areSameDefinition(shownDefinition(prefecture, ['27']), prefecture)).toBe(false);
    expect(areSameDefinition(shownDefinition(prefecture, ['13', '14', '27']), prefecture)).toBe(true);
    expect(shownDefinition(claim('months'), ['1'])).toEqual(claim('months'));
  });
});
