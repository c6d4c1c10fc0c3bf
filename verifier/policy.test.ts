import {
  type AkashiError,
  askedUnder,
  type Condition,
  type PolicyBody,
  type PolicyFact,
  parse,
  policyBody,
} from '@akashi/circuits';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Circumstances,
  checkDemands,
  type Demand,
  demandOf,
  factorsOf,
  failureWindows,
  isTwoFactor,
  listOf,
} from './policy.ts';

const purposes = [{ id: 'limit', text: { en: 'Raise a limit', ja: '限度額の引き上げ' } }];
const income: Exclude<PolicyFact, string> = {
  fact: 'range',
  schema: {
    schema: 'income',
    version: 1,
    volatile: false,
    claims: [{ name: 'yearly', label: { en: 'Income' }, type: 'money', currency: 'JPY' }],
  },
  claim: 'yearly',
  atLeast: '4000000',
};

function policyOf(facts: PolicyBody['facts'], more: Partial<PolicyBody> = {}) {
  return parse(policyBody, { policy: 'test', purposes, facts, ...more });
}

type Rule = NonNullable<PolicyBody['stepUp']>[number];

const QUIET: Circumstances = {
  now: Date.UTC(2026, 10, 22, 3, 0) / 1000,
  signals: { numberWithheld: false, numberNotOnFile: false, amount: { amount: '0', currency: 'JPY' } },
  transaction: undefined,
  failuresWithin: () => 0,
};

const isIn = (one: readonly unknown[], other: readonly unknown[]) => {
  const names = new Set(other.map((fact) => JSON.stringify(fact)));
  return one.every((fact) => names.has(JSON.stringify(fact)));
};

const shown = ({ alternatives }: Demand) => alternatives;

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return (error as AkashiError).code;
  }
}

describe('lists in lists', () => {
  it('become alternatives in the order of the policy', () => {
    const policy = policyOf(['pin', { anyOf: ['account', income] }]);
    expect(shown(demandOf(policy, QUIET))).toEqual([
      ['pin', 'account'],
      ['pin', income],
    ]);
    const nested = policyOf([{ anyOf: [{ allOf: ['pin', 'account'] }, { anyOf: [income] }] }]);
    expect(shown(demandOf(nested, QUIET))).toEqual([['pin', 'account'], [income]]);
  });

  it('keep a fact once, and drop what asks for more than is enough', () => {
    expect(shown(demandOf(policyOf(['pin', { allOf: ['pin', 'account'] }]), QUIET))).toEqual([
      ['pin', 'account'],
    ]);
    expect(shown(demandOf(policyOf([{ anyOf: [{ allOf: ['pin', 'account'] }, 'pin'] }]), QUIET))).toEqual([
      ['pin'],
    ]);
    expect(shown(demandOf(policyOf(['pin', { anyOf: ['pin', 'account'] }]), QUIET))).toEqual([['pin']]);
  });

  it('say what they say: a set of facts meets the policy exactly where it holds an alternative', () => {
    const lists = (one: fc.Arbitrary<unknown>) =>
      fc.uniqueArray(one, { minLength: 1, maxLength: 3, selector: (each) => JSON.stringify(each) });
    const leaf = fc.constantFrom<PolicyFact[]>('pin', 'account', income);
    const { requirement } = fc.letrec((tie) => ({
      requirement: fc.oneof(
        { depthSize: 'small', maxDepth: 3 },
        leaf,
        fc.record({ allOf: lists(tie('requirement')) }),
        fc.record({ anyOf: lists(tie('requirement')) }),
      ),
    }));
    type Tree = PolicyBody['facts'][number];
    const meets = (tree: Tree, given: ReadonlySet<unknown>): boolean => {
      if (typeof tree === 'string' || 'fact' in tree) return given.has(JSON.stringify(tree));
      if ('allOf' in tree) return tree.allOf.every((part) => meets(part, given));
      return tree.anyOf.some((part) => meets(part, given));
    };
    fc.assert(
      fc.property(lists(requirement), fc.subarray(['pin', 'account', income]), (facts, given) => {
        const trees = facts as Tree[];
        const names = new Set(given.map((fact) => JSON.stringify(fact)));
        const alternatives = shown(demandOf(policyOf(trees), QUIET));
        const holds = alternatives.some((one) => one.every((fact) => names.has(JSON.stringify(fact))));
        expect(holds).toBe(meets({ allOf: trees }, names));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['deeper than four', { anyOf: [{ anyOf: [{ anyOf: [{ anyOf: [{ anyOf: ['pin'] }] }] }] }] }],
    ['empty', { anyOf: [] }],
    ['of both kinds', { anyOf: ['pin'], allOf: ['pin'] }],
    ['of unknown facts', { anyOf: ['face'] }],
  ])('%s are refused', (_, requirement) => {
    expect(codeOf(() => policyOf([requirement as never]))).toBe('malformed');
  });

  it('with more than sixteen ways to be met are refused', () => {
    const bounds = (from: number) =>
      Array.from({ length: 5 }, (_, i) => ({ ...income, atLeast: String(from + i) }));
    const policy = policyOf([{ anyOf: bounds(0) }, { anyOf: bounds(100) }]);
    expect(codeOf(() => checkDemands(policy, null))).toBe('policy_too_wide');
    const rule = { when: { numberWithheld: true }, facts: [{ anyOf: bounds(100) }] } satisfies Rule;
    expect(codeOf(() => checkDemands(policyOf([{ anyOf: bounds(0) }], { stepUp: [rule] }), null))).toBe(
      'policy_too_wide',
    );
  });
});

describe('one list for all alternatives', () => {
  it('names each entry once, and none where all of it is needed', () => {
    expect(listOf([['a', 'b']])).toEqual({ entries: ['a', 'b'], alternatives: null });
    expect(
      listOf([
        ['a', 'b'],
        ['c', 'a'],
      ]),
    ).toEqual({
      entries: ['a', 'b', 'c'],
      alternatives: [
        [0, 1],
        [0, 2],
      ],
    });
  });

  it('lets go of what became part of another alternative, and of what only that asked for', () => {
    expect(listOf([['a'], ['a', 'b'], ['b', 'a']])).toEqual({ entries: ['a'], alternatives: null });
  });
});

it('a policy is too wide that any of its rules makes so, though others narrow it again', () => {
  const bounds = (from: number) =>
    Array.from({ length: 5 }, (_, i) => ({ ...income, atLeast: String(from + i) }));
  const rule = (facts: Rule['facts']): Rule => ({ when: { numberWithheld: true }, facts });
  const narrowed = policyOf([{ anyOf: bounds(0) }], {
    stepUp: [rule(bounds(0)), rule(bounds(100)), rule([{ anyOf: bounds(100) }])],
  });
  expect(shown(demandOf(narrowed, { ...QUIET, signals: {} }))).toHaveLength(1);
  expect(codeOf(() => checkDemands(narrowed, null))).toBe('policy_too_wide');
});

describe('two factors', () => {
  it('are two different ones: the device signed, so a PIN makes two, an account does not', () => {
    expect(factorsOf(['pin'], null)).toEqual(['knowledge', 'possession']);
    expect(factorsOf(['account', 'range'], null)).toEqual(['possession']);
    expect(isTwoFactor(['possession', 'possession'])).toBe(false);
    expect(codeOf(() => checkDemands(policyOf(['pin'], { twoFactor: true }), null))).toBe('none');
    expect(codeOf(() => checkDemands(policyOf(['account'], { twoFactor: true }), null))).toBe(
      'policy_not_two_factor',
    );
  });

  it('are made by a passkey only where the tenant takes a screen lock for face or finger', () => {
    const policy = policyOf(['passkey', 'account'], { twoFactor: true });
    const passkeys = (acceptScreenLock: boolean) => ({ rpId: 'bank.example', acceptScreenLock });
    expect(factorsOf(['passkey'], passkeys(true))).toEqual(['inherence', 'possession']);
    expect(factorsOf(['passkey'], passkeys(false))).toEqual(['possession']);
    expect(codeOf(() => checkDemands(policy, passkeys(true)))).toBe('none');
    expect(codeOf(() => checkDemands(policy, passkeys(false)))).toBe('policy_not_two_factor');
  });

  it('must be shown by every alternative, and by each step-up rule that demands them', () => {
    const either = policyOf([{ anyOf: ['pin', 'account'] }], { twoFactor: true });
    expect(codeOf(() => checkDemands(either, null))).toBe('policy_not_two_factor');
    const rule = { when: { numberWithheld: true }, twoFactor: true } satisfies Rule;
    expect(codeOf(() => checkDemands(policyOf(['account'], { stepUp: [rule] }), null))).toBe(
      'policy_not_two_factor',
    );
    const whole = { ...rule, facts: ['pin'] } satisfies Rule;
    expect(codeOf(() => checkDemands(policyOf(['account'], { stepUp: [whole] }), null))).toBe('none');
  });
});

describe('step-up rules', () => {
  const raised = (when: Condition, circumstances: Partial<Circumstances>) => {
    const policy = policyOf(['account'], { stepUp: [{ when, facts: ['pin'] }] });
    return demandOf(policy, { ...QUIET, ...circumstances }).raisedBy.length === 1;
  };

  it('add what they ask for, and say which of them hold', () => {
    const policy = policyOf([{ anyOf: ['account', income] }], {
      stepUp: [
        { when: { numberWithheld: true }, facts: ['pin'], twoFactor: true },
        { when: { numberNotOnFile: true }, facts: [income] },
      ],
    });
    expect(demandOf(policy, QUIET)).toMatchObject({ twoFactor: false, raisedBy: [] });
    const signals = { ...QUIET.signals, numberWithheld: true };
    const demand = demandOf(policy, { ...QUIET, signals });
    expect(demand).toMatchObject({ twoFactor: true, raisedBy: [0] });
    expect(shown(demand)).toEqual([
      ['account', 'pin'],
      [income, 'pin'],
    ]);
  });

  it('hold where nobody said that they do not', () => {
    expect(raised({ numberWithheld: true }, { signals: {} })).toBe(true);
    expect(raised({ numberNotOnFile: true }, { signals: {} })).toBe(true);
    expect(raised({ numberWithheld: true }, {})).toBe(false);
    expect(raised({ amount: { atLeast: '100', currency: 'JPY' } }, { signals: {} })).toBe(true);
  });

  it('go by the hour of the tenant, over midnight as well', () => {
    const at = (hour: number, minute = 0) => ({ now: Date.UTC(2026, 10, 22, hour - 9, minute) / 1000 });
    const night = { hours: { from: '22:00', until: '06:00', timeZone: 'Asia/Tokyo' } };
    expect([21, 22, 23, 24, 29].map((hour) => raised(night, at(hour)))).toEqual([
      false,
      true,
      true,
      true,
      true,
    ]);
    expect(raised(night, at(21, 59))).toBe(false);
    expect(raised(night, at(5, 59))).toBe(true);
    expect(raised(night, at(6))).toBe(false);
    const noon = { hours: { from: '12:00', until: '13:00', timeZone: 'Asia/Tokyo' } };
    expect([11, 12, 13].map((hour) => raised(noon, at(hour)))).toEqual([false, true, false]);
  });

  it('go by the larger of the amounts that are known, and by one of another currency', () => {
    const large = { amount: { atLeast: '1000000', currency: 'JPY' } };
    const yen = (amount: string) => ({ amount, currency: 'JPY' });
    expect(raised(large, { transaction: yen('999999') })).toBe(false);
    expect(raised(large, { transaction: yen('1000000') })).toBe(true);
    expect(raised(large, { signals: { amount: yen('1000000') }, transaction: yen('5') })).toBe(true);
    expect(raised(large, { transaction: { amount: '5', currency: 'USD' } })).toBe(true);
  });

  it('count earlier failures in their own window', () => {
    const failures = { earlierFailures: { atLeast: 2, withinSeconds: 3600 } };
    const failuresWithin = (seconds: number) => (seconds === 3600 ? 2 : 0);
    expect(raised(failures, { failuresWithin })).toBe(true);
    expect(raised(failures, { failuresWithin: () => 1 })).toBe(false);
    const policy = policyOf(['pin'], { stepUp: [{ when: failures, twoFactor: true }] });
    expect(failureWindows(policy)).toEqual([3600]);
  });

  it('need all that a condition names', () => {
    const both = { numberWithheld: true, amount: { atLeast: '10', currency: 'JPY' } } as const;
    const signals = { ...QUIET.signals, numberWithheld: true };
    expect(raised(both, { signals })).toBe(false);
    expect(raised(both, { signals, transaction: { amount: '10', currency: 'JPY' } })).toBe(true);
  });

  it('never lower a policy: what meets the raised one meets the one before', () => {
    const facts = fc.subarray<PolicyFact>(['pin', 'account', income], {
      minLength: 1,
    });
    fc.assert(
      fc.property(facts, facts, fc.boolean(), fc.boolean(), (base, added, twoFactor, either) => {
        const policy = policyOf([{ anyOf: base }], {
          ...(twoFactor && { twoFactor }),
          stepUp: [{ when: { numberWithheld: true }, facts: either ? [{ anyOf: added }] : added }],
        });
        const before = demandOf(policy, QUIET);
        const after = demandOf(policy, { ...QUIET, signals: {} });
        for (const alternative of shown(after)) {
          const enough = shown(before).some((one) => isIn(one, alternative));
          expect(enough).toBe(true);
        }
        expect(after.twoFactor || !before.twoFactor).toBe(true);
      }),
    );
  });
});

describe('a desk lowers nothing', () => {
  const yen = fc.bigInt(0n, 20n).map((amount) => ({ amount: String(amount), currency: 'JPY' }));
  const told = fc.record(
    { numberWithheld: fc.boolean(), numberNotOnFile: fc.boolean(), amount: yen },
    { requiredKeys: [] },
  );
  const policy = policyOf(['account'], {
    stepUp: [
      { when: { numberWithheld: true }, facts: ['pin'] },
      {
        when: { numberNotOnFile: true, amount: { atLeast: '10', currency: 'JPY' } },
        twoFactor: true,
        facts: ['pin'],
      },
      { when: { amount: { atLeast: '5', currency: 'JPY' } }, facts: [income] },
    ],
  });
  const raisedBy = (circumstances: Partial<Circumstances>) =>
    demandOf(policy, { ...QUIET, ...circumstances }).raisedBy;

  it('by saying nothing: every rule holds that any word could make hold', () => {
    fc.assert(
      fc.property(told, (signals) => {
        expect(raisedBy({ signals: {} })).toEqual(expect.arrayContaining([...raisedBy({ signals })]));
      }),
    );
  });

  it('by saying anything of a transaction, whose own amount stands', () => {
    fc.assert(
      fc.property(told, yen, (signals, transaction) => {
        const { amount: _, ...silent } = signals;
        const without = raisedBy({ signals: silent, transaction });
        expect(raisedBy({ signals, transaction })).toEqual(expect.arrayContaining([...without]));
      }),
    );
  });

  it('by saying worse than it is', () => {
    fc.assert(
      fc.property(told, fc.subarray(['numberWithheld', 'numberNotOnFile'] as const), (signals, worse) => {
        const lied = { ...signals, ...Object.fromEntries(worse.map((name) => [name, true])) };
        expect(raisedBy({ signals: lied })).toEqual(expect.arrayContaining([...raisedBy({ signals })]));
      }),
    );
  });
});

it('all that a policy may ask for holds the facts of its rules', () => {
  const rule = { when: { numberWithheld: true }, facts: [{ anyOf: ['pin', income] }] } satisfies Rule;
  expect(askedUnder(policyOf(['account', 'pin'], { stepUp: [rule] }))).toEqual(['account', 'pin', income]);
});
