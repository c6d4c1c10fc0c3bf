import * as v from 'valibot';
import { claimsSchema } from './claims.ts';
import { type AskedId, PASSKEY } from './protocol.ts';
import { reference } from './shape.ts';
import { purpose } from './wire.ts';

// What a tenant asks of a caller, by purpose (docs/protocol.md, section 6). The verifier makes the facts of a request of it.

const claimValue = v.pipe(v.string(), v.maxLength(120));
const units = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1200));

/**
 * Time that has passed since a date, in whole years or months, by the tenant's calendar: an age, months as a customer.
 * The verifier makes bounds of it whenever a verification starts.
 */
export const elapsed = v.pipe(
  v.strictObject({
    unit: v.picklist(['years', 'months']),
    atLeast: v.optional(units),
    atMost: v.optional(units),
    /** IANA name, such as `Asia/Tokyo`: where "today" is. */
    timeZone: v.pipe(v.string(), v.maxLength(64), v.check(isTimeZone)),
  }),
  v.check(({ unit, atLeast, atMost }) => {
    const most = unit === 'years' ? 100 : 1200;
    const given = [atLeast, atMost].filter((value) => value !== undefined);
    return given.length > 0 && given.every((value) => value <= most) && (atLeast ?? 0) <= (atMost ?? most);
  }),
);
export type Elapsed = v.InferOutput<typeof elapsed>;

/**
 * A fact as a policy asks for it, or a passkey, once at most: entries differ. Claims come with their schema: the policy is the
 * tenant's word on what they mean.
 */
export const policyFact = v.union([
  v.picklist(['pin', 'account', PASSKEY.fact]),
  v.strictObject({
    fact: v.literal('range'),
    schema: claimsSchema,
    /** Name of a claim of the schema: an integer, money or a date. */
    claim: reference,
    atLeast: v.optional(claimValue),
    atMost: v.optional(claimValue),
  }),
  v.strictObject({ fact: v.literal('range'), schema: claimsSchema, claim: reference, elapsed }),
  v.strictObject({
    fact: v.literal('member'),
    schema: claimsSchema,
    claim: reference,
    /** One to eight of them. */
    values: v.array(claimValue),
  }),
]);
export type PolicyFact = v.InferOutput<typeof policyFact>;

/** What the entries of a policy are, in its order. */
export function factOf(asked: PolicyFact): AskedId {
  return typeof asked === 'string' ? asked : asked.fact;
}

/** Transactions under a policy. Without a rule: `{from: 'backend', desk: 'hidden'}`. */
export const transactionRule = v.strictObject({
  /** Who may start with one: the back end alone, or operators as well. */
  from: v.picklist(['backend', 'operator']),
  /** What desks are shown of it: the figures while it is open, or only that there is one. */
  desk: v.picklist(['figures', 'hidden']),
});
export type TransactionRule = v.InferOutput<typeof transactionRule>;

export const policyBody = v.strictObject({
  policy: reference,
  facts: v.pipe(
    v.array(policyFact),
    v.minLength(1),
    v.maxLength(16),
    v.check((facts) => new Set(facts.map((asked) => JSON.stringify(asked))).size === facts.length),
  ),
  purposes: v.pipe(v.array(purpose), v.minLength(1), v.maxLength(64)),
  transaction: v.optional(transactionRule),
});

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
