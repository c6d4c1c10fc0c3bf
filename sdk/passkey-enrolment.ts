import {
  base64url16,
  parse,
  parsePin,
  passkeyAnswer,
  passkeyChallenge,
  passkeyOptionsAnswer,
} from '@akashi/circuits';
import { base64url } from 'jose';
import { checkAnswer, hasCode, readAnswer } from './connection.ts';
import { type Identity, updateRecord } from './holder-record.ts';
import { makePasskey } from './passkey.ts';
import type { PasskeyPlatform } from './passkey-platform.ts';
import { enterPin, type PinDesk, type PinEntry } from './pin-entry.ts';
import { provePin } from './prepared-proof.ts';
import type { Prover } from './prover.ts';

// Passkeys of a device: made and removed (docs/protocol.md, section 5). Loaded when first needed.

export interface AddPasskeyOptions {
  /** As typed: who only holds the phone adds no passkey. */
  readonly pin: string;
  /** What the phone's own list of passkeys shows beside the tenant, e.g. the login name. It stays on the phone. */
  readonly name?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface PasskeyDesk extends PinDesk {
  readonly prover: Prover;
  readonly passkeys: PasskeyPlatform;
}

const PATH = '/v1/devices/current/passkeys';

/**
 * @param entry what was typed as the current PIN
 * @returns its id at the verifier
 * @throws AkashiError `pin_wrong` with `triesLeft`, `pin_locked`, `passkeys_off`, `passkey_refused`,
 * `passkey_unavailable`, `passkey_cancelled`
 */
export async function addPasskey(
  desk: PasskeyDesk,
  identity: Identity,
  entry: PinEntry,
  { pin, name = identity.record.tenant.name, signal }: AddPasskeyOptions,
): Promise<string> {
  const { connection, storage, passkeys } = desk;
  const { device, tenant } = identity.record;
  const call = { method: 'POST', path: `${PATH}/options`, repeatable: true, signal } as const;
  const options = readAnswer(await connection.send(identity, call), passkeyOptionsAnswer);
  // Before the phone makes one: a wrong PIN would leave it with a passkey that nobody knows.
  const use = { use: 'current' } as const;
  const pinKey = await enterPin(desk, identity, entry, { pin: parsePin(pin), use, signal });
  const made = await makePasskey(passkeys, { options, device, tenantName: tenant.name, name, signal });
  const { registration, transports } = made;
  const bound = passkeyChallenge({
    thumbprint: identity.thumbprint,
    challenge: base64url.decode(options.challenge),
    id: base64url.decode(registration.id),
  });
  const proof = await provePin(desk, identity, pinKey, bound, { signal });
  // Not repeated: the challenge is used up by the first arrival. A passkey whose answer was lost is one that `status` lists
  // and that nothing here knows; it can be removed there.
  const body = { registration, proof };
  const answer = await connection.send(identity, {
    ...{ method: 'POST', path: PATH, body, repeatable: false, signal },
  });
  const { passkey } = readAnswer(answer, passkeyAnswer);
  const kept = { passkey, id: registration.id, rpId: options.rpId, transports };
  await updateRecord(storage, identity, (record) => ({ ...record, passkeys: [...record.passkeys, kept] }));
  delete entry.sent;
  delete entry.evaluation;
  delete entry.right;
  return passkey;
}

/** One that the verifier does not know any more is forgotten here too. @throws AkashiError `not_found` for one of nobody */
export async function removePasskey(
  { connection, storage }: Pick<PasskeyDesk, 'connection' | 'storage'>,
  identity: Identity,
  passkey: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = `${PATH}/${parse(base64url16, passkey)}`;
  const isKept = identity.record.passkeys.some((kept) => kept.passkey === passkey);
  try {
    checkAnswer(await connection.send(identity, { method: 'DELETE', path, repeatable: true, signal }));
  } catch (error) {
    if (!isKept || !hasCode(error, 'not_found')) throw error;
  }
  await updateRecord(storage, identity, (record) => ({
    ...record,
    passkeys: record.passkeys.filter((kept) => kept.passkey !== passkey),
  }));
}
