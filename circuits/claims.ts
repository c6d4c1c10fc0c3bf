import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import * as v from 'valibot';
import { AkashiError } from './error.ts';
import { fieldFromBytes } from './field.ts';
import { CLAIMS_MAX, MEMBER_VALUES, RANGE_BITS } from './protocol.ts';
import { parse, reference, text, texts } from './shape.ts';

// Claims that an issuer can vouch for: how each is written in JSON, which is always a text, and the one field element
// that it becomes in a credential, a bound or a value (docs/protocol.md, section 3).

const LIMIT = 1n << BigInt(RANGE_BITS);

/** Money is moved up by this much, so that negative amounts order below positive ones. */
const MONEY_ZERO = LIMIT / 2n;

const code = v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,9})$/));

const named = { name: reference, label: texts };
const integerClaim = v.strictObject({ ...named, type: v.literal('integer') });
const moneyClaim = v.strictObject({
  ...named,
  type: v.literal('money'),
  /** ISO 4217. Amounts are in its minor units. */
  currency: v.pipe(v.string(), v.regex(/^[A-Z]{3}$/)),
});
const dateClaim = v.strictObject({ ...named, type: v.literal('date') });
const enumerationClaim = v.strictObject({
  ...named,
  type: v.literal('enumeration'),
  /** Each by a number of the tenant's, which is what is compared. */
  values: v.pipe(
    v.array(v.strictObject({ value: code, label: texts })),
    v.minLength(1),
    v.maxLength(64),
    v.check((values) => new Set(values.map(({ value }) => value)).size === values.length),
  ),
});
const textClaim = v.strictObject({ ...named, type: v.literal('text') });

/** A claim as a schema defines it. */
export const claimDefinition = v.variant('type', [
  integerClaim,
  moneyClaim,
  dateClaim,
  enumerationClaim,
  textClaim,
]);
export type ClaimDefinition = v.InferOutput<typeof claimDefinition>;

/** Those that have an order. */
export const orderedClaim = v.variant('type', [integerClaim, moneyClaim, dateClaim]);

export const claimsSchema = v.strictObject({
  schema: reference,
  version: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** What changes from day to day (balance, limit): its credentials live 24 hours at most. */
  volatile: v.boolean(),
  claims: v.pipe(
    v.array(claimDefinition),
    v.minLength(1),
    v.maxLength(CLAIMS_MAX),
    v.check((claims) => new Set(claims.map(({ name }) => name)).size === claims.length),
  ),
});
/** What the claims of a credential mean: names, order and encodings, and the words that the customer reads. */
export type ClaimsSchema = v.InferOutput<typeof claimsSchema>;

/** Longest life of a credential of a volatile schema. */
export const VOLATILE_SECONDS = 86_400;

/**
 * The public signal `schema`: 31 bytes of a digest over all of the schema, so that a credential issued under other
 * names, another order, another encoding or other words is one of another schema.
 */
export function schemaSignal(schema: ClaimsSchema): bigint {
  const json = canonicalJson(parse(claimsSchema, schema));
  return fieldFromBytes(sha256(concatBytes(utf8ToBytes('akashi/schema/v1'), utf8ToBytes(json))));
}

/** RFC 8785 for texts, booleans, small integers, and objects and lists of them. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}

/**
 * The field element of a claim's value.
 * @param value integer: decimal, 0 to 2^64 - 1. money: minor units, decimal, -2^63 to 2^63 - 1. date: `YYYY-MM-DD`,
 * 1900 or later. enumeration: one of its numbers. text: as it is, in Unicode form NFC
 * @throws AkashiError `malformed` for any other text
 */
export function encodeClaim(definition: ClaimDefinition, value: string): bigint {
  switch (definition.type) {
    case 'integer':
      return within(decimal(value, /^(?:0|[1-9][0-9]{0,19})$/));
    case 'money':
      return within(decimal(value, /^(?:0|-?[1-9][0-9]{0,18})$/) + MONEY_ZERO);
    case 'date':
      return BigInt(daysOfDate(value));
    case 'enumeration': {
      if (!definition.values.some((listed) => listed.value === value)) throw new AkashiError('malformed');
      return BigInt(value);
    }
    case 'text': {
      const canonical = parse(text, value);
      if (canonical.normalize('NFC') !== canonical) throw new AkashiError('malformed');
      return fieldFromBytes(sha256(concatBytes(utf8ToBytes('akashi/text/v1'), utf8ToBytes(canonical))));
    }
  }
}

/**
 * All claims of a credential as the circuits take them. Unused ones are 0: an index behind the last claim of the
 * schema is never asked for.
 * @param values by name, exactly those of the schema
 * @throws AkashiError `malformed`
 */
export function encodeClaims(schema: ClaimsSchema, values: Readonly<Record<string, string>>): bigint[] {
  if (Object.keys(values).length !== schema.claims.length) throw new AkashiError('malformed');
  const encoded = schema.claims.map((definition) => {
    const value = Object.hasOwn(values, definition.name) ? values[definition.name] : undefined;
    if (value === undefined) throw new AkashiError('malformed');
    return encodeClaim(definition, value);
  });
  return [...encoded, ...Array.from({ length: CLAIMS_MAX - encoded.length }, () => 0n)];
}

/** A definition as a request shows it: of an enumeration, only the values that are asked for. */
export function shownDefinition(definition: ClaimDefinition, values: readonly string[]): ClaimDefinition {
  if (definition.type !== 'enumeration') return definition;
  return { ...definition, values: definition.values.filter(({ value }) => values.includes(value)) };
}

export function areSameDefinition(one: ClaimDefinition, other: ClaimDefinition): boolean {
  return canonicalJson(one) === canonicalJson(other);
}

export interface Bounds {
  readonly lower: bigint;
  readonly upper: bigint;
}

/**
 * The public signals of bounds, both included; one that is not given is the end of the 64 bits.
 * @throws AkashiError `malformed` when neither is given, one is no value of this claim, or no value lies between
 */
export function encodeBounds(
  definition: ClaimDefinition,
  { atLeast, atMost }: { readonly atLeast?: string | undefined; readonly atMost?: string | undefined },
): Bounds {
  if (atLeast === undefined && atMost === undefined) throw new AkashiError('malformed');
  const lower = atLeast === undefined ? 0n : encodeClaim(definition, atLeast);
  const upper = atMost === undefined ? LIMIT - 1n : encodeClaim(definition, atMost);
  if (lower > upper || upper >= LIMIT) throw new AkashiError('malformed');
  return { lower, upper };
}

/**
 * The public signals of the values of `member`. Where there are fewer than eight, the last one is repeated: any
 * constant would be a value that some claim could have.
 * @throws AkashiError `malformed` for none, too many, one twice, or one that is no value of this claim
 */
export function encodeValues(
  definition: ClaimDefinition,
  values: readonly string[],
): Readonly<Record<(typeof MEMBER_VALUES)[number], bigint>> {
  const encoded = values.map((value) => encodeClaim(definition, value));
  const last = encoded.at(-1);
  const fits = encoded.length <= MEMBER_VALUES.length && new Set(encoded).size === encoded.length;
  if (last === undefined || !fits) throw new AkashiError('malformed');
  const entries = MEMBER_VALUES.map((name, i) => [name, encoded[i] ?? last] as const);
  return Object.fromEntries(entries) as Record<(typeof MEMBER_VALUES)[number], bigint>;
}

const DAY = 86_400_000;
const EPOCH = Date.UTC(1900, 0, 1);

/** Days since 1900-01-01 of a date `YYYY-MM-DD` of the Gregorian calendar. @throws AkashiError `malformed` */
export function daysOfDate(date: string): number {
  const [, year, month, day] = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/.exec(date) ?? [];
  const time = Date.UTC(Number(year), Number(month) - 1, Number(day));
  // What the calendar does not have, such as 30 February, comes out as another date.
  if (!(time >= EPOCH) || dateOfDays((time - EPOCH) / DAY) !== date) throw new AkashiError('malformed');
  return (time - EPOCH) / DAY;
}

/** The inverse of {@link daysOfDate}. */
export function dateOfDays(days: number): string {
  return new Date(EPOCH + days * DAY).toISOString().slice(0, 10);
}

function decimal(value: string, form: RegExp): bigint {
  if (!form.test(value)) throw new AkashiError('malformed');
  return BigInt(value);
}

function within(value: bigint): bigint {
  if (value < 0n || value >= LIMIT) throw new AkashiError('malformed');
  return value;
}
