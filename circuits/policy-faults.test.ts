import { describe, expect, test } from 'vitest';
import { policyFaults } from './policy-faults.ts';

const schema = {
  ...{ schema: 'customer', version: 1, volatile: false },
  claims: [{ name: 'income', label: { en: 'Income' }, type: 'integer' }],
};
const income = { fact: 'range', schema, claim: 'income', atLeast: '1' };
const good = {
  policy: 'limit',
  facts: ['pin', income],
  purposes: [{ id: 'limit', text: { en: 'A limit' } }],
};
const hours = { from: '22:00', until: '06:00', timeZone: 'Asia/Tokyo' };

test('a policy without a fault has none', () => {
  expect(policyFaults(good)).toEqual([]);
  expect(policyFaults({ ...good, stepUp: [{ when: { hours }, facts: ['account'] }] })).toEqual([]);
});

describe('a fault is told by where it is', () => {
  test.each<[string, unknown, readonly string[]]>([
    ['a name that nobody knows', { ...good, extra: 1 }, ['extra unknown']],
    ['nothing where something must be', { ...good, purposes: undefined }, ['purposes invalid']],
    ['a part left out', { policy: 'limit', facts: ['pin'] }, ['purposes missing']],
    ['no object at all', 'limit', [' invalid']],
    ['an entry of another kind', { ...good, facts: ['pin', 'face'] }, ['facts.1 invalid']],
    ['a list in both ways', { ...good, facts: [{ anyOf: ['pin'], allOf: ['pin'] }] }, ['facts.0 invalid']],
    [
      'an entry of another kind deep inside',
      { ...good, facts: [{ anyOf: ['pin', { allOf: ['account', 'face'] }] }] },
      ['facts.0.anyOf.1.allOf.1 invalid'],
    ],
    ['a claim by number', { ...good, facts: [{ ...income, claim: 5 }] }, ['facts.0.claim invalid']],
    [
      'a schema that is none',
      { ...good, facts: [{ ...income, schema: { ...schema, version: '1' } }] },
      ['facts.0.schema.version invalid'],
    ],
    ['the same thing twice', { ...good, facts: ['pin', 'pin'] }, ['facts invalid']],
    [
      'a time that no clock shows',
      { ...good, stepUp: [{ when: { hours: { ...hours, from: '9:00' } }, twoFactor: true }] },
      ['stepUp.0.when.hours.from invalid'],
    ],
    ['a rule that adds nothing', { ...good, stepUp: [{ when: { hours } }] }, ['stepUp.0 invalid']],
    [
      'a rule for every call',
      { ...good, stepUp: [{ when: {}, twoFactor: true }] },
      ['stepUp.0.when invalid'],
    ],
    ['two factors as a word', { ...good, twoFactor: 'yes' }, ['twoFactor invalid']],
    [
      'several at once',
      { ...good, policy: 'a b', reuseSeconds: 0 },
      ['policy invalid', 'reuseSeconds invalid'],
    ],
  ])('%s', (_, input, expected) => {
    expect(policyFaults(input).map(({ path, fault }) => `${path} ${fault}`)).toEqual(expected);
  });
});

test('what somebody wrote is not told again, be it in names or values', () => {
  const secret = '001-7654321 ¥';
  const wrong = {
    ...good,
    [secret]: 1,
    facts: [secret],
    purposes: [{ id: secret, text: { [secret]: secret } }],
  };
  const told = JSON.stringify(policyFaults(wrong));
  expect(told).toContain('"?"');
  expect(told).not.toContain('7654321');
});

test('many faults take no longer than each of them', () => {
  const text = Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`name${i}`, 0]));
  const before = process.cpuUsage();
  const faults = policyFaults({ ...good, purposes: [{ id: 'limit', text }] });
  expect(faults.length).toBeGreaterThanOrEqual(30_000);
  const { user } = process.cpuUsage(before);
  // Each held against all others took minutes. Of the processor, in microseconds: others may be using it.
  expect(user).toBeLessThan(5_000_000);
});
