import { randomBytes } from 'node:crypto';
import { FIELD_ORDER, signJws, tenantScope } from '@akashi/circuits';
import { accountReference } from '@akashi/circuits/poseidon';
import { base64url } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  openTenant,
  openWorld,
  reasonsOf,
  refusal,
  send,
  signCredential,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import {
  type EnrolledPhone,
  enrolPhone,
  evaluateAnything,
  issueAccount,
  newDeviceKey,
} from './phone-fixtures.ts';
import { attemptOf, makePresentation, otherCode, startAccepted } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';

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

const accept = (changes = {}) => startAccepted(world, bank, phone, changes);
/** A place in a list that this tenant never told of. */
const statusOf = (idx: number) => ({ status_list: { idx, uri: 'https://bank.example/status/0' } });
const reasons = () => reasonsOf(world, 'bank');

const desk = async (verification: string) =>
  (await send(world, 'GET', `/v1/verifications/${verification}`, { token: bank.session })).json;

describe('a presentation that holds', () => {
  test('passes, and the desk sees the factors', async () => {
    const { verification, code, opened, path } = await accept();
    const answer = await phone.call('POST', path, await makePresentation(phone, { opened, code }));
    expect(answer.json).toEqual({
      ...{ verification, state: 'done', later: false, verdict: 'passed', expiresAt: expect.any(Number) },
    });
    expect(await desk(verification)).toMatchObject({
      ...{
        state: 'done',
        verdict: 'passed',
        factors: ['knowledge', 'possession'],
        decidedAt: world.clock.now,
      },
    });
    expect((await desk(verification)).code).toBeUndefined();
  });

  test('gives the tries back', async () => {
    const { verification, code, opened, path } = await accept();
    for (let i = 0; i < 5; i++) await evaluateAnything(phone, { use: 'verification', verification });
    // The lock refuses evaluations, not the proof made from the last one.
    const answer = await phone.call('POST', path, await makePresentation(phone, { opened, code }));
    expect(answer.json).toMatchObject({ verdict: 'passed' });
    expect((await phone.call('GET', '/v1/devices/current')).json).toMatchObject({ triesLeft: 5 });
  });

  test('with an account, any or the one that was asked for', async () => {
    const account = await issueAccount(world, bank, phone);
    const accountRef = accountReference(account.accountKey, await tenantScope('bank')).toString();
    for (const changes of [{}, { accountRef }]) {
      const { verification, code, opened, path } = await accept({ policy: 'owns-account', ...changes });
      const presentation = await makePresentation(phone, { opened, code, account });
      expect((await phone.call('POST', path, presentation)).json).toMatchObject({ verdict: 'passed' });
      expect(await desk(verification)).toMatchObject({ factors: ['knowledge', 'possession'] });
    }
  });
});

describe('a presentation that does not hold', () => {
  test('opens the next attempt with a new nonce; the third failure is the verdict', async () => {
    const { verification, code, opened, path } = await accept();
    let open = opened;
    const nonces = new Set([attemptOf(opened).nonce]);
    for (const left of [2, 1]) {
      open = await phone.call(
        'POST',
        path,
        await makePresentation(phone, { opened: open, code: otherCode(code) }),
      );
      expect(open.json).toMatchObject({ state: 'accepted', attempt: { left } });
      nonces.add(attemptOf(open).nonce);
      expect(await desk(verification)).toMatchObject({ state: 'accepted', verdict: null, code });
    }
    expect(nonces.size).toBe(3);
    const last = await phone.call(
      'POST',
      path,
      await makePresentation(phone, { opened: open, code: otherCode(code) }),
    );
    expect(last.json).toMatchObject({ state: 'done', verdict: 'failed' });
    expect(await desk(verification)).toMatchObject({ state: 'done', verdict: 'failed', factors: [] });
    expect(await reasons()).toEqual(['code', 'code', 'code']);
  });

  test('under a wrong code still gives the tries back when its PIN holds, and the right code then passes', async () => {
    const { verification, code, opened, path } = await accept();
    await evaluateAnything(phone, { use: 'verification', verification });
    const failed = await phone.call(
      'POST',
      path,
      await makePresentation(phone, { opened, code: otherCode(code) }),
    );
    expect((await phone.call('GET', '/v1/devices/current')).json).toMatchObject({ triesLeft: 5 });
    const passed = await phone.call('POST', path, await makePresentation(phone, { opened: failed, code }));
    expect(passed.json).toMatchObject({ verdict: 'passed' });
  });

  test('a proof of another PIN, or made under another code than is sent, fails and gives no try back', async () => {
    const { verification, code, opened, path } = await accept();
    await evaluateAnything(phone, { use: 'verification', verification });
    const otherPin = await makePresentation(phone, { opened, code, pinKey: 12345n });
    const second = await phone.call('POST', path, otherPin);
    const moved = { ...(await makePresentation(phone, { opened: second, code: otherCode(code) })), code };
    const third = await phone.call('POST', path, moved);
    expect(third.json).toMatchObject({ attempt: { left: 1 } });
    expect(await reasons()).toEqual(['proof:pin', 'proof:pin']);
    expect((await phone.call('GET', '/v1/devices/current')).json).toMatchObject({ triesLeft: 4 });
  });

  test('an account other than the one asked for fails', async () => {
    const account = await issueAccount(world, bank, phone);
    const { code, opened, path } = await accept({ policy: 'owns-account', accountRef: '7' });
    await phone.call('POST', path, await makePresentation(phone, { opened, code, account }));
    expect(await reasons()).toEqual(['proof:account']);
  });

  test('each check of a credential has its reason', async () => {
    const account = await issueAccount(world, bank, phone);
    const shop = await openTenant(world, 'shop');
    const { privateKey } = await newDeviceKey();
    const { now } = world.clock;
    const [head = '', , signature = ''] = account.credential.split('.');
    const wrong: readonly (readonly [string, string])[] = [
      ['type', await signJws('receipt', account.claims, bank.issuer)],
      ['tenant', await signCredential(world, shop, account.claims)],
      ['issuer', await signCredential(world, bank, account.claims, { ...shop.issuer })],
      ['issuer', await signCredential(world, bank, { ...account.claims, iss: shop.issuer.kid })],
      ['signature', await signCredential(world, bank, account.claims, { kid: bank.issuer.kid, privateKey })],
      ['signature', `${head}.${base64url.encode(JSON.stringify({}))}.${signature}`],
      ['schema', await signCredential(world, bank, { ...account.claims, schema: 'akashi/other/v1' })],
      ['shape', await signCredential(world, bank, { ...account.claims, admin: true })],
      [
        'shape',
        await signCredential(world, bank, { ...account.claims, accountsRoot: FIELD_ORDER.toString() }),
      ],
      ['audience', await signCredential(world, bank, { ...account.claims, aud: 'https://other.example' })],
      ['tenant', await signCredential(world, bank, { ...account.claims, tenant: 'shop' })],
      ['subject', await signCredential(world, bank, { ...account.claims, sub: 'customer-2' })],
      ['device', await signCredential(world, bank, { ...account.claims, cnf: { jkt: shop.issuer.kid } })],
      ['not_yet', await signCredential(world, bank, { ...account.claims, iat: now + 61 })],
      ['expired', await signCredential(world, bank, { ...account.claims, exp: now })],
      ['status', await signCredential(world, bank, { ...account.claims, status: statusOf(0) })],
    ];
    const expected: string[] = [];
    // Credentials are checked first, so the proofs of another verification do to get that far.
    let open = await accept({ policy: 'owns-account' });
    const { facts } = await makePresentation(phone, { ...open, account });
    for (const [reason, credential] of wrong) {
      open = await accept({ policy: 'owns-account' });
      const { attempt } = attemptOf(open.opened);
      const presented = facts.map((fact) => (fact.fact === 'account' ? { ...fact, credential } : fact));
      const body = { attempt, code: open.code, facts: presented };
      expect((await phone.call('POST', open.path, body)).json).toMatchObject({ state: 'accepted' });
      expected.push(`credential:account:${reason}`);
    }
    expect(await reasons()).toEqual(expected);
    const opened = await phone.call('GET', `/v1/requests/${open.verification}`);
    const good = await makePresentation(phone, { opened, code: open.code, account });
    expect((await phone.call('POST', open.path, good)).json).toMatchObject({ verdict: 'passed' });
  });

  test('a root that the issuer did not sign for this proof fails', async () => {
    const account = await issueAccount(world, bank, phone);
    const { code, opened, path } = await accept({ policy: 'owns-account' });
    const credential = await signCredential(world, bank, { ...account.claims, accountsRoot: '5' });
    const presentation = await makePresentation(phone, { opened, code, account: { ...account, credential } });
    await phone.call('POST', path, presentation);
    expect(await reasons()).toEqual(['proof:account']);
  });
});

describe('a presentation that does not fit its request', () => {
  test('is malformed and uses nothing up', async () => {
    const account = await issueAccount(world, bank, phone);
    const { code, opened, path } = await accept({ policy: 'owns-account' });
    const good = await makePresentation(phone, { opened, code, account });
    const [pin, owned] = good.facts;
    if (pin === undefined || owned === undefined) throw new TypeError('two facts');
    const { a, b, c } = pin.proof;
    const { code: _, ...withoutCode } = good;
    const { credential: __, ...withoutCredential } = owned;
    const unfit: Record<string, object> = {
      'no code': withoutCode,
      'a code of five digits': { ...good, code: code.slice(1) },
      'full-width digits': { ...good, code: '１２３４５６' },
      'facts in another order': { ...good, facts: [owned, pin] },
      'one fact': { ...good, facts: [pin] },
      'one fact twice': { ...good, facts: [pin, pin] },
      'three facts': { ...good, facts: [pin, owned, owned] },
      'no facts': { ...good, facts: [] },
      'an unknown fact': { ...good, facts: [pin, { ...owned, fact: 'range' }] },
      'another version': { ...good, facts: [{ ...pin, version: 2 }, owned] },
      'no credential': { ...good, facts: [pin, withoutCredential] },
      'a credential too many': { ...good, facts: [{ ...pin, credential: owned.credential }, owned] },
      'public signals': { ...good, facts: [{ ...pin, signals: ['1', '2'] }, owned] },
      'an extra key': { ...good, verdict: 'passed' },
      'a point off the curve': { ...good, facts: [{ ...pin, proof: { a: ['1', '1'], b, c } }, owned] },
      'a point at infinity': { ...good, facts: [{ ...pin, proof: { a, b, c: ['0', '0'] } }, owned] },
      'b with its halves swapped': { ...good, facts: [{ ...pin, proof: { a, b: [b[1], b[0]], c } }, owned] },
      'an attempt that is no id': { ...good, attempt: 'x' },
    };
    for (const [name, body] of Object.entries(unfit)) {
      expect(`${name}: ${refusal(await phone.call('POST', path, body))}`).toBe(`${name}: 400 malformed`);
    }
    const unknown = { ...good, attempt: base64url.encode(randomBytes(16)) };
    expect(refusal(await phone.call('POST', path, unknown))).toBe('409 attempt_used');
    expect((await phone.call('POST', path, good)).json).toMatchObject({ verdict: 'passed' });
  });

  test('before it is accepted, by another device, or for another verification', async () => {
    const other = await enrolPhone(world, bank, 'customer-1', '8035174926');
    const first = await accept();
    const second = await accept();
    const good = await makePresentation(phone, first);
    expect(refusal(await phone.call('POST', second.path, good))).toBe('409 attempt_used');
    const body = startOf('customer-1');
    const pending = await send(world, 'POST', '/v1/verifications', { token: bank.session, body });
    const path = `/v1/requests/${textOf(pending, 'verification')}/presentation`;
    expect(refusal(await phone.call('POST', path, good))).toBe('409 attempt_used');
    expect(refusal(await other.call('POST', first.path, good))).toBe('409 accepted_elsewhere');
    const stranger = await enrolPhone(world, bank, 'customer-2', '8035174926');
    expect(refusal(await stranger.call('POST', first.path, good))).toBe('404 not_found');
    expect((await phone.call('POST', first.path, good)).json).toMatchObject({ verdict: 'passed' });
  });
});
