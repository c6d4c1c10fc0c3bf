import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import * as v from 'valibot';
import { factor, verdict } from './http.ts';
import { base64url16, base64url32, compactJws, factId, origin, parse, reference, time } from './shape.ts';
import type { Transaction } from './transaction.ts';
import { direction, mode } from './wire.ts';

// What the verifier says of a verdict, for the tenant's back end (docs/protocol.md, section 6). Apart from wire.ts, because
// neither phone nor desk ever reads it.

const versionNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

export const evidenceShape = v.pipe(
  v.strictObject({
    iss: origin,
    /** The verification it is about. */
    jti: base64url16,
    tenant: reference,
    purpose: reference,
    policy: v.strictObject({ id: reference, version: versionNumber }),
    mode,
    direction,
    verdict,
    /** Where the request carried a transaction: its `transactionHash`. */
    transactionHash: v.optional(base64url32),
    /**
     * What was proven: the facts of the registry that were shown where the verdict is `passed`, else nothing. A passkey is none of
     * them, so the list may be empty; what it counts for shows in `factors`.
     */
    facts: v.array(v.strictObject({ fact: factId, version: versionNumber })),
    factors: v.array(factor),
    /** The earlier verification, of the same call, in which all of it was shown. */
    reusedFrom: v.optional(base64url16),
    decidedAt: time,
    /** When it was signed: by a key that was valid then. */
    iat: time,
  }),
  v.check(({ verdict, reusedFrom }) => reusedFrom === undefined || verdict === 'passed'),
  v.check(({ verdict, facts, factors }) =>
    verdict === 'passed'
      ? // Knowledge is never shown but by a fact; the rest a passkey alone can be.
        factors.length > 0 && (facts.length > 0 || !factors.includes('knowledge'))
      : facts.length + factors.length === 0,
  ),
);
/** What the verifier signs about a verdict, for the tenant's back end. */
export type Evidence = v.InferOutput<typeof evidenceShape>;

export const evidenceAnswer = v.strictObject({
  /** `akashi-evidence+jwt`. */
  evidence: compactJws,
  /** Of the transaction's hash, where there is one. */
  salt: v.optional(base64url32),
});
/** What the verifier signs about a verdict, beside what opens the transaction's hash in it. */
export type SignedEvidence = v.InferOutput<typeof evidenceAnswer>;

export const parseEvidence = (input: unknown): Evidence => parse(evidenceShape, input);

/**
 * What a verdict names a transaction by:
 * `SHA-256("akashi/transaction/v1" || salt || RFC 8785 JSON of the transaction)`. Without the salt whoever has the hash
 * could try the few amounts that are likely; so the hash alone tells nothing, and stays where the figures are erased.
 * @param salt 32 bytes
 */
export function transactionHash(
  { amount, currency, payee, lines }: Transaction,
  salt: Uint8Array,
): Uint8Array {
  if (salt.length !== 32) throw new TypeError('salt is 32 bytes');
  // Members in the order of RFC 8785; for strings and whole numbers JSON.stringify writes what the RFC asks for.
  const json = JSON.stringify({
    amount,
    currency,
    ...(lines === undefined
      ? {}
      : { lines: lines.map(({ amount, quantity, text }) => ({ amount, quantity, text })) }),
    payee,
  });
  return sha256(concatBytes(utf8ToBytes('akashi/transaction/v1'), salt, utf8ToBytes(json)));
}
