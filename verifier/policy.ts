import {
  AkashiError,
  type AskedId,
  askedUnder,
  type Condition,
  FACTS,
  type Factor,
  factOf,
  isFactId,
  type PolicyBody,
  type PolicyFact,
  type Requirement,
  type RiskSignals,
  type StepUp,
  type Transaction,
} from '@akashi/circuits';
import { timeIn } from './elapsed.ts';
import type { PasskeySettings } from './records.ts';

// From a policy to what one verification asks for (docs/protocol.md, section 6). Lists in lists become alternatives: each
// is a list of entries that are enough together. A step-up rule adds to every alternative and takes nothing away, so
// whatever meets the raised policy meets the policy.

/** A request lists at most so many entries, and so many ways to be met. */
const ENTRIES_MAX = 16;
const ALTERNATIVES_MAX = 16;

export type Rules = Pick<PolicyBody, 'facts' | 'twoFactor' | 'stepUp'>;

type Alternative<T> = readonly T[];

/** What a policy comes to under given circumstances. */
export interface Demand {
  /** In the order of the policy; none contains another. */
  readonly alternatives: readonly Alternative<PolicyFact>[];
  readonly twoFactor: boolean;
  /** The step-up rules that hold, by their place in the policy. */
  readonly raisedBy: readonly number[];
}

/** What step-up rules are held against. */
export interface Circumstances {
  /** UTC seconds. */
  readonly now: number;
  readonly signals: RiskSignals;
  readonly transaction: Pick<Transaction, 'amount' | 'currency'> | undefined;
  /** Verifications of the subject that ended as `failed` or `reported` within so many seconds. */
  readonly failuresWithin: (seconds: number) => number;
}

/** What a verification under this policy asks for. */
export function demandOf(policy: Rules, circumstances: Circumstances): Demand {
  const rules = policy.stepUp ?? [];
  return demandUnder(
    policy,
    [...rules.keys()].filter((place) => rules[place] && holds(rules[place].when, circumstances)),
  );
}

/**
 * Refuses a policy that could not be asked for, or not be met as it says, whatever the circumstances.
 * @throws AkashiError `policy_too_wide`, however rules combine; `policy_not_two_factor`: two factors are demanded, and one
 * could do
 */
export function checkDemands(policy: Rules, passkeys: PasskeySettings | null): void {
  const rules = policy.stepUp ?? [];
  // Rules that add the same add it once.
  const added = new Map(rules.map(({ facts = [] }) => [JSON.stringify(facts), allOf(facts).length]));
  const ways = [...added.values()].reduce((product, each) => product * each, allOf(policy.facts).length);
  if (askedUnder(policy).length > ENTRIES_MAX || ways > ALTERNATIVES_MAX) {
    throw new AkashiError('policy_too_wide');
  }
  // Rules only add entries: where each by itself leaves two factors, any of them together do.
  for (const raising of [[], ...[...rules.keys()].map((place) => [place])]) {
    if (!isMeetable(demandUnder(policy, raising), passkeys)) throw new AkashiError('policy_not_two_factor');
  }
}

/** Whether each of the alternatives shows two factors, where two are demanded. */
export function isMeetable({ twoFactor, alternatives }: Demand, passkeys: PasskeySettings | null): boolean {
  return !twoFactor || alternatives.every((one) => isTwoFactor(factorsOf(one.map(factOf), passkeys)));
}

/** The windows in which failures are counted: what {@link Circumstances.failuresWithin} is asked about. */
export function failureWindows({ stepUp = [] }: Pick<Rules, 'stepUp'>): readonly number[] {
  return [...new Set(stepUp.flatMap(({ when }) => when.earlierFailures?.withinSeconds ?? []))];
}

/**
 * The factors that these show. Possession always: the device signed. Facts as the registry says. A passkey is possession
 * once more, and inherence only where the tenant accepts what the phone took in place of face or finger.
 */
export function factorsOf(shown: readonly AskedId[], passkeys: PasskeySettings | null): readonly Factor[] {
  const factors = new Set<Factor>(['possession']);
  for (const asked of shown) {
    const factor = isFactId(asked) ? FACTS[asked].factor : passkeys?.acceptScreenLock ? 'inherence' : null;
    if (factor !== null) factors.add(factor);
  }
  return [...factors].sort();
}

/** Two different ones: the same one twice is two-step. */
export function isTwoFactor(factors: readonly Factor[]): boolean {
  return new Set(factors).size >= 2;
}

/**
 * One list for these alternatives: every entry of any of them once, and the alternatives as places in it. What has become
 * alike, as bounds of two kinds may on some day, is one entry, and what contains another alternative is none any more.
 */
export function listOf<T>(alternatives: readonly Alternative<T>[]): {
  readonly entries: readonly T[];
  /** Ascending, in the order of the alternatives. `null`: all of them, there is one alternative only. */
  readonly alternatives: readonly (readonly number[])[] | null;
} {
  const kept = shortest(alternatives);
  const named = new Map(kept.flat().map((entry) => [nameOf(entry), entry]));
  const places = new Map([...named.keys()].map((name, place) => [name, place]));
  const placesOf = (one: Alternative<T>) =>
    [...new Set(one.flatMap((entry) => places.get(nameOf(entry)) ?? []))].sort((a, b) => a - b);
  return { entries: [...named.values()], alternatives: kept.length === 1 ? null : kept.map(placesOf) };
}

function demandUnder({ facts, twoFactor, stepUp = [] }: Rules, raisedBy: readonly number[]): Demand {
  const raising = raisedBy.flatMap((place): StepUp[] => (stepUp[place] ? [stepUp[place]] : []));
  return {
    alternatives: raising.reduce((so, rule) => combined(so, allOf(rule.facts ?? [])), allOf(facts)),
    twoFactor: twoFactor === true || raising.some((rule) => rule.twoFactor === true),
    raisedBy,
  };
}

function alternativesOf(asked: Requirement): readonly Alternative<PolicyFact>[] {
  if (typeof asked === 'string' || 'fact' in asked) return [[asked]];
  return 'allOf' in asked ? allOf(asked.allOf) : shortest(asked.anyOf.flatMap(alternativesOf));
}

function allOf(all: readonly Requirement[]): readonly Alternative<PolicyFact>[] {
  return all.map(alternativesOf).reduce(combined, [[]]);
}

/** Each alternative of one with each of the other. */
function combined<T>(one: readonly Alternative<T>[], other: readonly Alternative<T>[]) {
  return shortest(one.flatMap((before) => other.map((after) => [...before, ...after])));
}

/** Without those that contain another: who can show more than is enough shows what is enough. */
function shortest<T>(alternatives: readonly Alternative<T>[]): readonly Alternative<T>[] {
  const sets = alternatives.map((one) => new Map(one.map((entry) => [nameOf(entry), entry])));
  const kept = sets.filter((own, i) =>
    sets.every((other, j) => {
      if (i === j || ![...other.keys()].every((name) => own.has(name))) return true;
      // Of two that are the same the first is kept.
      return other.size === own.size && i < j;
    }),
  );
  if (kept.length > ALTERNATIVES_MAX) throw new AkashiError('policy_too_wide');
  return kept.map((own) => [...own.values()]);
}

function nameOf(entry: unknown): string {
  return JSON.stringify(entry);
}

/** Whether all that a condition names holds. What only desk or back end know holds unless they said that it does not. */
export function holds(when: Condition, circumstances: Circumstances): boolean {
  return Object.values(conditionsOf(when, circumstances)).every(Boolean);
}

/** Each thing that a condition names, and whether it holds. */
export function conditionsOf(
  { numberWithheld, numberNotOnFile, hours, earlierFailures, amount }: Condition,
  { now, signals, transaction, failuresWithin }: Circumstances,
): { readonly [K in keyof Condition]?: boolean } {
  return {
    ...(numberWithheld && { numberWithheld: signals.numberWithheld !== false }),
    ...(numberNotOnFile && { numberNotOnFile: signals.numberNotOnFile !== false }),
    ...(hours && { hours: isDuring(hours, timeIn(hours.timeZone, now)) }),
    ...(earlierFailures && {
      earlierFailures: failuresWithin(earlierFailures.withinSeconds) >= earlierFailures.atLeast,
    }),
    ...(amount && { amount: isLarge(amount, [transaction, signals.amount]) }),
  };
}

function isDuring({ from, until }: NonNullable<Condition['hours']>, time: string): boolean {
  return from < until ? from <= time && time < until : time >= from || time < until;
}

/** An amount in another currency cannot be compared, and what cannot be compared is not known to be small; so is none at all. */
function isLarge(
  { atLeast, currency }: NonNullable<Condition['amount']>,
  given: readonly (Circumstances['transaction'] | RiskSignals['amount'])[],
): boolean {
  const known = given.filter((one) => one !== undefined);
  if (known.length === 0) return true;
  return known.some((one) => one.currency !== currency || BigInt(one.amount) >= BigInt(atLeast));
}
