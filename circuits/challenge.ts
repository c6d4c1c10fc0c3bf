import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { fieldFromBytes, fieldToBytes } from './field.ts';

export interface ChallengeParts {
  /** The request exactly as signed: compact JWS. */
  readonly request: string;
  /** Place of the fact in the request's list. */
  readonly index: number;
  /** The attempt's nonce, 32 bytes. */
  readonly nonce: Uint8Array;
  /** The six digits of the transfer code, or `null` in pre-call mode. */
  readonly code: string | null;
}

/**
 * The 31 bytes that bind one proof to one request, one fact, one code, one attempt (docs/protocol.md, section 6).
 * What the customer saw is what was proven: another operator, purpose, amount or code gives other bytes.
 */
export function challengeBytes({ request, index, nonce, code }: ChallengeParts): Uint8Array {
  if (!Number.isInteger(index) || index < 0 || index > 255) throw new TypeError('index is one byte');
  if (nonce.length !== 32) throw new TypeError('nonce is 32 bytes');
  if (code !== null && !/^[0-9]{6}$/.test(code)) throw new TypeError('code is six ASCII digits or null');
  return sha256(
    concatBytes(
      utf8ToBytes('akashi/challenge/v1'),
      sha256(utf8ToBytes(request)),
      Uint8Array.of(index),
      nonce,
      utf8ToBytes(code ?? ''),
    ),
  ).subarray(0, 31);
}

/** {@link challengeBytes} as the field element that a circuit takes. */
export function challenge(parts: ChallengeParts): bigint {
  return fieldFromBytes(challengeBytes(parts));
}

export interface PinChangeParts {
  /** Thumbprint of the device key, as sent: base64url. */
  readonly thumbprint: string;
  /** The nonce that came with the evaluation of the new PIN, 32 bytes. */
  readonly nonce: Uint8Array;
  /** `commitment` of the new PIN. */
  readonly commitment: bigint;
}

/** The challenge under which the old PIN is proven when a new one takes its place (docs/protocol.md, section 5). */
export function pinChangeChallenge({ thumbprint, nonce, commitment }: PinChangeParts): bigint {
  if (nonce.length !== 32) throw new TypeError('nonce is 32 bytes');
  return fieldFromBytes(
    sha256(
      concatBytes(
        utf8ToBytes('akashi/pin-change/v1'),
        sha256(utf8ToBytes(thumbprint)),
        nonce,
        fieldToBytes(commitment),
      ),
    ),
  );
}

export interface PasskeyParts {
  /** Thumbprint of the device key, as sent: base64url. */
  readonly thumbprint: string;
  /** The challenge under which the passkey was made, 32 bytes. */
  readonly challenge: Uint8Array;
  /** WebAuthn id of the passkey. */
  readonly id: Uint8Array;
}

/** The challenge under which the PIN is proven when a passkey is added (docs/protocol.md, section 5). */
export function passkeyChallenge({ thumbprint, challenge: made, id }: PasskeyParts): bigint {
  if (made.length !== 32) throw new TypeError('challenge is 32 bytes');
  return fieldFromBytes(
    sha256(concatBytes(utf8ToBytes('akashi/passkey/v1'), sha256(utf8ToBytes(thumbprint)), made, sha256(id))),
  );
}
