import { AkashiError } from '@akashi/circuits';
import { ristretto255, ristretto255_oprf } from '@noble/curves/ed25519.js';
import { base64url } from 'jose';
import type { Random } from './token.ts';

// RFC 9497, mode OPRF, ristretto255-SHA512, the server's side (docs/protocol.md, section 5).

const KEY_INFO = new TextEncoder().encode('akashi/evaluation-key/v1');

/** A fresh evaluation key: DeriveKeyPair (RFC 9497, section 3.2.1) from 32 random bytes. 32 bytes. */
export function newEvaluationKey(random: Random): Uint8Array {
  return ristretto255_oprf.oprf.deriveKeyPair(random(32), KEY_INFO).secretKey;
}

/**
 * A blinded element as it travels, checked: the one encoding of a point of the group that is not the identity
 * (RFC 9497, section 4.1). Checked before an evaluation is counted, so that nonsense costs no try.
 * @throws AkashiError `malformed`
 */
export function parseBlinded(blinded: string): Uint8Array {
  try {
    const bytes = base64url.decode(blinded);
    if (ristretto255.Point.fromBytes(bytes).is0()) throw new AkashiError('malformed');
    return bytes;
  } catch (cause) {
    throw new AkashiError('malformed', { cause });
  }
}

/** BlindEvaluate (RFC 9497, section 3.3.1), base64url. @param blinded by {@link parseBlinded} */
export function evaluate(evaluationKey: Uint8Array, blinded: Uint8Array): string {
  return base64url.encode(ristretto255_oprf.oprf.blindEvaluate(evaluationKey, blinded));
}
