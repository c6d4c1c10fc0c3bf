import { base64url } from 'jose';
import {
  assertPasskey,
  type Ceremony,
  type CeremonyChanges,
  makePasskey,
  type SoftPasskey,
} from '../circuits/authenticator.ts';
import { setOrigins, setPasskeySettings } from './admin.ts';
import {
  DESK_ORIGIN,
  openTenant,
  PURPOSE,
  send,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import type { EnrolledPhone } from './phone-fixtures.ts';
import { type Accepted, makePresentation, provePasskeyOwner } from './presentation-fixtures.ts';

// A bank that uses passkeys, and phones that have them, for tests.

export const PHONE_ORIGIN = 'https://phone.bank.example';
export const RP_ID = 'bank.example';
export const PASSKEYS = '/v1/devices/current/passkeys';
export const OPTIONS = `${PASSKEYS}/options`;

/** The tenant `bank` with policies named by what they ask for: `passkey`, `pin-passkey`, `passkey-pin`. */
export async function openPasskeyBank(world: World): Promise<TenantFixture> {
  const bank = await openTenant(world, 'bank');
  await setOrigins(world.store, 'bank', [DESK_ORIGIN, PHONE_ORIGIN], world.clock.now);
  await setSettings(world, false);
  for (const facts of [['passkey'], ['pin', 'passkey'], ['passkey', 'pin']]) {
    const body = { policy: facts.join('-'), facts, purposes: [PURPOSE] };
    await send(world, 'POST', '/v1/policies', { token: bank.apiKey, body });
  }
  return bank;
}

export function setSettings({ store, clock }: World, acceptScreenLock: boolean, rpId = RP_ID): Promise<void> {
  return setPasskeySettings(store, 'bank', { rpId, acceptScreenLock }, clock.now);
}

/** Makes a passkey and registers it, in every way as it should be unless changed. */
export async function addPasskeyTo(
  phone: EnrolledPhone,
  changes: CeremonyChanges & { readonly pinKey?: bigint; readonly challenge?: string } = {},
) {
  const challenge = changes.challenge ?? textOf(await phone.call('POST', OPTIONS), 'challenge');
  const bytes = base64url.decode(challenge);
  const ceremony = { rpId: RP_ID, origin: PHONE_ORIGIN, challenge: bytes };
  const { passkey, registration } = await makePasskey(ceremony, changes);
  const proof = await provePasskeyOwner(phone, bytes, registration.id, changes.pinKey);
  const body = { registration, proof };
  return { passkey, body, answer: await phone.call('POST', PASSKEYS, body) };
}

/** A presentation for what a phone accepted, its assertion as told. */
export function presentedBy(
  phone: EnrolledPhone,
  { opened, code }: Pick<Accepted, 'opened' | 'code'>,
  passkey: SoftPasskey,
  changes: CeremonyChanges & Partial<Ceremony> = {},
) {
  const sign = (challenge: Uint8Array, rpId: string) =>
    assertPasskey(passkey, { rpId, origin: PHONE_ORIGIN, challenge, ...changes }, changes);
  return makePresentation(phone, { opened, code, passkey: sign });
}
