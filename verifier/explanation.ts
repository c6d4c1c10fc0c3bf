import {
  type AskedId,
  askedUnder,
  type Condition,
  type Factor,
  type Policy,
  type Requested,
} from '@akashi/circuits';
import { type Circumstances, conditionsOf, demandOf, factorsOf, isTwoFactor } from './policy.ts';
import { requestedList } from './policy-facts.ts';
import type { Tenant } from './records.ts';

// What a verification under a policy would ask for, and why: the dry run of `akashi policy explain`. It goes the same way as
// a start does, and starts nothing.

export interface Explanation {
  readonly policy: string;
  readonly version: number;
  /** UTC seconds: when it would start. */
  readonly at: number;
  /** The list of the request, bounds already made of "today". */
  readonly facts: readonly Requested[];
  readonly alternatives: readonly {
    /** Places in `facts`. */
    readonly places: readonly number[];
    readonly factors: readonly Factor[];
    /** Whether these factors are enough. */
    readonly enough: boolean;
  }[];
  readonly twoFactor: boolean;
  readonly rules: readonly {
    /** As the audit names it. */
    readonly rule: string;
    readonly holds: boolean;
    readonly conditions: { readonly [K in keyof Condition]?: boolean };
    /** Entries that only this rule asks for, and whether it demands two factors. */
    readonly adds: readonly AskedId[];
    readonly twoFactor: boolean;
  }[];
  readonly reuseSeconds: number;
}

/** @throws AkashiError `passkeys_off` where the tenant has turned off what the policy asks for */
export async function explainPolicy(
  policy: Policy,
  { tenant, passkeys }: Tenant,
  circumstances: Circumstances,
): Promise<Explanation> {
  const { now } = circumstances;
  const demand = demandOf(policy, circumstances);
  const list = await requestedList(demand, { tenant, rpId: passkeys?.rpId ?? null, now });
  const ways = list.alternatives ?? [[...list.facts.keys()]];
  return {
    policy: policy.policy,
    version: policy.version,
    at: now,
    facts: list.facts,
    alternatives: ways.map((places) => {
      const shown = places.flatMap((place): AskedId[] => (list.facts[place] ? [list.facts[place].fact] : []));
      const factors = factorsOf(shown, passkeys);
      return { places, factors, enough: !demand.twoFactor || isTwoFactor(factors) };
    }),
    twoFactor: demand.twoFactor,
    rules: (policy.stepUp ?? []).map(({ when, facts = [], twoFactor = false }, place) => ({
      rule: `stepUp.${place}`,
      holds: demand.raisedBy.includes(place),
      conditions: conditionsOf(when, circumstances),
      adds: askedUnder({ facts }).map((asked) => (typeof asked === 'string' ? asked : asked.fact)),
      twoFactor,
    })),
    reuseSeconds: policy.transaction === undefined ? (policy.reuseSeconds ?? 0) : 0,
  };
}

/** An explanation in lines, for people. */
export function explanationLines(said: Explanation): readonly string[] {
  const { facts, alternatives, rules, twoFactor, reuseSeconds } = said;
  const at = new Date(said.at * 1000).toISOString().replace('.000', '');
  return [
    `${said.policy}, version ${said.version}, at ${at}`,
    'asks for',
    ...facts.map((entry, place) => `  ${place}  ${entryText(entry)}`),
    alternatives.length === 1 ? 'all of it' : 'the first of these that the phone can show',
    ...alternatives.map(
      ({ places, factors, enough }) =>
        `  ${places.join(' + ')}  shows ${factors.join(', ')}${enough ? '' : '  NOT ENOUGH'}`,
    ),
    twoFactor ? 'two different factors are demanded' : 'one factor is enough',
    ...(rules.length === 0 ? ['no step-up rules'] : ['step-up rules']),
    ...rules.map((rule) => {
      const adds = [...rule.adds, ...(rule.twoFactor ? ['two factors'] : [])].join(', ');
      const because = Object.entries(rule.conditions).map(
        ([name, holds]) => `${name} ${holds ? 'yes' : 'no'}`,
      );
      return `  ${rule.rule}  ${rule.holds ? 'holds' : 'does not hold'} (${because.join(', ')}): adds ${adds}`;
    }),
    reuseSeconds === 0
      ? 'no pass stands in for it'
      : `a pass of the same call stands in for it, for ${reuseSeconds} seconds`,
  ];
}

function entryText(entry: Requested): string {
  switch (entry.fact) {
    case 'pin':
      return 'pin';
    case 'account':
      return entry.accountRef === '0' ? 'account, any' : 'account, the one named';
    case 'passkey':
      return `passkey of ${entry.rpId}`;
    case 'range': {
      const bounds = [
        ...(entry.atLeast === undefined ? [] : [`at least ${entry.atLeast}`]),
        ...(entry.atMost === undefined ? [] : [`at most ${entry.atMost}`]),
      ];
      return `range: ${entry.claim.name} ${bounds.join(', ')}`;
    }
    case 'member':
      return `member: ${entry.claim.name} one of ${entry.values.join(', ')}`;
  }
}
