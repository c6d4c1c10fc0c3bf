import {
  AkashiError,
  base64url16,
  decodeBase64url,
  parse,
  parsePin,
  passkeyAnswer,
  passkeyChallenge,
  passkeyOptionsAnswer,
} from '@akashi/circuits';
import { type IssuedClaims, keepClaims, readClaims, withIssued, writeClaims } from './claims.ts';
import { checkAnswer, hasCode, readAnswer } from './connection.ts';
import {
  HOLDER_RECORD,
  type HolderRecord,
  type Identity,
  isOpen,
  type KeptPasskey,
  type KeptRecord,
  loadIdentity,
  type OpenIdentity,
  updateRecord,
  type WrappedIdentity,
} from './holder-record.ts';
import { assertPasskey, makePasskey, type Prf } from './passkey.ts';
import type { PasskeyPlatform } from './passkey-platform.ts';
import { enterPin, type PinDesk, type PinEntry } from './pin-entry.ts';
import { dropStalePreparations } from './preparation-store.ts';
import { provePin } from './prepared-proof.ts';
import type { Prover } from './prover.ts';
import { keyFrom, openSecrets, type Wrapping, wrap } from './secrets.ts';

// Passkeys of a device: made and removed (docs/protocol.md, section 5). Loaded when first needed.

export interface AddPasskeyOptions {
  /** As typed: who only holds the phone adds no passkey. */
  readonly pin: string;
  /** What the phone's own list of passkeys shows beside the tenant, e.g. the login name. It stays on the phone. */
  readonly name?: string;
  /**
   * Keeps this device's secrets under the passkey from now on, where the phone can (WebAuthn's PRF): each use of them then
   * takes the gesture, and a phone that loses the passkey has to be enrolled anew.
   */
  readonly wrapSecrets?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface AddedPasskey {
  /** Its id at the verifier. */
  readonly passkey: string;
  /** Whether it wraps this device's secrets. */
  readonly wrapsSecrets: boolean;
}

export interface PasskeyDesk extends PinDesk {
  readonly prover: Prover;
  readonly passkeys: PasskeyPlatform;
}

type WrappedDesk = Pick<PasskeyDesk, 'storage' | 'random' | 'passkeys'>;

const PATH = '/v1/devices/current/passkeys';

/**
 * @param entry what was typed as the current PIN
 * @throws AkashiError `pin_wrong` with `triesLeft`, `pin_locked`, `passkeys_off`, `passkey_refused`,
 * `passkey_unavailable`, `passkey_cancelled`
 */
export async function addPasskey(
  desk: PasskeyDesk,
  known: Identity,
  entry: PinEntry,
  { pin, name = known.record.tenant.name, wrapSecrets = false, signal }: AddPasskeyOptions,
): Promise<AddedPasskey> {
  const { connection, passkeys, random } = desk;
  const { device, tenant } = known.record;
  const { identity } = await openSecrets(desk, known, signal);
  const call = { method: 'POST', path: `${PATH}/options`, repeatable: true, signal } as const;
  const options = readAnswer(await connection.send(identity, call), passkeyOptionsAnswer);
  // Before the phone makes one: a wrong PIN would leave it with a passkey that nobody knows.
  const use = { use: 'current' } as const;
  const pinKey = await enterPin(desk, identity, entry, { pin: parsePin(pin), use, signal });
  const salt = wrapSecrets ? new Uint8Array(random(32)) : null;
  const wanted = { options, device, tenantName: tenant.name, name, salt, signal };
  const { registration, transports, prf } = await makePasskey(passkeys, wanted);
  const bound = passkeyChallenge({
    thumbprint: identity.thumbprint,
    challenge: decodeBase64url(options.challenge),
    id: decodeBase64url(registration.id),
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
  await updateRecord(desk.storage, identity, (record) => withPasskey(record, kept));
  delete entry.sent;
  delete entry.evaluation;
  delete entry.right;
  const wrapsSecrets = salt !== null && (await wrapBy(desk, identity, { kept, salt, prf, signal }));
  return { passkey, wrapsSecrets };
}

function withPasskey(record: KeptRecord, passkey: KeptPasskey): KeptRecord {
  return { ...record, passkeys: [...record.passkeys, passkey] };
}

/**
 * Puts the secrets under a passkey's PRF. @returns false where the phone has none: then they stay as they were
 * @param opened the secrets
 */
async function wrapBy(
  desk: PasskeyDesk,
  opened: OpenIdentity,
  { kept, salt, prf, signal }: NewWrapping,
): Promise<boolean> {
  if (!prf.enabled) return false;
  const output = prf.output ?? (await askAgain(desk, { kept, salt, prf, signal }));
  if (output === null) return false;
  await keepSecrets(desk, opened, { passkey: kept, salt, key: await keyFrom(output) });
  return true;
}

/** Some phones answer only when the passkey is used. Whoever says no to that has the passkey, and unwrapped secrets. */
async function askAgain(
  { passkeys, random }: PasskeyDesk,
  { kept, salt, signal }: NewWrapping,
): Promise<ArrayBuffer | null> {
  const asked = { passkeys: [kept], rpId: kept.rpId, challenge: random(32), salt, signal };
  try {
    return (await assertPasskey(passkeys, asked)).prf;
  } catch (error) {
    if (!hasCode(error, 'passkey_cancelled', 'passkey_unavailable')) throw error;
    return null;
  }
}

interface NewWrapping {
  readonly kept: KeptPasskey;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly prf: Prf;
  readonly signal: AbortSignal | undefined;
}

/**
 * Writes the secrets wrapped, or open with `null`, in place of how they were kept; what else is kept stays as it is now.
 * Secrets that lie open are taken as they are now: they may have been renewed while the customer confirmed.
 * @throws AkashiError `passkey_missing` when another tab removed the wrapping passkey meanwhile
 */
async function keepSecrets(
  { storage }: Pick<PasskeyDesk, 'storage'>,
  opened: OpenIdentity,
  wrapping: Wrapping | null,
): Promise<void> {
  const { device, verifier } = opened.record;
  await storage.exclusive(async () => {
    const current = await loadIdentity(storage, verifier);
    if (current?.record.device !== device) throw new AkashiError('not_enrolled');
    const latest = isOpen(current) ? current : opened;
    const { holderSecret, issued } = latest.record;
    const claims = await readClaims(storage, latest);
    const {
      holderSecret: _,
      wrapped: __,
      ...rest
    } = { holderSecret: null, wrapped: null, ...current.record };
    const open = { ...rest, holderSecret, issued };
    if (wrapping === null) {
      // Claims first: a call that ends between the two leaves what is wrapped, and claims that go the next time.
      await writeClaims(storage, open, claims);
      return storage.write(HOLDER_RECORD, open);
    }
    if (!rest.passkeys.some(({ passkey }) => passkey === wrapping.passkey.passkey))
      throw new AkashiError('passkey_missing');
    await storage.write(HOLDER_RECORD, await wrap(open, claims, wrapping));
  });
  const identity = await loadIdentity(storage, verifier);
  if (identity !== null) await dropStalePreparations(storage, identity);
}

/**
 * One that the verifier does not know any more is forgotten here too; the one that wraps the secrets opens them first.
 * @throws AkashiError `not_found` for one of nobody
 */
export async function removePasskey(
  desk: WrappedDesk & Pick<PasskeyDesk, 'connection'>,
  identity: Identity,
  passkey: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { connection, storage } = desk;
  const { record } = identity;
  const path = `${PATH}/${parse(base64url16, passkey)}`;
  const isKept = record.passkeys.some((kept) => kept.passkey === passkey);
  if ('wrapped' in record && record.wrapped.passkey === passkey) {
    const opened = await openSecrets(desk, identity, signal);
    await keepSecrets(desk, opened.identity, null);
  }
  try {
    checkAnswer(await connection.send(identity, { method: 'DELETE', path, repeatable: true, signal }));
  } catch (error) {
    if (!isKept || !hasCode(error, 'not_found')) throw error;
  }
  await updateRecord(storage, identity, (current) => {
    // Another tab wrapped with it once more meanwhile: here it still opens them, and is removed the next time.
    if ('wrapped' in current && current.wrapped.passkey === passkey) return current;
    return { ...current, passkeys: current.passkeys.filter((kept) => kept.passkey !== passkey) };
  });
}

/** Writes renewed accounts, wrapped as they were. */
export async function keepWrappedAccounts(
  desk: WrappedDesk,
  identity: WrappedIdentity,
  accounts: Pick<HolderRecord, 'issued' | 'accountsExpireAt'>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { identity: opened, wrapping } = await openSecrets(desk, identity, signal);
  await keepSecrets(desk, { ...opened, record: { ...opened.record, ...accounts } }, wrapping);
  const { accountsExpireAt } = accounts;
  await updateRecord(desk.storage, identity, (current) => ({ ...current, accountsExpireAt }));
}

/** Writes claims beside those that are kept, wrapped as they were. @throws AkashiError `not_enrolled` */
export async function keepWrappedClaims(
  desk: WrappedDesk,
  { record: { device, verifier } }: Identity,
  { issued, now }: { readonly issued: readonly IssuedClaims[]; readonly now: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  // As it is kept now: another tab may have wrapped it since the call began.
  const current = await loadIdentity(desk.storage, verifier);
  if (current?.record.device !== device) throw new AkashiError('not_enrolled');
  if (isOpen(current)) {
    await keepClaims(desk.storage, current, issued, now);
    return;
  }
  const { identity: opened, wrapping } = await openSecrets(desk, current, signal);
  const unwrappedClaims = withIssued(await readClaims(desk.storage, opened), issued, now);
  await keepSecrets(desk, { ...opened, unwrappedClaims }, wrapping);
}
