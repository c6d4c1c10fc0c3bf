import { randomBytes } from 'node:crypto';
import { type ClaimsSchema, type PolicyFact, parse, requestShape, schemaSignal } from '@akashi/circuits';
import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  addOperator,
  auditOf,
  openTenant,
  openWorld,
  PURPOSE,
  reasonsOf,
  refusal,
  send,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { type EnrolledPhone, enrolPhone, issueAccount, issueClaims } from './phone-fixtures.ts';
import { attemptOf, makePresentation, startAccepted } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';

// Claims at the verifier: policies with bounds, the requests made of them, and presentations whose credential, bounds or
// values are not as asked.

const DAY = 86_400;
const CUSTOMER: ClaimsSchema = {
  schema: 'customer',
  version: 1,
  volatile: false,
  claims: [
    { name: 'born', label: { en: 'Date of birth' }, type: 'date' },
    { name: 'plan', label: { en: 'Plan' }, type: 'text' },
  ],
};
const MONEY: ClaimsSchema = {
  schema: 'money',
  version: 1,
  volatile: true,
  claims: [{ name: 'balance', label: { en: 'Balance' }, type: 'money', currency: 'JPY' }],
};
const ADULT: PolicyFact = {
  fact: 'range',
  schema: CUSTOMER,
  claim: 'born',
  elapsed: { unit: 'years', atLeast: 18, timeZone: 'Asia/Tokyo' },
};
const SOLVENT: PolicyFact = {
  fact: 'range',
  schema: MONEY,
  claim: 'balance',
  atLeast: '-500',
  atMost: '1000',
};
const GOLD: PolicyFact = { fact: 'member', schema: CUSTOMER, claim: 'plan', values: ['Gold', 'Platinum'] };

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
  phone = await enrolPhone(world, bank, 'customer-1', '8035174926');
});
afterEach(() => world.close());
afterAll(endProver);

async function putPolicy(...facts: readonly unknown[]) {
  const body = { policy: 'claims', facts, purposes: [PURPOSE] };
  return send(world, 'POST', '/v1/policies', { token: bank.apiKey, body });
}

const accept = () => startAccepted(world, bank, phone, { policy: 'claims' });
const customer = (born: string, plan = 'Gold', changes = {}) =>
  issueClaims(world, bank, phone, { schema: CUSTOMER, values: { born, plan } }, changes);
const money = (balance: string, changes = {}) =>
  issueClaims(world, bank, phone, { schema: MONEY, values: { balance } }, changes);
/** When a day begins in Japan. The world's clock starts in March 2030; neither session nor nonce would last that long. */
async function setDay(date: string): Promise<void> {
  world.clock.now = Date.parse(`${date}T00:00:00+09:00`) / 1000;
  bank = { ...bank, session: await addOperator(world, 'bank', 'Sato') };
  await phone.call('GET', '/v1/devices/current');
}

/** What becomes of a presentation; snarkjs makes no proof of what is not so. */
async function outcomeOf(claims: Awaited<ReturnType<typeof customer>>): Promise<unknown> {
  const { code, opened, path } = await accept();
  const presentation = await makePresentation(phone, { opened, code, claims });
  return (
    (await phone.call('POST', path, presentation)).json.verdict ?? (await reasonsOf(world, 'bank')).at(-1)
  );
}

async function entryOf() {
  const { opened } = await accept();
  const [entry] = parse(requestShape, decodeJwt(textOf(opened, 'request'))).facts;
  return entry;
}

describe('an age', () => {
  beforeEach(() => putPolicy(ADULT));

  test('of exactly 18 passes today, and that of tomorrow cannot be proven', async () => {
    await setDay('2030-11-22');
    expect(await outcomeOf(await customer('2012-11-22'))).toBe('passed');
    await expect(outcomeOf(await customer('2012-11-23'))).rejects.toMatchObject({ code: 'proof_failed' });
    await setDay('2030-11-23');
    expect(await outcomeOf(await customer('2012-11-23'))).toBe('passed');
  });

  test('of who was born on 29 February is reached on 1 March', async () => {
    await putPolicy({ ...ADULT, elapsed: { unit: 'years', atLeast: 19, timeZone: 'Asia/Tokyo' } });
    await setDay('2031-02-28');
    await expect(outcomeOf(await customer('2012-02-29'))).rejects.toMatchObject({ code: 'proof_failed' });
    await setDay('2031-03-01');
    expect(await outcomeOf(await customer('2012-02-29'))).toBe('passed');
  });

  test('is asked by the verifier’s clock, in the signed request and without any word of the device', async () => {
    await setDay('2030-11-22');
    world.clock.now -= 1;
    expect(await entryOf()).toEqual({
      fact: 'range',
      version: 1,
      schema: String(schemaSignal(CUSTOMER)),
      volatile: false,
      index: 0,
      claim: CUSTOMER.claims[0],
      atMost: '2012-11-21',
    });
  });

  test('is told to the device beforehand, for today and tomorrow', async () => {
    await setDay('2030-11-22');
    const { json } = await phone.call('GET', '/v1/devices/current/facts');
    const { facts } = json as { facts: readonly { readonly atMost: string }[] };
    expect(facts.map(({ atMost }) => atMost)).toEqual(['2012-11-22', '2012-11-23']);
    expect(facts[0]).toEqual(await entryOf());
  });
});

describe('several claims', () => {
  test('of two credentials and one of them twice, beside PIN and account, in one presentation', async () => {
    await putPolicy('pin', ADULT, GOLD, 'account');
    const [claims, account] = [await customer('1988-02-29'), await issueAccount(world, bank, phone)];
    const { code, opened, path } = await accept();
    const presentation = await makePresentation(phone, { opened, code, claims, account });
    const looked = vi.spyOn(world.issuers, 'key');
    expect((await phone.call('POST', path, presentation)).json).toMatchObject({ verdict: 'passed' });
    expect(looked.mock.calls.length, 'each credential is checked once').toBe(2);
  });

  test('proofs of one cannot take the place of another', async () => {
    await putPolicy({ ...SOLVENT, atMost: '10' }, { ...SOLVENT, atMost: '20' });
    const { code, opened, path } = await accept();
    const { attempt, facts } = await makePresentation(phone, { opened, code, claims: await money('5') });
    await phone.call('POST', path, { attempt, code, facts: facts.toReversed() });
    expect(await reasonsOf(world, 'bank')).toEqual(['proof:range']);
  });

  test('are no factor', async () => {
    await putPolicy(ADULT, GOLD);
    const { verification, code, opened, path } = await accept();
    const claims = await customer('1988-02-29');
    await phone.call('POST', path, await makePresentation(phone, { opened, code, claims }));
    const { json } = await send(world, 'GET', `/v1/verifications/${verification}`, { token: bank.session });
    expect(json).toMatchObject({ verdict: 'passed', factors: ['possession'] });
  });
});

describe('a credential is refused', () => {
  test('that is over, of another schema, too long-lived, or of accounts, each with its reason', async () => {
    await putPolicy(SOLVENT);
    const good = await money('5');
    const account = await issueAccount(world, bank, phone);
    const { now } = world.clock;
    const wrong: readonly (readonly [string, string])[] = [
      ['schema', (await customer('1988-02-29')).credential],
      ['schema', account.credential],
      ['schema', (await money('5', { schema: String(schemaSignal({ ...MONEY, version: 2 })) })).credential],
      ['lifetime', (await money('5', { exp: now + DAY + 1 })).credential],
      ['expired', (await money('5', { iat: now - DAY, exp: now })).credential],
      ['device', (await money('5', { cnf: { jkt: randomBytes(32).toString('base64url') } })).credential],
      ['shape', (await money('5', { credential: '05' })).credential],
      ['shape', (await money('5', { accountsRoot: '5' })).credential],
      ['shape', (await money('5', { balance: '5' })).credential],
    ];
    const expected: string[] = [];
    for (const [reason, credential] of wrong) {
      const { code, opened, path } = await accept();
      const presentation = await makePresentation(phone, { opened, code, claims: { ...good, credential } });
      await phone.call('POST', path, presentation);
      expected.push(`credential:range:${reason}`);
    }
    expect(await reasonsOf(world, 'bank')).toEqual(expected);
    expect(await outcomeOf(await money('5', { exp: now + DAY }))).toBe('passed');
  });

  test('that does not commit to the claims proven, or commits to another device’s holder', async () => {
    await putPolicy(SOLVENT);
    const [good, richer] = [await money('5'), await money('1000000')];
    expect(await outcomeOf({ ...good, credential: richer.credential })).toBe('proof:range');
    const other = await enrolPhone(world, bank, 'customer-1', '8035174926');
    const theirs = await issueClaims(
      world,
      bank,
      { ...phone, holder: other.holder },
      { schema: MONEY, values: { balance: '5' } },
    );
    expect(await outcomeOf(theirs)).toBe('proof:range');
  });

  test('is malformed where one is missing, and uses nothing up', async () => {
    await putPolicy(SOLVENT);
    const { code, opened, path } = await accept();
    const good = await makePresentation(phone, { opened, code, claims: await money('5') });
    const [fact] = good.facts;
    const { credential: _, ...bare } = fact ?? { credential: '' };
    expect(refusal(await phone.call('POST', path, { ...good, facts: [bare] }))).toBe('400 malformed');
    expect(attemptOf(await phone.call('GET', path.replace('/presentation', ''))).left).toBe(3);
    expect((await phone.call('POST', path, good)).json).toMatchObject({ verdict: 'passed' });
  });
});

describe('a proof of a credential', () => {
  test('holds at both ends of the bounds, and for debts', async () => {
    await putPolicy(SOLVENT);
    for (const balance of ['-500', '-1', '0', '1000'])
      expect(await outcomeOf(await money(balance))).toBe('passed');
    for (const balance of ['-501', '1001']) {
      await expect(outcomeOf(await money(balance))).rejects.toMatchObject({ code: 'proof_failed' });
    }
  });

  test('for wider bounds, or for other values, does not hold', async () => {
    for (const [narrow, wide, claims] of [
      [SOLVENT, { ...SOLVENT, atMost: '1001' }, await money('1000')],
      [GOLD, { ...GOLD, values: ['Gold', 'Silver'] }, await customer('1988-02-29')],
    ] as const) {
      await putPolicy(wide);
      const other = await accept();
      await putPolicy(narrow);
      const { code, opened, path } = await accept();
      // The device proves what another request asks, bound to this one's challenge.
      const asked = parse(requestShape, decodeJwt(textOf(other.opened, 'request'))).facts;
      await phone.call('POST', path, await makePresentation(phone, { opened, code, claims, asked }));
    }
    expect(await reasonsOf(world, 'bank')).toEqual(['proof:range', 'proof:member']);
  });
});

describe('a policy', () => {
  test('is answered and audited with all of its bounds', async () => {
    const { json } = await putPolicy('pin', ADULT, GOLD);
    expect(json).toMatchObject({ facts: ['pin', ADULT, GOLD], version: 1 });
    const put = (await auditOf(world, 'bank')).filter(({ event }) => event === 'tenant.policy_put').at(-1);
    expect(put).toMatchObject({ facts: ['pin', JSON.stringify(ADULT), JSON.stringify(GOLD)] });
  });

  test('that no request could be made of is refused when it is put', async () => {
    for (const fact of [
      { ...ADULT, claim: 'plan' },
      { ...GOLD, values: ['Gold', 'Gold'] },
      { ...SOLVENT, atLeast: '2000' },
      'range',
    ]) {
      expect(refusal(await putPolicy(fact))).toBe('400 malformed');
    }
  });
});
