import * as v from 'valibot';
import { AkashiError } from './error.ts';
import { CLAIMS_MAX, MEMBER_VALUES, RANGE_BITS } from './protocol.ts';
import { parse, reference, text, texts } from './shape.ts';

// Claims that an issuer can vouch for, and how each is written in JSON, which is always a text (docs/protocol.md, section 3).
// What they become in a circuit stands in claim-encoding.ts: a phone page that shows a request needs no hash.

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
export const claimDefinition = v.union([integerClaim, moneyClaim, dateClaim, enumerationClaim, textClaim]);
export type ClaimDefinition = v.InferOutput<typeof claimDefinition>;

/** Those that have an order. */
export const orderedClaim = v.union([integerClaim, moneyClaim, dateClaim]);
export type OrderedClaim = v.InferOutput<typeof orderedClaim>;

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
 * The number of a value, of a type that has numbers.
 * @param value integer: decimal, 0 to 2^64 - 1. money: minor units, decimal, -2^63 to 2^63 - 1. date: `YYYY-MM-DD`,
 * 1900 or later. enumeration: one of its numbers
 * @throws AkashiError `malformed` for any other text
 */
export function encodeNumber(
  definition: Exclude<ClaimDefinition, { readonly type: 'text' }>,
  value: string,
): bigint {
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
  }
}

/** A text as the value of a claim: as it is, in Unicode form NFC. @throws AkashiError `malformed` for any other */
export function requireText(value: string): string {
  const canonical = parse(text, value);
  if (canonical.normalize('NFC') !== canonical) throw new AkashiError('malformed');
  return canonical;
}

/**
 * Refuses what cannot be the values of `member`. Each value is written in one way only, so texts that differ are values
 * that differ.
 * @throws AkashiError `malformed` for none, too many, one twice, or one that is no value of this claim
 */
export function requireValues(definition: ClaimDefinition, values: readonly string[]): void {
  for (const value of values) {
    if (definition.type === 'text') requireText(value);
    else encodeNumber(definition, value);
  }
  const fits = values.length >= 1 && values.length <= MEMBER_VALUES.length;
  if (!fits || new Set(values).size !== values.length) throw new AkashiError('malformed');
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
  definition: OrderedClaim,
  { atLeast, atMost }: { readonly atLeast?: string | undefined; readonly atMost?: string | undefined },
): Bounds {
  if (atLeast === undefined && atMost === undefined) throw new AkashiError('malformed');
  const lower = atLeast === undefined ? 0n : encodeNumber(definition, atLeast);
  const upper = atMost === undefined ? LIMIT - 1n : encodeNumber(definition, atMost);
  if (lower > upper || upper >= LIMIT) throw new AkashiError('malformed');
  return { lower, upper };
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
