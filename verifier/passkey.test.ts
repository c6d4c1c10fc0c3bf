import { type PasskeyAssertion, parse, passkeyAssertion, passkeyRegistration } from '@akashi/circuits';
import { base64url } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  assertPasskey,
  type Ceremony,
  type CeremonyChanges,
  FLAGS,
  makePasskey,
  type SoftPasskey,
} from '../circuits/authenticator.ts';
import { checkAssertion, checkRegistration } from './passkey.ts';
import type { Passkey } from './records.ts';

const ORIGIN = 'https://phone.bank.example';
const bytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const making: Ceremony = { rpId: 'bank.example', origin: ORIGIN, challenge: bytes(32) };
const using: Ceremony = { ...making, challenge: bytes(31) };
const expectedOf = ({ rpId, challenge }: Ceremony) => ({
  rpId,
  origins: ['https://bank.example', ORIGIN],
  challenge,
});

describe('a registration', () => {
  const register = async (changes: CeremonyChanges, ceremony = making) => {
    const { registration } = await makePasskey(ceremony, changes);
    return checkRegistration(parse(passkeyRegistration, registration), expectedOf(making));
  };

  test.each(['none', 'packed'] as const)('holds with the attestation %s', async (attestation) => {
    expect(await register({ attestation })).toMatchObject({ counter: 0, backupAble: false, backedUp: false });
  });

  test('tells whether the passkey can leave the phone, and whether it has', async () => {
    const { present, verified, backupAble, backedUp } = FLAGS;
    expect(await register({ flags: present | verified | backupAble })).toMatchObject({
      ...{ backupAble: true, backedUp: false },
    });
    expect(await register({ flags: present | verified | backupAble | backedUp, counter: 7 })).toMatchObject({
      ...{ backupAble: true, backedUp: true, counter: 7 },
    });
  });

  const wrong: Record<string, readonly [CeremonyChanges, Partial<Ceremony>?]> = {
    'another challenge': [{}, { challenge: bytes(32) }],
    'a challenge cut by a byte': [{}, { challenge: making.challenge.subarray(1) }],
    'another origin': [{}, { origin: 'https://bank.example.evil.example' }],
    'the origin over HTTP': [{}, { origin: 'http://phone.bank.example' }],
    'another rpId': [{}, { rpId: 'phone.bank.example' }],
    'a page in a frame': [{ client: { crossOrigin: true } }],
    'a page in a frame of another site': [{ client: { topOrigin: 'https://evil.example' } }],
    'an assertion': [{ type: 'webauthn.get' }],
    'no user verification': [{ flags: FLAGS.present }],
    'nobody present': [{ flags: FLAGS.verified }],
    'a backup of what cannot be backed up': [{ flags: FLAGS.present | FLAGS.verified | FLAGS.backedUp }],
    'another id': [{ id: bytes(32) }],
    'a certificate': [{ attestation: 'packed, with a certificate' }],
    'another attestation': [{ attestation: 'fido-u2f' }],
  };
  test.each(Object.entries(wrong))('is refused with %s', async (_, [changes, ceremony = {}]) => {
    expect(await register(changes, { ...making, ...ceremony })).toBeUndefined();
  });

  test('is refused with any byte of it changed that a check covers', async () => {
    const { registration } = await makePasskey(making, { attestation: 'packed' });
    for (const part of ['attestation', 'clientData'] as const) {
      const data = base64url.decode(registration[part]);
      for (let i = 0; i < data.length; i += 7) {
        const changed = { ...registration, [part]: base64url.encode(flip(data, i)) };
        expect(await checkRegistration(changed, expectedOf(making)), `${part} ${i}`).toBeUndefined();
      }
    }
  });
});

describe('an assertion', () => {
  let passkey: SoftPasskey;
  let other: SoftPasskey;
  let known: Passkey;
  beforeAll(async () => {
    const made = await makePasskey(making, { counter: 10 });
    passkey = made.passkey;
    other = (await makePasskey(making)).passkey;
    const registered = await checkRegistration(made.registration, expectedOf(making));
    if (registered === undefined) throw new TypeError('not registered');
    known = {
      ...{ tenant: 'bank', device: 'device', passkey: 'passkey', rpId: making.rpId, createdAt: 0 },
      ...registered,
    };
  });

  const check = async (changes: CeremonyChanges, ceremony: Partial<Ceremony> = {}, by = passkey) => {
    const assertion = await assertPasskey(by, { ...using, ...ceremony }, changes);
    return checkAssertion(parse(passkeyAssertion, assertion), [known], expectedOf(using));
  };

  test('holds, and says where the counter stands', async () => {
    expect(await check({ counter: 11 })).toEqual({ passkey: 'passkey', counter: 11, backedUp: false });
  });

  const shifted = new Uint8Array(using.challenge);
  shifted[30] = (shifted[30] ?? 0) ^ 1;
  const wrong: Record<string, readonly [string, CeremonyChanges, Partial<Ceremony>?]> = {
    'a challenge with one bit changed': ['challenge', {}, { challenge: shifted }],
    'a challenge that is longer': ['challenge', {}, { challenge: Uint8Array.of(...using.challenge, 0) }],
    'another origin': ['origin', {}, { origin: 'https://phone.bank.example:8443' }],
    'a page in a frame': ['origin', { client: { crossOrigin: true } }],
    'a page in a frame of another site': ['origin', { client: { topOrigin: 'https://evil.example' } }],
    'another rpId': ['rp_id', {}, { rpId: 'bank.example.evil.example' }],
    'a registration': ['type', { type: 'webauthn.create' }],
    'no user verification': ['verification', { flags: FLAGS.present }],
    'nobody present': ['presence', { flags: FLAGS.verified }],
    'the counter of last time': ['counter', { counter: 10 }],
    'a counter from before': ['counter', { counter: 9 }],
    'a counter back at 0': ['counter', { counter: 0 }],
    'a passkey that suddenly can be backed up': [
      'backup',
      { flags: FLAGS.present | FLAGS.verified | FLAGS.backupAble },
    ],
    'a backup of what cannot be backed up': [
      'backup',
      { flags: FLAGS.present | FLAGS.verified | FLAGS.backedUp },
    ],
    'an unknown id': ['unknown', { id: bytes(32) }],
  };
  test.each(Object.entries(wrong))('is refused with %s', async (_, [fault, changes, ceremony]) => {
    expect(await check({ counter: 100, ...changes }, ceremony)).toBe(fault);
  });

  test('of another passkey is refused, under its own id and under a known one', async () => {
    expect(await check({}, {}, other)).toBe('unknown');
    expect(await check({ id: passkey.id, counter: 100 }, {}, other)).toBe('signature');
  });

  // Signatures have lengths of their own, and what a byte of one means goes with them: so not one, but many.
  test.each(Array.from({ length: 12 }, (_, i) => i))(
    'is refused with any byte of it changed (%i)',
    async () => {
      const good = await assertPasskey(passkey, using, { counter: 50 });
      expect(await checkAssertion(good, [known], expectedOf(using))).toMatchObject({ counter: 50 });
      for (const part of ['authenticatorData', 'clientData', 'signature'] as const) {
        const data = base64url.decode(good[part]);
        for (let i = 0; i < data.length; i++) {
          const changed: PasskeyAssertion = { ...good, [part]: base64url.encode(flip(data, i)) };
          expect(await checkAssertion(changed, [known], expectedOf(using)), `${part} ${i}`).toBeTypeOf(
            'string',
          );
        }
      }
    },
  );

  test('that is no client data or authenticator data is malformed', async () => {
    const good = await assertPasskey(passkey, using, { counter: 50 });
    const wrongData = { ...good, authenticatorData: base64url.encode(bytes(36)) };
    expect(await checkAssertion(wrongData, [known], expectedOf(using))).toBe('malformed');
    const wrongClient = { ...good, clientData: base64url.encode('{"type":"webauthn.get"') };
    expect(await checkAssertion(wrongClient, [known], expectedOf(using))).toBe('malformed');
  });
});

function flip(data: Uint8Array, at: number): Uint8Array {
  const changed = new Uint8Array(data);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}
