import { randomBytes } from 'node:crypto';
import { MAX_PASSKEYS } from '@akashi/circuits';
import { base64url } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FLAGS, makePasskey } from '../circuits/authenticator.ts';
import { setOrigins, setPasskeySettings } from './admin.ts';
import {
  auditOf,
  DESK_ORIGIN,
  openWorld,
  PURPOSE,
  refusal,
  send,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import {
  addPasskeyTo,
  OPTIONS,
  openPasskeyBank,
  PASSKEYS,
  PHONE_ORIGIN,
  RP_ID,
  setSettings,
} from './passkey-fixtures.ts';
import { type EnrolledPhone, enrolPhone, evaluateAnything } from './phone-fixtures.ts';
import { provePasskeyOwner } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';
import { BOUNDS } from './store.ts';

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
    await setSettings(world, false);
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
    const set = setSettings(world, false, rpId);
    if (fits === true) await set;
    else if (fits === false) await expect(set).rejects.toThrow('no origin of the tenant fits its rpId');
    else await expect(set).rejects.toMatchObject({ code: fits });
  });

  test('is localhost for pages on this machine, and else wants HTTPS', async () => {
    const now = world.clock.now;
    await setPasskeySettings(world.store, 'bank', null, now);
    await setOrigins(world.store, 'bank', ['http://localhost:4173', 'http://phone.bank.example'], now);
    await setSettings(world, false, 'localhost');
    await expect(setSettings(world, false, 'bank.example')).rejects.toThrow('no origin');
  });

  test('keeps an origin that fits it', async () => {
    await expect(setOrigins(world.store, 'bank', ['https://shop.example'], 0)).rejects.toThrow('no origin');
    expect((await world.store.tenant('bank'))?.origins).toEqual([DESK_ORIGIN, PHONE_ORIGIN].sort());
  });
});
