import { randomBytes } from 'node:crypto';
import { MAX_PASSKEYS, type PasskeyAssertion } from '@akashi/circuits';
import { base64url } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  assertPasskey,
  type Ceremony,
  type CeremonyChanges,
  FLAGS,
  makePasskey,
  type SoftPasskey,
} from '../circuits/authenticator.ts';
import { setOrigins, setPasskeySettings } from './admin.ts';
import {
  auditOf,
  DESK_ORIGIN,
  openTenant,
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
import {
  type Accepted,
  type EnrolledPhone,
  enrolPhone,
  evaluateAnything,
  makePresentation,
  otherCode,
  provePasskeyOwner,
  startAccepted,
} from './phone-fixtures.ts';
import { endProver } from './prover-fixtures.ts';
import { BOUNDS } from './store.ts';

const PHONE_ORIGIN = 'https://phone.bank.example';
const RP_ID = 'bank.example';
const PIN = '8035174926';

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
  await setOrigins(world.store, 'bank', [DESK_ORIGIN, PHONE_ORIGIN], world.clock.now);
  await setSettings(false);
  for (const facts of [['passkey'], ['pin', 'passkey'], ['passkey', 'pin']]) {
    const body = { policy: facts.join('-'), facts, purposes: [PURPOSE] };
    await send(world, 'POST', '/v1/policies', { token: bank.apiKey, body });
  }
  phone = await enrolPhone(world, bank, 'customer-1', PIN);
});
afterEach(() => world.close());
afterAll(endProver);

const setSettings = (acceptScreenLock: boolean, rpId = RP_ID) =>
  setPasskeySettings(world.store, 'bank', { rpId, acceptScreenLock }, world.clock.now);
const OPTIONS = '/v1/devices/current/passkeys/options';
const PASSKEYS = '/v1/devices/current/passkeys';

/** Makes a passkey and registers it, in every way as it should be unless changed. */
async function addPasskey(
  by = phone,
  changes: CeremonyChanges & { readonly pinKey?: bigint; readonly challenge?: string } = {},
) {
  const challenge = changes.challenge ?? textOf(await by.call('POST', OPTIONS), 'challenge');
  const bytes = base64url.decode(challenge);
  const ceremony = { rpId: RP_ID, origin: PHONE_ORIGIN, challenge: bytes };
  const { passkey, registration } = await makePasskey(ceremony, changes);
  const proof = await provePasskeyOwner(by, bytes, registration.id, changes.pinKey);
  const body = { registration, proof };
  return { passkey, body, answer: await by.call('POST', PASSKEYS, body) };
}

const accept = (policy: string, by = phone, changes = {}) =>
  startAccepted(world, bank, by, { policy, ...changes });

/** A presentation for what was accepted, its passkey as told. */
function presented(
  { opened, code }: Pick<Accepted, 'opened' | 'code'>,
  passkey: SoftPasskey,
  changes: CeremonyChanges & Partial<Pick<Ceremony, 'origin' | 'rpId' | 'challenge'>> = {},
  by = phone,
) {
  const sign = (challenge: Uint8Array, rpId: string) =>
    assertPasskey(passkey, { rpId, origin: PHONE_ORIGIN, challenge, ...changes }, changes);
  return makePresentation(by, { opened, code, passkey: sign });
}

const reasons = () => reasonsOf(world, 'bank');
const desk = async (verification: string) =>
  (await send(world, 'GET', `/v1/verifications/${verification}`, { token: bank.session })).json;
/** Moves the clock, and fetches the nonce that calls need then. */
const advance = async (seconds: number) => {
  world.clock.now += seconds;
  await phone.call('GET', '/v1/devices/current');
};
const statusOf = async (by = phone) => (await by.call('GET', '/v1/devices/current')).json;

describe('adding a passkey', () => {
  test('takes one challenge, the PIN and a good registration; then the device lists it', async () => {
    const { answer } = await addPasskey();
    expect(answer.status).toBe(201);
    const passkey = textOf(answer, 'passkey');
    expect((await statusOf()).passkeys).toEqual([{ passkey, createdAt: world.clock.now }]);
    expect((await auditOf(world, 'bank')).map(({ event }) => event)).toContain('passkey.added');
    const { json } = await phone.call('POST', OPTIONS);
    expect(json).toMatchObject({ rpId: RP_ID, expiresAt: world.clock.now + BOUNDS.passkeyChallengeSeconds });
    expect(json.exclude).toHaveLength(1);
  });

  test('gives the tries back', async () => {
    for (let i = 0; i < 3; i++) await evaluateAnything(phone, { use: 'current' });
    expect(await statusOf()).toMatchObject({ triesLeft: 2 });
    await addPasskey();
    expect(await statusOf()).toMatchObject({ triesLeft: 5 });
  });

  test('is refused without the PIN, and the challenge is used up', async () => {
    await evaluateAnything(phone, { use: 'current' });
    const { body, answer } = await addPasskey(phone, { pinKey: 5n });
    expect(refusal(answer)).toBe('403 passkey_refused');
    expect(refusal(await phone.call('POST', PASSKEYS, body))).toBe('403 passkey_refused');
    expect(await statusOf()).toMatchObject({ passkeys: [], triesLeft: 4 });
  });

  test('is refused without a challenge of this device, with a used one, an old one, or one of before', async () => {
    const unknown = base64url.encode(randomBytes(32));
    expect(refusal((await addPasskey(phone, { challenge: unknown })).answer)).toBe('403 passkey_refused');
    const { body } = await addPasskey();
    expect(refusal(await phone.call('POST', PASSKEYS, body))).toBe('403 passkey_refused');
    const old = textOf(await phone.call('POST', OPTIONS), 'challenge');
    await phone.call('POST', OPTIONS);
    expect(refusal((await addPasskey(phone, { challenge: old })).answer)).toBe('403 passkey_refused');
    const late = textOf(await phone.call('POST', OPTIONS), 'challenge');
    await advance(BOUNDS.passkeyChallengeSeconds);
    expect(refusal((await addPasskey(phone, { challenge: late })).answer)).toBe('403 passkey_refused');
    const tablet = await enrolPhone(world, bank, 'customer-1', PIN);
    const foreign = textOf(await tablet.call('POST', OPTIONS), 'challenge');
    expect(refusal((await addPasskey(phone, { challenge: foreign })).answer)).toBe('403 passkey_refused');
    expect((await statusOf()).passkeys).toHaveLength(1);
  });

  test('is refused with the proof of another passkey or device', async () => {
    const challenge = textOf(await phone.call('POST', OPTIONS), 'challenge');
    const bytes = base64url.decode(challenge);
    const ceremony = { rpId: RP_ID, origin: PHONE_ORIGIN, challenge: bytes };
    const [one, other] = [await makePasskey(ceremony), await makePasskey(ceremony)];
    const proof = await provePasskeyOwner(phone, bytes, other.registration.id);
    const mixed = { registration: one.registration, proof };
    expect(refusal(await phone.call('POST', PASSKEYS, mixed))).toBe('403 passkey_refused');
    const again = textOf(await phone.call('POST', OPTIONS), 'challenge');
    const made = await makePasskey({ ...ceremony, challenge: base64url.decode(again) });
    const elsewhere = { ...phone, thumbprint: `${'a'.repeat(42)}A` };
    const wrong = await provePasskeyOwner(elsewhere, base64url.decode(again), made.registration.id);
    const body = { registration: made.registration, proof: wrong };
    expect(refusal(await phone.call('POST', PASSKEYS, body))).toBe('403 passkey_refused');
  });

  test('is refused when the registration does not hold', async () => {
    const { answer } = await addPasskey(phone, { flags: FLAGS.present });
    expect(refusal(answer)).toBe('403 passkey_refused');
  });

  test('is bounded in number and by the hour', async () => {
    for (let i = 0; i < MAX_PASSKEYS; i++) expect((await addPasskey()).answer.status).toBe(201);
    expect(refusal(await phone.call('POST', OPTIONS))).toBe('403 passkey_refused');
    const [first] = (await statusOf()).passkeys as { passkey: string }[];
    expect((await phone.call('DELETE', `${PASSKEYS}/${first?.passkey}`)).status).toBe(204);
    for (let i = MAX_PASSKEYS; i < 10; i++) expect((await phone.call('POST', OPTIONS)).status).toBe(200);
    const refused = await phone.call('POST', OPTIONS);
    expect(refusal(refused)).toBe('429 rate_limited');
    await advance(Number(refused.headers.get('retry-after')));
    expect((await phone.call('POST', OPTIONS)).status).toBe(200);
  });

  test('is off where the tenant has no rpId, and so are policies that ask for one', async () => {
    await addPasskey();
    await setPasskeySettings(world.store, 'bank', null, world.clock.now);
    expect(refusal(await phone.call('POST', OPTIONS))).toBe('409 passkeys_off');
    const body = { policy: 'more', facts: ['passkey'], purposes: [PURPOSE] };
    const put = () => send(world, 'POST', '/v1/policies', { token: bank.apiKey, body });
    expect(refusal(await put())).toBe('409 passkeys_off');
    const start = startOf('customer-1', { policy: 'passkey' });
    const started = () => send(world, 'POST', '/v1/verifications', { token: bank.session, body: start });
    expect(refusal(await started())).toBe('409 passkeys_off');
    await setSettings(false);
    expect([(await put()).status, (await started()).status]).toEqual([200, 201]);
  });

  test('removing takes an own one only', async () => {
    const passkey = textOf((await addPasskey()).answer, 'passkey');
    const tablet = await enrolPhone(world, bank, 'customer-1', PIN);
    expect(refusal(await tablet.call('DELETE', `${PASSKEYS}/${passkey}`))).toBe('404 not_found');
    expect((await phone.call('DELETE', `${PASSKEYS}/${passkey}`)).status).toBe(204);
    expect(refusal(await phone.call('DELETE', `${PASSKEYS}/${passkey}`))).toBe('404 not_found');
    expect((await statusOf()).passkeys).toEqual([]);
  });
});

describe('a request that asks for a passkey', () => {
  const start = () => {
    const body = startOf('customer-1', { policy: 'pin-passkey' });
    return send(world, 'POST', '/v1/verifications', { token: bank.session, body });
  };

  test('is for the devices that have one of the tenant’s rpId; without any there is none', async () => {
    expect(refusal(await start())).toBe('409 no_passkey');
    const tablet = await enrolPhone(world, bank, 'customer-1', PIN);
    await addPasskey(tablet);
    const verification = textOf(await start(), 'verification');
    const see = (by: EnrolledPhone) => by.call('GET', `/v1/requests/${verification}`);
    expect((await see(tablet)).status).toBe(200);
    expect(refusal(await see(phone))).toBe('404 not_found');
    await setSettings(false, 'phone.bank.example');
    expect(refusal(await start())).toBe('409 no_passkey');
  });

  test.each([
    ['passkey', false, ['possession']],
    ['passkey', true, ['inherence', 'possession']],
    ['pin-passkey', false, ['knowledge', 'possession']],
    ['passkey-pin', true, ['inherence', 'knowledge', 'possession']],
  ])('%s, screen lock accepted: %s, passes with %j', async (policy, acceptScreenLock, factors) => {
    await setSettings(acceptScreenLock);
    const { passkey } = await addPasskey();
    const open = await accept(policy);
    const answer = await phone.call('POST', open.path, await presented(open, passkey));
    expect(answer.json).toMatchObject({ verdict: 'passed' });
    expect(await desk(open.verification)).toMatchObject({ verdict: 'passed', factors });
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
  const wrong: Record<string, readonly [string, Parameters<typeof presented>[2]]> = {
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
    const { challengeBytes } = await import('@akashi/circuits');
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
    await setSettings(false, 'phone.bank.example');
    await fail(one, await presented(one, passkey), 'passkey:off');
    await setSettings(false);
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

describe('the rpId of a tenant', () => {
  test.each([
    ['is the host of an origin', 'phone.bank.example', true],
    ['is above it', 'bank.example', true],
    ['is not beside it', 'desk2.bank.example', false],
    ['is no part of a label', 'ank.example', false],
    ['is not below it', 'my.phone.bank.example', false],
    ['is of no other site', 'shop.example', false],
    ['is no origin', 'https://bank.example', 'malformed'],
    ['has no port', 'bank.example:443', 'malformed'],
    ['is no address', '127.0.0.1', 'malformed'],
    ['is no single label', 'example', 'malformed'],
    ['is in lower case', 'Bank.example', 'malformed'],
    ['does not end in a dot', 'bank.example.', 'malformed'],
  ])('%s: %s', async (_, rpId, fits) => {
    const set = setSettings(false, rpId);
    if (fits === true) await set;
    else if (fits === false) await expect(set).rejects.toThrow('no origin of the tenant fits its rpId');
    else await expect(set).rejects.toMatchObject({ code: fits });
  });

  test('is localhost for pages on this machine, and else wants HTTPS', async () => {
    const now = world.clock.now;
    await setPasskeySettings(world.store, 'bank', null, now);
    await setOrigins(world.store, 'bank', ['http://localhost:4173', 'http://phone.bank.example'], now);
    await setSettings(false, 'localhost');
    await expect(setSettings(false, 'bank.example')).rejects.toThrow('no origin');
  });

  test('keeps an origin that fits it', async () => {
    await expect(setOrigins(world.store, 'bank', ['https://shop.example'], 0)).rejects.toThrow('no origin');
    expect((await world.store.tenant('bank'))?.origins).toEqual([DESK_ORIGIN, PHONE_ORIGIN].sort());
  });
});
