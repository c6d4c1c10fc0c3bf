import {
  type AskedClaim,
  type ClaimsSchema,
  encodeBounds,
  encodeValues,
  type PolicyBody,
  type PolicyFact,
  parse,
  policyBody,
} from '@akashi/circuits';
import { describe, expect, test } from 'vitest';
import { demandOf } from './policy.ts';
import { askableFacts, checkPolicy, requestedList } from './policy-facts.ts';
import type { PasskeySettings } from './records.ts';

const NOW = Date.parse('2026-11-21T15:00:00Z') / 1000;
const TOKYO = { ja: '東京都', en: 'Tokyo' };
const SCHEMA: ClaimsSchema = {
  schema: 'customer',
  version: 3,
  volatile: false,
  claims: [
    { name: 'born', label: { en: 'Date of birth' }, type: 'date' },
    { name: 'balance', label: { en: 'Balance' }, type: 'money', currency: 'JPY' },
    { name: 'months', label: { en: 'Months' }, type: 'integer' },
    {
      name: 'prefecture',
      label: { en: 'Prefecture' },
      type: 'enumeration',
      values: [
        { value: '13', label: TOKYO },
        { value: '27', label: { en: 'Osaka' } },
      ],
    },
    { name: 'plan', label: { en: 'Plan' }, type: 'text' },
  ],
};

const range = (claim: string, bounds: object) => ({ fact: 'range', schema: SCHEMA, claim, ...bounds });
const member = (values: readonly string[], claim = 'prefecture') => ({
  fact: 'member',
  schema: SCHEMA,
  claim,
  values,
});
const age = (elapsed: object) =>
  range('born', { elapsed: { unit: 'years', timeZone: 'Asia/Tokyo', ...elapsed } });

/** As the route takes a policy: its shape, then what only the whole of it tells. */
async function entriesOf(...facts: readonly unknown[]): Promise<readonly AskedClaim[]> {
  const policy = parse(policyBody, {
    policy: 'open',
    facts,
    purposes: [{ id: 'open', text: { en: 'Opening an account' } }],
  });
  await checkPolicy(policy, { passkeys: null, now: NOW });
  return (await listUnder(policy, null)).filter((entry) => 'schema' in entry);
}

async function listUnder(policy: Pick<PolicyBody, 'facts'>, rpId: string | null) {
  const signals = {};
  const demand = demandOf(policy, { now: NOW, signals, transaction: undefined, failuresWithin: () => 0 });
  return (await requestedList(demand, { tenant: 'bank', rpId, now: NOW })).facts;
}

describe('a policy asks', () => {
  test('for an age, by the calendar of its time zone', async () => {
    // It is the 22nd in Japan already.
    expect(await entriesOf(age({ atLeast: 18 }))).toMatchObject([
      { fact: 'range', version: 1, index: 0, volatile: false, atMost: '2008-11-22', claim: SCHEMA.claims[0] },
    ]);
    const [utc] = await entriesOf(
      range('born', { elapsed: { unit: 'years', atLeast: 18, timeZone: 'UTC' } }),
    );
    expect(utc).toMatchObject({ atMost: '2008-11-21' });
  });

  test('for amounts and numbers, as the claim writes them', async () => {
    const [balance, months] = await entriesOf(
      range('balance', { atLeast: '-500' }),
      range('months', { atMost: '24' }),
    );
    expect(balance?.fact === 'range' && encodeBounds(balance.claim, balance)).toEqual({
      lower: 2n ** 63n - 500n,
      upper: 2n ** 64n - 1n,
    });
    expect(months?.fact === 'range' && encodeBounds(months.claim, months)).toEqual({ lower: 0n, upper: 24n });
  });

  test('for one of several values, and shows no other of the list', async () => {
    const [entry] = await entriesOf(member(['13']));
    expect(entry).toMatchObject({
      index: 3,
      values: ['13'],
      claim: { values: [{ value: '13', label: TOKYO }] },
    });
    expect(entry?.fact === 'member' && Object.values(encodeValues(entry.claim, entry.values))).toEqual(
      Array.from({ length: 8 }, () => 13n),
    );
  });

  test('once for what two of its facts come to on this day', async () => {
    const [entry, ...others] = await entriesOf(age({ atLeast: 18 }), range('born', { atMost: '2008-11-22' }));
    expect([entry, others]).toMatchObject([{ atMost: '2008-11-22' }, []]);
  });

  test('about two claims by the same fact', async () => {
    expect(
      await entriesOf('pin', range('months', { atLeast: '6' }), age({ atLeast: 20, atMost: 64 })),
    ).toHaveLength(2);
  });
});

describe('a policy that asks for a passkey', () => {
  const facts: PolicyFact[] = ['pin', 'passkey'];

  test('names the rpId of the tenant in its place of the list', async () => {
    const passkeys: PasskeySettings = { rpId: 'bank.example', acceptScreenLock: false };
    await checkPolicy({ facts }, { passkeys, now: NOW });
    expect(await listUnder({ facts }, passkeys.rpId)).toEqual([
      { fact: 'pin', version: 1 },
      { fact: 'passkey', version: 1, rpId: 'bank.example' },
    ]);
  });

  test('is none where the tenant uses no passkeys', async () => {
    const checked = checkPolicy({ facts }, { passkeys: null, now: NOW });
    await expect(checked).rejects.toMatchObject({ code: 'passkeys_off' });
  });

  test('tells a device of no claims', () => {
    expect(askableFacts([{ facts }], NOW)).toEqual([]);
  });
});

describe('a policy is refused that asks', () => {
  const refused: readonly (readonly [string, readonly unknown[]])[] = [
    ['for nothing', []],
    ['for a fact that is none', ['range']],
    ['for a claim that its schema lacks', [range('height', { atLeast: '1' })]],
    ['without bounds', [range('months', {})]],
    ['with the lower bound above the upper', [range('months', { atLeast: '7', atMost: '6' })]],
    ['for more than 64 bits', [range('months', { atMost: String(2n ** 64n) })]],
    ['for less than nothing', [range('months', { atLeast: '-1' })]],
    ['for money beyond its bounds', [range('balance', { atLeast: String(-(2n ** 63n) - 1n) })]],
    ['for a number with a leading zero', [range('months', { atLeast: '06' })]],
    ['for a date of no calendar', [range('born', { atMost: '2026-02-29' })]],
    ['for a date before 1900', [range('born', { atLeast: '1899-12-31' })]],
    ['for bounds of a list', [range('prefecture', { atLeast: '13' })]],
    ['for bounds of a text', [range('plan', { atLeast: 'a' })]],
    [
      'for an age of an amount',
      [range('balance', { elapsed: { unit: 'years', atLeast: 18, timeZone: 'UTC' } })],
    ],
    ['for an age in no time zone', [range('born', { elapsed: { unit: 'years', atLeast: 18 } })]],
    [
      'for an age on the moon',
      [range('born', { elapsed: { unit: 'years', atLeast: 18, timeZone: 'Moon/Base' } })],
    ],
    ['for an age of 101', [age({ atLeast: 101 })]],
    ['for half a year', [age({ atLeast: 0.5 })]],
    ['for ages the wrong way round', [age({ atLeast: 20, atMost: 19 })]],
    ['for no age at all', [age({})]],
    ['for an age and a bound at once', [{ ...age({ atLeast: 18 }), atMost: '2008-01-01' }]],
    ['for no value', [member([])]],
    ['for nine values', [member(['1', '2', '3', '4', '5', '6', '7', '8', '9'], 'months')]],
    ['for a value twice', [member(['13', '13'])]],
    ['for a value that is not listed', [member(['1'])]],
    ['for a text that is not in its one form', [member(['Cafe\u0301'], 'plan')]],
    ['for the same thing twice', [member(['13']), member(['13'])]],
    ['for a passkey twice', ['passkey', 'passkey']],
    [
      'under a schema with a claim twice',
      [{ ...member(['13']), schema: { ...SCHEMA, claims: [SCHEMA.claims[3], SCHEMA.claims[3]] } }],
    ],
    [
      'under a schema of nine claims',
      [
        {
          ...member(['13']),
          schema: {
            ...SCHEMA,
            claims: Array.from({ length: 9 }, (_, i) => ({ ...SCHEMA.claims[3], name: `c${i}` })),
          },
        },
      ],
    ],
    [
      'under a schema without words',
      [{ ...member(['13']), schema: { ...SCHEMA, claims: [{ ...SCHEMA.claims[3], label: {} }] } }],
    ],
  ];
  test.each(refused)('%s', async (_, facts) => {
    await expect(entriesOf(...facts)).rejects.toThrow('malformed');
  });
});

describe('a device is told', () => {
  test('the bounds of today and of tomorrow, each once, and nothing of PIN and accounts', async () => {
    const facts = ['pin', 'account', age({ atLeast: 18 }), member(['13'])] as PolicyFact[];
    const asked = askableFacts([{ facts }, { facts: facts.slice(2) }], NOW);
    expect(asked.map(({ fact, ...entry }) => ('atMost' in entry ? entry.atMost : fact))).toEqual([
      '2008-11-22',
      '2008-11-23',
      'member',
    ]);
    expect(asked.slice(0, 1)).toEqual(await entriesOf(age({ atLeast: 18 })));
  });
});
