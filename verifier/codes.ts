import { createHmac, timingSafeEqual } from 'node:crypto';
import { CODE_LENGTH } from '@akashi/circuits';

// Transfer and claim code, and the salt of a transaction's hash (docs/protocol.md, section 6). All are derived, never
// stored: a copy of the database holds none, and a restart forgets none. And what the same key keeps from being searched.

const LABELS = { transfer: 'akashi/transfer-code/v1', claim: 'akashi/claim-code/v1' } as const;

export type CodeKind = keyof typeof LABELS;

/** The six digits of a verification. The 64 bits make the bias of the reduction smaller than 2^-44. */
export function codeOf(kind: CodeKind, codeKey: Uint8Array, verification: string): string {
  const mac = createHmac('sha256', codeKey).update(LABELS[kind]).update(verification).digest();
  return (mac.readBigUInt64BE(0) % 10n ** BigInt(CODE_LENGTH)).toString().padStart(CODE_LENGTH, '0');
}

/** 32 bytes without which the hash of a verification's transaction cannot be held against any figures. */
export function transactionSalt(codeKey: Uint8Array, verification: string): Uint8Array {
  const mac = createHmac('sha256', codeKey).update('akashi/transaction-salt/v1').update(verification);
  return new Uint8Array(mac.digest());
}

/**
 * What is kept of the body of an idempotent start. Keyed, because the rest of the body stands in the verification's row:
 * under a plain hash the figures of a transaction could be searched.
 */
export function bodyDigest(codeKey: Uint8Array, body: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac('sha256', codeKey).update('akashi/start-body/v1').update(body).digest());
}

/** Whether `typed` is the code, in a time that does not depend on where they differ. */
export function isCode(kind: CodeKind, codeKey: Uint8Array, verification: string, typed: string): boolean {
  const expected = Buffer.from(codeOf(kind, codeKey, verification));
  const given = Buffer.from(typed);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
