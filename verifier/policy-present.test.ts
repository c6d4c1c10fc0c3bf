import { parse, requestShape } from '@akashi/circuits';
import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assertPasskey } from '../circuits/authenticator.ts';
import {
  auditOf,
  openWorld,
  PURPOSE,
  reasonsOf,
  refusal,
  send,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { addPasskeyTo, openPasskeyBank, PHONE_ORIGIN, setSettings } from './passkey-fixtures.ts';
import { type EnrolledPhone, enrolPhone, type IssuedAccount, issueAccount } from './phone-fixtures.ts';
import { type AttemptParts, makePresentation, startAccepted } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';

// Policies as verifications meet them: which alternative, how many factors, what raises them, what is reused.

const PIN = '8035174926';

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;
let account: IssuedAccount;

beforeEach(async () => {
  world = await openWorld();
  bank = await openPasskeyBank(world);
  phone = await enrolPhone(world, bank, 'customer-1', PIN);
  account = await issueAccount(world, bank, phone);
});
afterEach(() => world.close());
afterAll(endProver);

const put = (body: object, policy = 'ruled') =>
  send(world, 'POST', '/v1/policies', { token: bank.apiKey, body: { policy, purposes: [PURPOSE], ...body } });
const start = (changes: Readonly<Record<string, unknown>> = {}, token = bank.session) =>
  send(world, 'POST', '/v1/verifications', {
    ...{ token, body: startOf('customer-1', { policy: 'ruled', ...changes }) },
  });
const accept = (changes: Readonly<Record<string, unknown>> = {}) =>
  startAccepted(world, bank, phone, { policy: 'ruled', ...changes });
type Open = Awaited<ReturnType<typeof accept>>;
const listIn = ({ opened }: Pick<Open, 'opened'>) => {
  const { facts, alternatives, twoFactor } = parse(requestShape, decodeJwt(textOf(opened, 'request')));
  return { facts: facts.map(({ fact }) => fact), alternatives, twoFactor };
};
const made = ({ opened, code }: Open, parts: Partial<AttemptParts> = {}) =>
  makePresentation(phone, { opened, code, account, ...parts });
const present = async (open: Open, parts: Partial<AttemptParts> = {}) =>
  phone.call('POST', open.path, await made(open, parts));
const desk = async (verification: string) =>
  (await send(world, 'GET', `/v1/verifications/${verification}`, { token: bank.session })).json;
const evidenceOf = async (verification: string) => {
  const path = `/v1/verifications/${verification}/evidence`;
  return decodeJwt(textOf(await send(world, 'GET', path, { token: bank.apiKey }), 'evidence'));
};
const startedLast = async () =>
  (await auditOf(world, 'bank')).filter(({ event }) => event === 'verification.started').at(-1);

describe('a policy with alternatives', () => {
  const EITHER = { facts: [{ anyOf: ['pin', 'account'] }] };

  test('is met by either, and evidence names what was shown and nothing else', async () => {
    await put(EITHER);
    for (const [alternative, fact, factors] of [
      [0, 'pin', ['knowledge', 'possession']],
      [1, 'account', ['possession']],
    ] as const) {
      const open = await accept();
      expect(listIn(open)).toEqual({ facts: ['pin', 'account'], alternatives: [[0], [1]] });
      expect((await present(open, { alternative })).json).toMatchObject({ verdict: 'passed' });
      expect(await desk(open.verification)).toMatchObject({ verdict: 'passed', factors });
      expect(await evidenceOf(open.verification)).toMatchObject({ facts: [{ fact, version: 1 }], factors });
    }
  });

  test('has one list and no alternatives where one way is left', async () => {
    await put({ facts: ['pin', { anyOf: ['pin', 'account'] }] });
    expect(listIn(await accept())).toEqual({ facts: ['pin'] });
  });

  test('takes just the alternative that the presentation names; all else is malformed and uses nothing up', async () => {
    await put(EITHER);
    const open = await accept();
    const good = await made(open, { alternative: 1 });
    const both = await made(open);
    const { alternative: _, ...unnamed } = good;
    for (const wrong of [
      unnamed,
      both,
      { ...both, alternative: 0 },
      { ...good, alternative: 0 },
      { ...good, alternative: 2 },
      { ...good, facts: [] },
    ]) {
      expect(refusal(await phone.call('POST', open.path, wrong))).toBe('400 malformed');
    }
    expect((await phone.call('POST', open.path, good)).json).toMatchObject({ verdict: 'passed' });
  });

  test('binds each proof to its place in the whole list', async () => {
    await put(EITHER);
    const open = await accept();
    // The account as if it stood alone, in the first place.
    const list = parse(requestShape, decodeJwt(textOf(open.opened, 'request'))).facts;
    const moved = await makePresentation(phone, { ...open, account, asked: list.slice(1) });
    const answer = await phone.call('POST', open.path, { ...moved, alternative: 1 });
    expect(answer.json).toMatchObject({ state: 'accepted' });
    expect(await reasonsOf(world, 'bank')).toEqual(['proof:account']);
  });

  test('an alternative named where there are none is malformed', async () => {
    await put({ facts: ['pin'] });
    const open = await accept();
    const answer = await phone.call('POST', open.path, { ...(await made(open)), alternative: 0 });
    expect(refusal(answer)).toBe('400 malformed');
  });

  test('takes no account to be shown where one could do without any', async () => {
    await put(EITHER);
    expect(refusal(await start({ accountRef: '5' }))).toBe('400 malformed');
    await put({ facts: [{ anyOf: [{ allOf: ['pin', 'account'] }, { allOf: ['passkey', 'account'] }] }] });
    expect((await start({ accountRef: '5' })).status).toBe(201);
  });

  test('is for devices without a passkey as well, as long as one way needs none', async () => {
    await put({ facts: [{ anyOf: ['passkey', 'pin'] }] });
    const open = await accept();
    expect((await present(open, { alternative: 1 })).json).toMatchObject({ verdict: 'passed' });
    await put({ facts: ['passkey', { anyOf: ['account', 'pin'] }] });
    expect(refusal(await start())).toBe('409 no_passkey');
  });
});

describe('a policy that demands two factors', () => {
  test('is refused where it could be met with one', async () => {
    for (const facts of [['account'], ['passkey'], [{ anyOf: ['pin', 'account'] }]]) {
      expect(refusal(await put({ facts, twoFactor: true }))).toBe('409 policy_not_two_factor');
    }
    const stepUp = [{ when: { numberWithheld: true }, twoFactor: true }];
    expect(refusal(await put({ facts: ['account'], stepUp }))).toBe('409 policy_not_two_factor');
    expect((await put({ facts: ['pin', 'account'], twoFactor: true })).status).toBe(200);
  });

  test('says so in the signed request, and passes by PIN and device', async () => {
    await put({ facts: ['pin', 'account'], twoFactor: true });
    const open = await accept();
    expect(listIn(open).twoFactor).toBe(true);
    await present(open);
    expect(await desk(open.verification)).toMatchObject({
      ...{ verdict: 'passed', factors: ['knowledge', 'possession'] },
    });
  });

  test('fails by a passkey that the tenant ceased to take for inherence, and no start is made any more', async () => {
    await setSettings(world, true);
    const { passkey } = await addPasskeyTo(phone);
    await put({ facts: ['passkey'], twoFactor: true });
    const sign: AttemptParts['passkey'] = (challenge, rpId) =>
      assertPasskey(passkey, { rpId, origin: PHONE_ORIGIN, challenge });
    const good = await accept();
    expect((await present(good, { passkey: sign })).json).toMatchObject({ verdict: 'passed' });
    const open = await accept();
    await setSettings(world, false);
    expect((await present(open, { passkey: sign })).json).toMatchObject({ state: 'accepted' });
    expect(await reasonsOf(world, 'bank')).toEqual(['factors']);
    expect(refusal(await start())).toBe('409 policy_not_two_factor');
  });
});

describe('a step-up rule', () => {
  const rule = (when: object) => ({
    facts: ['account'],
    stepUp: [{ when, facts: ['pin'], twoFactor: true }],
  });
  const raised = async (changes: Readonly<Record<string, unknown>> = {}) => listIn(await accept(changes));
  const HIGH = { facts: ['account', 'pin'], twoFactor: true };
  const LOW = { facts: ['account'] };

  test('raises what is asked, unless the desk says that there is no risk; the audit says which did', async () => {
    await put(rule({ numberWithheld: true }));
    expect(await raised()).toEqual(HIGH);
    expect(await startedLast()).toMatchObject({ raisedBy: ['stepUp.0'], policyVersion: 1 });
    expect(await raised({ signals: {} })).toEqual(HIGH);
    expect(await raised({ signals: { numberWithheld: true } })).toEqual(HIGH);
    expect(await raised({ signals: { numberWithheld: false } })).toEqual(LOW);
    expect(await startedLast()).not.toHaveProperty('raisedBy');
  });

  test('goes by the signed transaction, whatever smaller amount the desk names', async () => {
    const transaction = { from: 'operator', desk: 'hidden' };
    await put({ ...rule({ amount: { atLeast: '100000', currency: 'JPY' } }), transaction });
    const of = (amount: string) => ({ transaction: { amount, currency: 'JPY', payee: 'Aoba Power' } });
    const small = { signals: { amount: { amount: '1', currency: 'JPY' } } };
    expect(await raised(of('99999'))).toEqual(LOW);
    expect(await raised({ ...of('100000'), ...small })).toEqual(HIGH);
    expect(await raised()).toEqual(HIGH);
    expect(await raised(small)).toEqual(LOW);
  });

  test('goes by the verifier’s clock and records, which no start can name', async () => {
    await put(rule({ earlierFailures: { atLeast: 1, withinSeconds: 600 } }));
    expect(await raised()).toEqual(LOW);
    const open = await accept();
    await phone.call('POST', `/v1/requests/${open.verification}/report`);
    expect(await raised()).toEqual(HIGH);
    world.clock.now += 601;
    await phone.call('GET', '/v1/devices/current'); // a fresh nonce
    expect(await raised()).toEqual(LOW);
    const hour = new Date(world.clock.now * 1000).getUTCHours();
    const at = (from: number) => `${String((from + 24) % 24).padStart(2, '0')}:00`;
    await put(rule({ hours: { from: at(hour), until: at(hour + 1), timeZone: 'UTC' } }));
    expect(await raised()).toEqual(HIGH);
    for (const signals of [{ hours: false }, { earlierFailures: 0 }, { now: 0 }]) {
      expect(refusal(await start({ signals }))).toBe('400 malformed');
    }
  });
});

describe('a pass may stand in within its call', () => {
  const TERMS = { facts: ['pin'], twoFactor: true, reuseSeconds: 300 };

  beforeEach(async () => {
    await put(TERMS, 'first');
    await put({ ...TERMS, facts: [{ anyOf: ['pin', 'account'] }], twoFactor: undefined }, 'second');
  });

  const pass = async (changes: Readonly<Record<string, unknown>> = {}) => {
    const open = await accept({ policy: 'first', ...changes });
    expect((await present(open)).json).toMatchObject({ verdict: 'passed' });
    return open.verification;
  };
  const again = (changes: Readonly<Record<string, unknown>> = {}) => start({ policy: 'second', ...changes });

  test('and desk, evidence and audit name it; no phone hears of it', async () => {
    const reusedFrom = await pass();
    const notices = world.notices.length;
    const answer = await again();
    const verification = textOf(answer, 'verification');
    expect(answer.json).toMatchObject({
      state: 'done',
      verdict: 'passed',
      reusedFrom,
      factors: ['knowledge', 'possession'],
    });
    expect(answer.json).not.toHaveProperty('code');
    expect(await evidenceOf(verification)).toMatchObject({
      ...{ verdict: 'passed', reusedFrom, facts: [{ fact: 'pin', version: 1 }], policy: { id: 'second' } },
    });
    expect((await auditOf(world, 'bank')).at(-2)).toMatchObject({ event: 'verification.passed', reusedFrom });
    expect(world.notices).toHaveLength(notices);
    expect((await phone.call('GET', '/v1/requests')).json).toEqual({ requests: [] });
  });

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['another call', { call: { direction: 'inbound', id: 'call-2' } }],
    ['a call without a name', { call: { direction: 'inbound' } }],
    ['the other direction', { call: { direction: 'outbound', id: 'call-1' } }],
    ['before a call', { mode: 'precall', call: { direction: 'outbound', id: 'call-1' } }],
    ['a policy that asks for more', { policy: 'owns-account' }],
    ['a policy that says nothing of reuse', { policy: 'knows-pin' }],
  ])('not for %s', async (_, changes) => {
    await pass();
    expect((await again(changes)).json).toMatchObject({ state: 'pending', verdict: null });
  });

  test('not for another operator, nor the back end', async () => {
    await pass();
    expect((await start({ policy: 'second' }, bank.apiKey)).json).toMatchObject({ state: 'pending' });
  });

  test('not for a transaction, nor under a policy that has any', async () => {
    await pass();
    const transaction = { amount: '5', currency: 'JPY', payee: 'Aoba Power' };
    expect((await start({ policy: 'second', transaction }, bank.apiKey)).json).toMatchObject({
      state: 'pending',
    });
    await put({ ...TERMS, transaction: { from: 'operator', desk: 'hidden' } }, 'second');
    expect((await again()).json).toMatchObject({ state: 'pending' });
  });

  test('not after the shorter of both times', async () => {
    await put({ ...TERMS, reuseSeconds: 30 }, 'brief');
    await pass();
    world.clock.now += 29;
    expect((await again({ policy: 'brief' })).json).toMatchObject({ verdict: 'passed' });
    world.clock.now += 1;
    expect((await again({ policy: 'brief' })).json).toMatchObject({ state: 'pending' });
    expect((await again()).json).toMatchObject({ verdict: 'passed' });
  });

  test('not where the rules that hold by now ask for what it did not show', async () => {
    const stepUp = [{ when: { numberNotOnFile: true }, facts: ['account'] }];
    await put({ ...TERMS, stepUp }, 'second');
    await pass();
    expect((await again()).json).toMatchObject({ state: 'pending' });
    expect((await again({ signals: { numberNotOnFile: false } })).json).toMatchObject({ verdict: 'passed' });
  });

  test('not for two factors where what it showed makes one', async () => {
    await put({ facts: ['account'], reuseSeconds: 300 }, 'first');
    await put({ facts: ['account'], reuseSeconds: 300 }, 'plain');
    await pass();
    expect((await again({ policy: 'plain' })).json).toMatchObject({
      verdict: 'passed',
      factors: ['possession'],
    });
    expect((await again({ policy: 'knows-pin' })).json).toMatchObject({ state: 'pending' });
  });

  test('not for another account than the one that was shown', async () => {
    await put({ facts: ['account'], reuseSeconds: 300 }, 'first');
    await pass();
    expect((await start({ policy: 'first' })).json).toMatchObject({ verdict: 'passed' });
    expect((await start({ policy: 'first', accountRef: '5' })).json).toMatchObject({ state: 'pending' });
  });
});
