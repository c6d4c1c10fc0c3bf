import { AkashiError, bytesToInteger, decodeBase64url, encodeBase64url, FIELD_ORDER } from '@akashi/circuits';
import { ristretto255_oprf } from '@noble/curves/ed25519.js';

// The device's side of PIN hardening: RFC 9497, mode OPRF, ristretto255-SHA512 (docs/protocol.md, section 5).

export interface BlindedPin {
  /** ASCII digits. */
  readonly pin: string;
  /** The secret scalar. */
  readonly blind: Uint8Array;
  /** What the verifier gets: base64url of the blinded element. */
  readonly blinded: string;
}

export function blindPin(pin: string, random: (length: number) => Uint8Array): BlindedPin {
  const { blind, blinded } = ristretto255_oprf.oprf.blind(
    new TextEncoder().encode(pin),
    // On a buffer of its own, as the library's types want it.
    (length = 32) => new Uint8Array(random(length)),
  );
  return { pin, blind, blinded: encodeBase64url(blinded) };
}

/**
 * `pinKey`: the OPRF output, 64 bytes big-endian, mod the scalar order.
 * @throws AkashiError `unexpected_answer` when `evaluated` is no group element or the identity
 */
export function pinKey({ pin, blind }: BlindedPin, evaluated: string): bigint {
  try {
    const output = ristretto255_oprf.oprf.finalize(
      new TextEncoder().encode(pin),
      blind,
      decodeBase64url(evaluated),
    );
    return bytesToInteger(output) % FIELD_ORDER;
  } catch (cause) {
    throw new AkashiError('unexpected_answer', { cause });
  }
}
