import { randomBytes } from 'node:crypto';
import { challengeBytes, type PasskeyAssertion, parseEvidence } from '@akashi/circuits';
import { base64url, decodeJwt } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assertPasskey, FLAGS, type SoftPasskey } from '../circuits/authenticator.ts';
import {
  auditOf,
  openWorld,
  reasonsOf,
  refusal,
  send,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import {
  addPasskeyTo,
  openPasskeyBank,
  PASSKEYS,
  PHONE_ORIGIN,
  presentedBy,
  setSettings,
} from './passkey-fixtures.ts';
import { type EnrolledPhone, enrolPhone } from './phone-fixtures.ts';
import { type Accepted, makePresentation, otherCode, startAccepted } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';

const PIN = '8035174926';

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;

beforeEach(async () => {
  world = await openWorld();
  bank = await openPasskeyBank(world);
  phone = await enrolPhone(world, bank, 'customer-1', PIN);
});
afterEach(() => world.close());
afterAll(endProver);

const addPasskey = (by = phone, changes: Parameters<typeof addPasskeyTo>[1] = {}) =>
  addPasskeyTo(by, changes);
const accept = (policy: string) => startAccepted(world, bank, phone, { policy });
type Changes = Parameters<typeof presentedBy>[3];
const presented = (open: Pick<Accepted, 'opened' | 'code'>, passkey: SoftPasskey, changes: Changes = {}) =>
  presentedBy(phone, open, passkey, changes);
const reasons = () => reasonsOf(world, 'bank');
const desk = async (verification: string) =>
  (await send(world, 'GET', `/v1/verifications/${verification}`, { token: bank.session })).json;

describe('a request that asks for a passkey', () => {
  const start = () => {
    const body = startOf('customer-1', { policy: 'pin-passkey' });
    return send(world, 'POST', '/v1/verifications', { token: bank.session, body });
  };

  test('is for the devices that have one of the tenant’s rpId; without any there is none', async () => {
    expect(refusal(await start())).toBe('409 no_passkey');
    expect((await auditOf(world, 'bank')).at(-1)).toMatchObject({ event: 'verification.no_passkey' });
    const tablet = await enrolPhone(world, bank, 'customer-1', PIN);
    await addPasskey(tablet);
    const verification = textOf(await start(), 'verification');
    const see = (by: EnrolledPhone) => by.call('GET', `/v1/requests/${verification}`);
    expect((await see(tablet)).status).toBe(200);
    expect(refusal(await see(phone))).toBe('404 not_found');
    await setSettings(world, false, 'phone.bank.example');
    expect(refusal(await start())).toBe('409 no_passkey');
  });

  test.each([
    ['passkey', false, ['possession']],
    ['passkey', true, ['inherence', 'possession']],
    ['pin-passkey', false, ['knowledge', 'possession']],
    ['passkey-pin', true, ['inherence', 'knowledge', 'possession']],
  ])('%s, screen lock accepted: %s, passes with %j', async (policy, acceptScreenLock, factors) => {
    await setSettings(world, acceptScreenLock);
    const { passkey } = await addPasskey();
    const open = await accept(policy);
    const answer = await phone.call('POST', open.path, await presented(open, passkey));
    expect(answer.json).toMatchObject({ verdict: 'passed' });
    expect(await desk(open.verification)).toMatchObject({ verdict: 'passed', factors });
    // Evidence names facts, of which a passkey is none, and what it counts for.
    const path = `/v1/verifications/${open.verification}/evidence`;
    const evidence = decodeJwt(textOf(await send(world, 'GET', path, { token: bank.apiKey }), 'evidence'));
    const facts = policy === 'passkey' ? [] : [{ fact: 'pin', version: 1 }];
    expect(parseEvidence(evidence)).toMatchObject({ verdict: 'passed', facts, factors });
  });

  test('also before a call, where no code is typed', async () => {
    const { passkey } = await addPasskey();
    const call = { direction: 'outbound' };
    const body = startOf('customer-1', { policy: 'passkey', mode: 'precall', call });
    const started = await send(world, 'POST', '/v1/verifications', { token: bank.session, body });
    const id = textOf(started, 'verification');
    const opened = await phone.call('POST', `/v1/requests/${id}/accept`);
    const presentation = await makePresentation(phone, {
      opened,
      passkey: (challenge, rpId) => assertPasskey(passkey, { rpId, origin: PHONE_ORIGIN, challenge }),
    });
    const answer = await phone.call('POST', `/v1/requests/${id}/presentation`, presentation);
    expect(answer.json).toMatchObject({ verdict: 'passed' });
  });

  test('a presentation without one, or with one that nobody asked for, is malformed', async () => {
    const { passkey } = await addPasskey();
    const open = await accept('passkey');
    const good = await presented(open, passkey);
    const { passkey: assertion, ...without } = good;
    expect(refusal(await phone.call('POST', open.path, without))).toBe('400 malformed');
    const plain = await accept('knows-pin');
    const unasked = { ...(await makePresentation(phone, plain)), passkey: assertion };
    expect(refusal(await phone.call('POST', plain.path, unasked))).toBe('400 malformed');
    expect((await phone.call('POST', open.path, good)).json).toMatchObject({ verdict: 'passed' });
  });
});

describe('an assertion that does not hold costs the attempt', () => {
  const fail = async (open: Accepted, body: object, reason: string, by = phone) => {
    const answer = await by.call('POST', open.path, body);
    expect(answer.json).toMatchObject({ state: 'accepted', attempt: { left: 2 } });
    expect((await reasons()).at(-1)).toBe(reason);
  };

  const bytes = (length: number) => new Uint8Array(randomBytes(length));
  const wrong: Record<string, readonly [string, Changes]> = {
    'another challenge': ['passkey:challenge', { challenge: bytes(31) }],
    'another origin': ['passkey:origin', { origin: 'https://bank.example.evil.example' }],
    'an origin that the tenant does not list': ['passkey:origin', { origin: 'https://bank.example' }],
    'another rpId': ['passkey:rp_id', { rpId: 'phone.bank.example' }],
    'no user verification': ['passkey:verification', { flags: FLAGS.present }],
    'nobody present': ['passkey:presence', { flags: FLAGS.verified }],
    'an unknown id': ['passkey:unknown', { id: bytes(32) }],
  };
  test.each(Object.entries(wrong))('%s', async (_, [reason, changes]) => {
    const { passkey } = await addPasskey();
    const open = await accept('pin-passkey');
    await fail(open, await presented(open, passkey, changes), reason);
  });

  test('a counter that did not move on', async () => {
    const { passkey } = await addPasskey(phone, { counter: 5 });
    const first = await accept('passkey');
    const answer = await phone.call('POST', first.path, await presented(first, passkey));
    expect(answer.json).toMatchObject({ verdict: 'passed' });
    const second = await accept('passkey');
    await fail(second, await presented(second, passkey, { counter: 6 }), 'passkey:counter');
    const opened = await phone.call('GET', `/v1/requests/${second.verification}`);
    const again = await phone.call('POST', second.path, await presented({ ...second, opened }, passkey));
    expect(again.json).toMatchObject({ verdict: 'passed' });
  });

  test('a counter that another verification has seen meanwhile', async () => {
    const { passkey } = await addPasskey(phone, { counter: 5 });
    const [one, two] = [await accept('passkey'), await accept('passkey')];
    // Both good when they were made; the second arrives after its copy.
    const both = [
      await presented(one, passkey, { counter: 9 }),
      await presented(two, passkey, { counter: 9 }),
    ] as const;
    const answers = await Promise.all([
      phone.call('POST', one.path, both[0]),
      phone.call('POST', two.path, both[1]),
    ]);
    expect(answers.map(({ json }) => json.state).sort()).toEqual(['accepted', 'done']);
    expect(await reasons()).toEqual(['passkey:counter']);
  });

  test('a passkey of another device of the same customer', async () => {
    const tablet = await enrolPhone(world, bank, 'customer-1', PIN);
    const { passkey } = await addPasskey(tablet);
    await addPasskey();
    const open = await accept('passkey');
    await fail(open, await presented(open, passkey), 'passkey:unknown');
  });

  test('that of another verification, another attempt, another place in the list, another code', async () => {
    const { passkey } = await addPasskey();
    const [one, two] = [await accept('pin-passkey'), await accept('passkey-pin')];
    const first = await presented(one, passkey);
    const second = await presented(two, passkey);
    await fail(two, { ...second, passkey: first.passkey }, 'passkey:challenge');
    // The second attempt has another nonce.
    const opened = await phone.call('GET', `/v1/requests/${two.verification}`);
    const third = { ...(await presented({ ...two, opened }, passkey)), passkey: second.passkey };
    await phone.call('POST', two.path, third);
    expect((await reasons()).at(-1)).toBe('passkey:challenge');
    let bound: Uint8Array | undefined;
    await makePresentation(phone, {
      opened: one.opened,
      code: otherCode(one.code),
      passkey: async (challenge) => {
        bound = challenge;
        return first.passkey as PasskeyAssertion;
      },
    });
    const underOtherCode = await presented(one, passkey, { challenge: bound ?? new Uint8Array() });
    await fail(one, underOtherCode, 'passkey:challenge');
  });

  test('a place in the list that is another’s', async () => {
    const { passkey } = await addPasskey();
    const open = await accept('pin-passkey');
    const { attempt, nonce } = open.opened.json.attempt as { attempt: string; nonce: string };
    const request = textOf(open.opened, 'request');
    const parts = { request, nonce: base64url.decode(nonce), code: open.code };
    const [own, other] = [1, 0].map((index) => challengeBytes({ ...parts, index }));
    const moved = await presented(open, passkey, { challenge: other ?? new Uint8Array() });
    expect(moved.attempt).toBe(attempt);
    await fail(open, moved, 'passkey:challenge');
    expect(own).not.toEqual(other);
  });

  test('a passkey that was removed, or whose rpId the tenant gave up, since the request was made', async () => {
    const { passkey, answer } = await addPasskey();
    const [one, two] = [await accept('passkey'), await accept('passkey')];
    await setSettings(world, false, 'phone.bank.example');
    await fail(one, await presented(one, passkey), 'passkey:off');
    await setSettings(world, false);
    await phone.call('DELETE', `${PASSKEYS}/${textOf(answer, 'passkey')}`);
    await fail(two, await presented(two, passkey), 'passkey:unknown');
  });

  test('and beside it a wrong code; a good one does not save a wrong code', async () => {
    const { passkey } = await addPasskey();
    const open = await accept('passkey');
    const body = await presented({ ...open, code: otherCode(open.code) }, passkey);
    await fail(open, body, 'code');
  });

  test('a revoked device has nothing left', async () => {
    const { passkey } = await addPasskey();
    const open = await accept('passkey');
    const body = await presented(open, passkey);
    await send(world, 'DELETE', `/v1/devices/${phone.device}`, { token: bank.apiKey });
    expect(refusal(await phone.call('POST', open.path, body))).toBe('403 device_revoked');
    expect(await world.store.passkeys('bank', phone.device)).toEqual([]);
  });
});
