import {
  AkashiError,
  decodeBase64url,
  encodeBase64url,
  fieldText,
  type PasskeyAssertion,
} from '@akashi/circuits';
import * as v from 'valibot';
import { type IssuedClaims, issuedClaimsShape } from './claims.ts';
import {
  type HolderRecord,
  type Identity,
  isOpen,
  type KeptPasskey,
  type OpenIdentity,
  parseStored,
  type WrappedRecord,
} from './holder-record.ts';
import { issuedAccountsShape } from './issued-accounts.ts';
import type { Opening } from './opening.ts';
import { type AskedPasskey, assertPasskey } from './passkey.ts';

// A device's secrets under a key that only one of its passkeys brings back (WebAuthn's PRF extension; docs/protocol.md,
// section 5). Loaded when first needed.

const INFO = 'akashi/secrets/v1';

const secretsShape = v.strictObject({
  holderSecret: fieldText,
  accounts: issuedAccountsShape.entries.accounts,
  /** Whole: what a claim is called tells of the customer too. */
  claims: v.array(issuedClaimsShape),
});

/** What wraps: a passkey, what its PRF was asked, and the key that came of the answer. */
export interface Wrapping {
  readonly passkey: KeptPasskey;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly key: CryptoKey;
}

/** An open device, and the wrapping to close it with again, where it has one. */
export interface Opened {
  readonly identity: OpenIdentity;
  readonly wrapping: Wrapping | null;
}

/**
 * The device with its secrets. Where they are wrapped, the customer confirms with the passkey that wraps them.
 * @throws AkashiError `passkey_cancelled`, `passkey_unavailable`; `storage_unavailable` when they do not open
 */
export async function openSecrets(
  { passkeys: platform, random }: Opening,
  identity: Identity,
  signal: AbortSignal | undefined,
): Promise<Opened> {
  if (isOpen(identity)) return { identity, wrapping: null };
  const { passkey, salt } = wrappedBy(identity.record);
  const { prf } = await assertPasskey(platform, {
    ...{ passkeys: [passkey], rpId: passkey.rpId, challenge: random(32), salt, signal },
  });
  return unwrap(identity, identity.record, prf);
}

/**
 * {@link openSecrets} by an assertion over this challenge, which is given too; or in two steps where another rpId than that
 * of the wrapping passkey is asked for.
 */
export async function openSecretsBy(
  desk: Opening,
  identity: Identity,
  { rpId, challenge, signal }: Pick<AskedPasskey, 'rpId' | 'challenge' | 'signal'>,
): Promise<{ readonly identity: OpenIdentity; readonly assertion: PasskeyAssertion | null }> {
  if (isOpen(identity)) return { identity, assertion: null };
  const { passkey, salt } = wrappedBy(identity.record);
  if (passkey.rpId !== rpId) return { ...(await openSecrets(desk, identity, signal)), assertion: null };
  const asked = { passkeys: [passkey], rpId, challenge, salt, signal };
  const { assertion, prf } = await assertPasskey(desk.passkeys, asked);
  return { ...(await unwrap(identity, identity.record, prf)), assertion };
}

/** The passkey that wraps a device's secrets, and what its PRF is asked. */
function wrappedBy({ passkeys, wrapped }: WrappedRecord): Omit<Wrapping, 'key'> {
  const passkey = passkeys.find((kept) => kept.passkey === wrapped.passkey);
  if (passkey === undefined) throw new AkashiError('storage_unavailable');
  return { passkey, salt: decodeBase64url(wrapped.salt) };
}

/** @param prf what the PRF answered; `null` from a phone that forgot how */
async function unwrap(identity: Identity, kept: WrappedRecord, prf: ArrayBuffer | null): Promise<Opened> {
  const { wrapped, issued, ...rest } = kept;
  const { passkey, salt } = wrappedBy(kept);
  if (prf === null) throw new AkashiError('passkey_unavailable');
  const key = await keyFrom(prf);
  try {
    const plain = await crypto.subtle.decrypt(
      {
        name: 'AES-GCM',
        iv: decodeBase64url(wrapped.iv),
        additionalData: additionalData(rest.device, passkey),
      },
      key,
      decodeBase64url(wrapped.ciphertext),
    );
    const json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(plain));
    const { holderSecret, accounts, claims } = parseStored(secretsShape, json);
    const record: HolderRecord = { ...rest, holderSecret, issued: { ...issued, accounts } };
    const opened = { ...identity, record, unwrappedClaims: claims };
    return { identity: opened, wrapping: { passkey, salt, key } };
  } catch (cause) {
    throw new AkashiError('storage_unavailable', { cause });
  }
}

/** The record without its secrets and those claims, which only this wrapping opens. */
export async function wrap(
  record: HolderRecord,
  claims: readonly IssuedClaims[],
  { passkey, salt, key }: Wrapping,
): Promise<WrappedRecord> {
  const { holderSecret, issued, ...rest } = record;
  const { accounts, ...credential } = issued;
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const ciphertext = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: additionalData(record.device, passkey) },
    key,
    new TextEncoder().encode(JSON.stringify({ holderSecret, accounts, claims })),
  );
  return {
    ...rest,
    issued: { ...credential, accounts: accounts.map(({ label }) => ({ label })) },
    wrapped: {
      passkey: passkey.passkey,
      salt: encodeBase64url(salt),
      iv: encodeBase64url(iv),
      ciphertext: encodeBase64url(new Uint8Array(ciphertext)),
    },
  };
}

/** `HKDF-SHA-256(output of the PRF, no salt, "akashi/secrets/v1")`: the output belongs to this passkey and salt alone. */
export async function keyFrom(prf: ArrayBuffer): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', prf, 'HKDF', false, ['deriveKey']);
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new TextEncoder().encode(INFO) },
    material,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  );
}

function additionalData(device: string, { passkey, id }: KeptPasskey): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode([INFO, device, passkey, id].join('\0'));
}
