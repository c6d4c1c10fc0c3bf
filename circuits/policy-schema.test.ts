import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { policyBody } from './policy.ts';

// policy.schema.json is kept by hand, for editors and whoever has no Akashi at hand. Here it is held against the shape that
// decides: nothing that the shape takes may be refused by it, and of what the shape refuses only what JSON Schema cannot say
// may be taken.

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Schema = { readonly [keyword: string]: unknown };

const SCHEMA = JSON.parse(readFileSync(new URL('./policy.schema.json', import.meta.url), 'utf8')) as Schema;

const isObject = (value: unknown): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const every = (list: unknown, holds: (entry: never) => boolean) => (list as never[]).every(holds);
const length = (text: Json) => [...String(text)].length;

/** JSON Schema 2020-12, as far as the file uses it. A keyword that is not here is a mistake of this test. */
const KEYWORDS: Readonly<Record<string, (argument: never, value: Json, schema: Schema) => boolean>> = {
  $ref: (name: string, value) => accepts(at(name), value),
  type: (type: string, value) => TYPES[type]?.(value) ?? false,
  const: (constant: Json, value) => constant === value,
  enum: (listed: Json[], value) => listed.includes(value),
  anyOf: (schemas: Schema[], value) => schemas.some((schema) => accepts(schema, value)),
  pattern: (pattern: string, value) => typeof value !== 'string' || new RegExp(pattern, 'u').test(value),
  minLength: (least: number, value) => typeof value !== 'string' || length(value) >= least,
  maxLength: (most: number, value) => typeof value !== 'string' || length(value) <= most,
  minimum: (least: number, value) => typeof value !== 'number' || value >= least,
  maximum: (most: number, value) => typeof value !== 'number' || value <= most,
  items: (schema: Schema, value) => !Array.isArray(value) || value.every((item) => accepts(schema, item)),
  minItems: (least: number, value) => !Array.isArray(value) || value.length >= least,
  maxItems: (most: number, value) => !Array.isArray(value) || value.length <= most,
  uniqueItems: (_: true, value) =>
    !Array.isArray(value) || new Set(value.map((item) => JSON.stringify(item))).size === value.length,
  required: (names: string[], value) => !isObject(value) || names.every((name) => Object.hasOwn(value, name)),
  properties: (schemas: Record<string, Schema>, value) =>
    !isObject(value) ||
    Object.entries(value).every(([name, part]) => !schemas[name] || accepts(schemas[name], part)),
  additionalProperties: (rest: Schema | false, value, { properties = {} }) =>
    !isObject(value) ||
    Object.entries(value).every(
      ([name, part]) => Object.hasOwn(properties as object, name) || (rest !== false && accepts(rest, part)),
    ),
  propertyNames: (schema: Schema, value) =>
    !isObject(value) || Object.keys(value).every((name) => accepts(schema, name)),
  minProperties: (least: number, value) => !isObject(value) || Object.keys(value).length >= least,
  maxProperties: (most: number, value) => !isObject(value) || Object.keys(value).length <= most,
  $schema: () => true,
  $defs: () => true,
  title: () => true,
  description: () => true,
};

const TYPES: Readonly<Record<string, (value: Json) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
};

function accepts(schema: Schema, value: Json): boolean {
  return every(Object.entries(schema), ([keyword, argument]: [string, never]) => {
    const check = KEYWORDS[keyword];
    if (check === undefined) throw new TypeError(`the keyword ${keyword} is not known`);
    return check(argument, value, schema);
  });
}

function at(reference: string): Schema {
  const name = reference.replace('#/$defs/', '');
  const found = (SCHEMA.$defs as Record<string, Schema>)[name];
  if (found === undefined) throw new TypeError(`${reference} leads nowhere`);
  return found;
}

const texts = fc.constantFrom<Json>({ en: 'A limit' }, { ja: '限度額', 'en-GB': 'A limit' });
const amount = fc.bigInt(0n, 10n ** 18n - 1n).map(String);
const claims: Json[] = [
  { name: 'months', label: { en: 'Months' }, type: 'integer' },
  { name: 'income', label: { en: 'Income', ja: '年収' }, type: 'money', currency: 'JPY' },
  { name: 'born', label: { en: 'Born' }, type: 'date' },
  {
    name: 'home',
    label: { en: 'Home' },
    type: 'enumeration',
    values: [{ value: '13', label: { ja: '東京' } }],
  },
  { name: 'plan', label: { en: 'Plan' }, type: 'text' },
];
const schema = fc.record({
  schema: fc.constant<Json>('customer'),
  version: fc.integer({ min: 1 }),
  volatile: fc.boolean(),
  claims: fc.subarray(claims, { minLength: 1 }),
});
const claim = { schema, claim: fc.constantFrom('born', 'income') };
const optional = { requiredKeys: [] as [] };
const elapsed = fc.oneof(
  fc.record({ unit: fc.constant('years'), atLeast: fc.nat(100), timeZone: fc.constant('Asia/Tokyo') }),
  fc.record({ unit: fc.constant('months'), atMost: fc.nat(1200), timeZone: fc.constant('UTC') }),
);
const entry: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom('pin', 'account', 'passkey'),
  fc.record({ fact: fc.constant('range'), ...claim, atLeast: amount }),
  fc.record({ fact: fc.constant('range'), ...claim, elapsed }),
  fc.record({ fact: fc.constant('member'), ...claim, values: fc.array(amount, { maxLength: 3 }) }),
);
const listOf = (one: fc.Arbitrary<unknown>) =>
  fc.uniqueArray(one, { minLength: 1, maxLength: 4, selector: (each) => JSON.stringify(each) });
const requirementAt = (depth: number): fc.Arbitrary<unknown> => {
  if (depth === 0) return entry;
  const list = listOf(requirementAt(depth - 1));
  return fc.oneof({ arbitrary: entry, weight: 4 }, fc.record({ allOf: list }), fc.record({ anyOf: list }));
};
const facts = listOf(requirementAt(4));
const condition = fc
  .record(
    {
      numberWithheld: fc.constant(true),
      numberNotOnFile: fc.constant(true),
      hours: fc.constant({ from: '22:00', until: '06:00', timeZone: 'Asia/Tokyo' }),
      earlierFailures: fc.record({
        atLeast: fc.integer({ min: 1, max: 100 }),
        withinSeconds: fc.integer({ min: 60, max: 2_592_000 }),
      }),
      amount: fc.record({ atLeast: amount, currency: fc.constantFrom('JPY', 'USD') }),
    },
    optional,
  )
  .filter((named) => Object.keys(named).length > 0);
const rule = fc.oneof(
  fc.record({ when: condition, facts, twoFactor: fc.constant(true) }, { requiredKeys: ['when', 'facts'] }),
  fc.record({ when: condition, twoFactor: fc.constant(true) }),
);
const policy = fc.record(
  {
    policy: fc.constantFrom('limit', 'open.account:2'),
    facts,
    twoFactor: fc.constant(true),
    reuseSeconds: fc.integer({ min: 1, max: 3600 }),
    stepUp: fc.array(rule, { minLength: 1, maxLength: 3 }),
    purposes: fc.array(fc.record({ id: fc.constant('limit'), text: texts }), { minLength: 1, maxLength: 3 }),
    transaction: fc.record({
      from: fc.constantFrom('backend', 'operator'),
      desk: fc.constantFrom('figures', 'hidden'),
    }),
  },
  { requiredKeys: ['policy', 'facts', 'purposes'] },
) as unknown as fc.Arbitrary<Json>;

describe('the JSON Schema of a policy', () => {
  test('takes what the shape takes', () => {
    fc.assert(
      fc.property(policy, (body) => {
        expect(v.is(policyBody, body)).toBe(true);
        expect(accepts(SCHEMA, body)).toBe(true);
      }),
    );
  });

  test('refuses, as the shape does, whatever has one part of another kind, one too few or one too many', () => {
    const wrongs: Json[] = [null, -1, 1.5, 'a b', '', [], {}, false, 10_000];
    fc.assert(
      fc.property(policy, fc.nat(), fc.constantFrom(...wrongs, 'gone', 'more'), (body, at, wrong) => {
        const places = placesIn(body);
        const changed = altered(body, places[at % places.length] ?? [], wrong);
        const taken = accepts(SCHEMA, changed);
        // The shape may know better: what is in a text, and what goes with what.
        if (!taken) expect(v.is(policyBody, changed)).toBe(false);
        else if (!v.is(policyBody, changed)) expect(isCheckOnly(changed)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('knows every name of the shape and no other', () => {
    expect(Object.keys(SCHEMA.properties as object)).toEqual(Object.keys(policyBody.entries));
  });
});

/** Whether the shape refuses a value by checks of its own alone, and neither by a type nor by a name. */
function isCheckOnly(value: Json): boolean {
  const { issues = [] } = v.safeParse(policyBody, value);
  return issues.every(({ kind, type }) => kind === 'validation' && type === 'check');
}

function placesIn(value: Json, here: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [here];
  const parts = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [here, ...parts.flatMap(([key, part]) => placesIn(part, [...here, key]))];
}

function altered(value: Json, [key, ...rest]: readonly (string | number)[], wrong: Json): Json {
  if (key === undefined) {
    if (wrong === 'more' && isObject(value)) return { ...value, more: 1 };
    if (wrong === 'more' && Array.isArray(value)) return [...value, 'more'];
    return wrong;
  }
  const copy = structuredClone(value) as { [key: string]: Json };
  if (wrong === 'gone' && rest.length === 0 && !Array.isArray(copy)) {
    delete copy[key];
    return copy;
  }
  copy[key] = altered(copy[key] ?? null, rest, wrong);
  return copy;
}
