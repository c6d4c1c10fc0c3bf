import * as v from 'valibot';
import { claimsSchema } from './claims.ts';
import { isCurrency } from './currency.ts';
import { type AskedId, PASSKEY } from './protocol.ts';
import { reference } from './shape.ts';
import { purpose } from './wire.ts';

// What a tenant asks of a caller, by purpose (docs/protocol.md, section 6): entries, ways to combine them, and what raises the
// demand. The verifier makes the list of a request of it.

const claimValue = v.pipe(v.string(), v.maxLength(120));
/** IANA name, such as `Asia/Tokyo`. */
const timeZone = v.pipe(v.string(), v.maxLength(64), v.check(isTimeZone));
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
    /** Where "today" is. */
    timeZone,
  }),
  v.check(({ unit, atLeast, atMost }) => {
    const most = unit === 'years' ? 100 : 1200;
    const given = [atLeast, atMost].filter((value) => value !== undefined);
    return given.length > 0 && given.every((value) => value <= most) && (atLeast ?? 0) <= (atMost ?? most);
  }),
);
export type Elapsed = v.InferOutput<typeof elapsed>;

/** A fact as a policy asks for it, or a passkey. Claims come with their schema: the policy is the tenant's word on what they mean. */
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

/** What must be shown: an entry, all of a list, or any one of a list, the first that the device can show. */
export type Requirement =
  | PolicyFact
  | { readonly allOf: readonly Requirement[] }
  | { readonly anyOf: readonly Requirement[] };

/** How deep lists may lie in lists. */
const DEPTH_MAX = 4;

const requirement = requirementAt(DEPTH_MAX);
/** All of these. The same thing twice in one list is a mistake. */
export const requirements = listOf(requirement);

function requirementAt(depth: number): v.GenericSchema<Requirement> {
  if (depth === 0) return policyFact;
  const list = listOf(requirementAt(depth - 1));
  return v.union([policyFact, v.strictObject({ allOf: list }), v.strictObject({ anyOf: list })]);
}

function listOf(one: v.GenericSchema<Requirement>) {
  return v.pipe(
    v.array(one),
    v.minLength(1),
    v.maxLength(16),
    v.check((list) => new Set(list.map((entry) => JSON.stringify(entry))).size === list.length),
  );
}

/** Every entry of a requirement, in the order of the policy; one that stands there twice comes twice. */
export function leavesOf(asked: Requirement): readonly PolicyFact[] {
  if (typeof asked === 'string' || 'fact' in asked) return [asked];
  return ('allOf' in asked ? asked.allOf : asked.anyOf).flatMap(leavesOf);
}

/** Every entry that a verification under this policy may ask for, rules included, once. */
export function askedUnder({
  facts,
  stepUp = [],
}: Pick<PolicyBody, 'facts' | 'stepUp'>): readonly PolicyFact[] {
  const all = [...facts, ...stepUp.flatMap((rule) => rule.facts ?? [])].flatMap(leavesOf);
  return [...new Map(all.map((asked) => [JSON.stringify(asked), asked])).values()];
}

const count = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most));
const moneyAtLeast = v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,17})$/));
const currency = v.pipe(v.string(), v.check(isCurrency));
/** Time of day, `HH:MM`. */
const clock = v.pipe(v.string(), v.regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]$/));

/**
 * When a call is riskier than others. All that a condition names must hold. What only desk or back end can know counts
 * as holding where nobody said that it does not: leaving a signal out never lowers what is asked.
 */
export const condition = v.pipe(
  v.strictObject({
    /** The caller's number was withheld, as desk or back end say. */
    numberWithheld: v.optional(v.literal(true)),
    /** The caller's number is none that the tenant has on file, as desk or back end say. */
    numberNotOnFile: v.optional(v.literal(true)),
    /** By the verifier's clock, `until` not included; over midnight where it is earlier than `from`. */
    hours: v.optional(
      v.pipe(
        v.strictObject({ from: clock, until: clock, timeZone }),
        v.check(({ from, until }) => from !== until),
      ),
    ),
    /** Verifications of this subject that ended as `failed` or `reported`, by the verifier's own records. */
    earlierFailures: v.optional(
      v.strictObject({
        atLeast: count(100),
        withinSeconds: v.pipe(v.number(), v.integer(), v.minValue(60), v.maxValue(2_592_000)),
      }),
    ),
    /** That of the request's transaction, or what desk or back end say, in minor units. */
    amount: v.optional(v.strictObject({ atLeast: moneyAtLeast, currency })),
  }),
  v.check((named) => Object.keys(named).length > 0),
);
export type Condition = v.InferOutput<typeof condition>;

/** Raises a policy: it can only add. */
export const stepUp = v.pipe(
  v.strictObject({
    when: condition,
    facts: v.optional(requirements),
    twoFactor: v.optional(v.literal(true)),
  }),
  v.check(({ facts, twoFactor }) => facts !== undefined || twoFactor === true),
);
export type StepUp = v.InferOutput<typeof stepUp>;

/** What desk or back end know of the risk of a call. What is left out is not known to be harmless. */
export const riskSignals = v.strictObject({
  numberWithheld: v.optional(v.boolean()),
  numberNotOnFile: v.optional(v.boolean()),
  /** What the call is about, where no transaction says so; minor units. */
  amount: v.optional(v.strictObject({ amount: moneyAtLeast, currency })),
});
export type RiskSignals = v.InferOutput<typeof riskSignals>;

export const policyBody = v.strictObject({
  policy: reference,
  facts: requirements,
  /** Two different ones of knowledge, possession, inherence: two of one kind are two-step, and not enough. */
  twoFactor: v.optional(v.literal(true)),
  /** Seconds for which a pass of the same call may stand in for showing the same again; without it none may. */
  reuseSeconds: v.optional(count(3600)),
  stepUp: v.optional(v.pipe(v.array(stepUp), v.minLength(1), v.maxLength(16))),
  purposes: v.pipe(v.array(purpose), v.minLength(1), v.maxLength(64)),
  transaction: v.optional(transactionRule),
});
export type PolicyBody = v.InferOutput<typeof policyBody>;

/** Asking for one takes 0.2 ms, and a stored policy is read again in each verification. There are some 600, in any case of letters. */
const timeZones = new Set<string>();
const TIME_ZONES_MAX = 1000;

function isTimeZone(timeZone: string): boolean {
  if (timeZones.has(timeZone)) return true;
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    return false;
  }
  if (timeZones.size < TIME_ZONES_MAX) timeZones.add(timeZone);
  return true;
}
