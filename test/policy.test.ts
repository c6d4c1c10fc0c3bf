import { parseEvidence, unverifiedJws } from '@akashi/circuits';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  CUSTOMER,
  newClaims,
  openWorld,
  type Phone,
  PURPOSES,
  startOf,
  type TestTenant,
  type World,
} from './harness.ts';

// A policy that leaves a choice, from the tenant's back end to the desk, through the packages that people use.

let world: World;
let bank: TestTenant;
let phones: Readonly<Record<'with' | 'without', Phone>>;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  phones = {
    with: await bank.phone('customer-1', { claims: newClaims() }),
    without: await bank.phone('customer-2'),
  };
  const income = { fact: 'range', schema: CUSTOMER, claim: 'income', atLeast: '4000000' } as const;
  await bank.issuer.putPolicy({
    policy: 'limit',
    facts: ['pin', { anyOf: [income, 'account'] }],
    twoFactor: true,
    reuseSeconds: 300,
    stepUp: [{ when: { numberNotOnFile: true }, facts: ['account'] }],
    purposes: [...PURPOSES],
  });
});
afterAll(() => world.close());

const known = { signals: { numberNotOnFile: false } };
const start = { policy: 'limit', call: { direction: 'inbound', id: 'call-1' } } as const;

test.each([
  ['with', ['pin', 'range']],
  ['without', ['pin', 'account']],
] as const)('a phone %s claims shows what it has', async (which, facts) => {
  const { holder, subject, pin } = phones[which];
  const { verification, code = '' } = await bank.issuer.start(startOf(subject, { ...start, ...known }));
  expect((await holder.accept(verification)).asked?.facts).toEqual(facts);
  expect(await holder.present(verification, { code, pin })).toMatchObject({ verdict: 'passed' });
  expect(await bank.issuer.verification(verification)).toMatchObject({
    factors: ['knowledge', 'possession'],
  });
  const { evidence } = await bank.issuer.evidence(verification);
  expect(parseEvidence(unverifiedJws(evidence).payload).facts.map(({ fact }) => fact)).toEqual(facts);
});

test('a desk that says nothing of the number has more asked, and its pass stands in for less', async () => {
  const { holder, subject, pin } = phones.with;
  const desk = await bank.desk();
  const raised = await desk.start(startOf(subject, start));
  expect((await holder.accept(raised.verification)).asked?.facts).toEqual(['pin', 'account']);
  await holder.present(raised.verification, { code: raised.code ?? '', pin });
  const again = await desk.start(startOf(subject, { ...start, ...known }));
  expect(again).toMatchObject({ verdict: 'passed', reusedFrom: raised.verification });
  expect(await desk.wait(again.verification)).toEqual(again);
});

test('a policy that cannot be met as it says is refused with a code that says why', async () => {
  const policy = { policy: 'weak', purposes: [...PURPOSES] };
  const put = (rest: object) => bank.issuer.putPolicy({ ...policy, facts: ['account'], ...rest });
  await expect(put({ twoFactor: true })).rejects.toMatchObject({
    code: 'policy_not_two_factor',
    status: 409,
  });
  const wide = Array.from({ length: 17 }, (_, i) => ({
    ...{ fact: 'range', schema: CUSTOMER, claim: 'income', atLeast: String(i) },
  }));
  await expect(put({ facts: [{ anyOf: wide.slice(0, 9) }, { anyOf: wide.slice(9) }] })).rejects.toMatchObject(
    {
      ...{ code: 'policy_too_wide', status: 422 },
    },
  );
});

test('a policy that is none is refused before it is sent, and what is wrong is said by where it is', async () => {
  const when = { hours: { from: '22:00', until: '6:00', timeZone: 'Asia/Tokyo' } };
  const stepUp = [{ when, twoFactor: true as const }];
  const put = bank.issuer.putPolicy({ policy: 'late', facts: ['pin'], purposes: [...PURPOSES], stepUp });
  await expect(put).rejects.toMatchObject({
    ...{ code: 'malformed', cause: [{ path: 'stepUp.0.when.hours.until', fault: 'invalid' }] },
  });
});
