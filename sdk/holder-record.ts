import {
  AkashiError,
  base64url16,
  base64url32,
  fieldText,
  parse,
  passkeyId,
  passkeyTransport,
  reference,
  rpId,
  text,
  thumbprint,
  time,
} from '@akashi/circuits';
import * as v from 'valibot';
import type { IssuedClaims } from './claims.ts';
import type { DeviceIdentity } from './device-connection.ts';
import { issuedAccountsShape } from './issued-accounts.ts';
import type { DeviceStorage } from './storage.ts';

// What a device remembers of its enrolment. The PIN and its key are never in it.

export const HOLDER_RECORD = 'holder';

const keptPasskey = v.strictObject({
  /** Its id at the verifier. */
  passkey: base64url16,
  /** WebAuthn's. */
  id: passkeyId,
  rpId,
  transports: v.array(passkeyTransport),
});
export type KeptPasskey = v.InferOutput<typeof keptPasskey>;

const recordEntries = {
  verifier: v.string(),
  /** Thumbprint of the verifier's root key. */
  root: base64url32,
  device: base64url16,
  tenant: v.strictObject({ id: reference, name: text }),
  subject: reference,
  enrolledAt: time,
  holder: fieldText,
  /** `commitment` of the PIN. */
  commitment: fieldText,
  /** Of a new PIN whose registration was sent and not yet confirmed; `null` when none was. */
  nextCommitment: v.nullable(fieldText),
  accountsExpireAt: time,
  /** Records of before passkeys have none. */
  passkeys: v.optional(v.array(keptPasskey), []),
};

export const holderRecordShape = v.strictObject({
  ...recordEntries,
  holderSecret: fieldText,
  issued: issuedAccountsShape,
});
export type HolderRecord = v.InferOutput<typeof holderRecordShape>;

const bytes = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+$/));
/** The record of a device whose secrets only a passkey brings back (see secrets.ts). */
export const wrappedRecordShape = v.strictObject({
  ...recordEntries,
  issued: v.strictObject({
    credential: issuedAccountsShape.entries.credential,
    accounts: v.array(v.strictObject({ label: text })),
  }),
  wrapped: v.strictObject({ passkey: base64url16, salt: bytes, iv: bytes, ciphertext: bytes }),
});
export type WrappedRecord = v.InferOutput<typeof wrappedRecordShape>;
export type KeptRecord = HolderRecord | WrappedRecord;

interface KnownDevice extends DeviceIdentity {
  readonly thumbprint: string;
}

/** A device whose secrets are at hand. */
export interface OpenIdentity extends KnownDevice {
  readonly record: HolderRecord;
  /** Claims that were wrapped with the other secrets; else they lie in a record of their own. */
  readonly unwrappedClaims?: readonly IssuedClaims[];
}

/** One whose secrets only a passkey brings back. */
export interface WrappedIdentity extends KnownDevice {
  readonly record: WrappedRecord;
}

/** The device enrolled here: its key, whom it trusts, what it remembers. */
export type Identity = OpenIdentity | WrappedIdentity;

export function isOpen(identity: Identity): identity is OpenIdentity {
  return !('wrapped' in identity.record);
}

/**
 * The device enrolled with this verifier, or `null`.
 * @throws AkashiError `storage_unavailable` when what is kept cannot be read
 */
export async function loadIdentity(storage: DeviceStorage, verifier: string): Promise<Identity | null> {
  const [key, stored] = await Promise.all([storage.key(), storage.read(HOLDER_RECORD)]);
  if (key === null) return null;
  const record = parseStored(v.union([holderRecordShape, wrappedRecordShape]), stored);
  // A storage filled against another verifier: not this device's, and not to be sent there.
  if (record.verifier !== verifier) throw new AkashiError('storage_unavailable');
  const device = { key, root: record.root, thumbprint: await thumbprint(key.jwk) };
  return 'wrapped' in record ? { ...device, record } : { ...device, record };
}

/**
 * Changes the record, unless another tab enrolled anew or removed the device meanwhile.
 * @throws AkashiError `not_enrolled` in that case
 */
export async function updateRecord(
  storage: DeviceStorage,
  { record: { device, verifier } }: { readonly record: Pick<KeptRecord, 'device' | 'verifier'> },
  change: (record: KeptRecord) => KeptRecord,
): Promise<KeptRecord> {
  return storage.exclusive(async () => {
    const current = await loadIdentity(storage, verifier);
    if (current?.record.device !== device) throw new AkashiError('not_enrolled');
    const changed = change(current.record);
    await storage.write(HOLDER_RECORD, changed);
    return changed;
  });
}

/** A stored value, typed. @throws AkashiError `storage_unavailable` when it is not of this shape */
export function parseStored<S extends v.GenericSchema>(shape: S, value: unknown): v.InferOutput<S> {
  try {
    return parse(shape, value);
  } catch (cause) {
    throw new AkashiError('storage_unavailable', { cause });
  }
}
