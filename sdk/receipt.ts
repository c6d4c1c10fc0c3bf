import {
  AkashiError,
  jwksAnswer,
  type PublicJwk,
  parseReceipt,
  type Receipt,
  unverifiedJws,
  verifyJws,
} from '@akashi/circuits';
import { type Connection, readAnswer, twice } from './connection.ts';

// What an issuer makes sure of before it signs anything over a receipt (docs/protocol.md, section 5).

export interface ExpectedReceipt {
  readonly verifier: string;
  readonly tenant: string;
  /** The customer who is logged in to the tenant's own app. */
  readonly subject: string;
  /** UTC seconds. */
  readonly now: number;
}

/** For clocks of two machines. */
const LEEWAY_SECONDS = 60;

/**
 * The receipt, once the verifier signed it, for this tenant and subject, not long ago.
 * @throws AkashiError `receipt_invalid`
 */
export async function checkReceipt(
  jws: string,
  keys: readonly VerifierKey[],
  { verifier, tenant, subject, now }: ExpectedReceipt,
): Promise<Receipt> {
  try {
    const receipt = parseReceipt(
      await verifyJws('receipt', jws, (kid) => keys.find((key) => key.kid === kid && now < key.exp)?.jwk),
    );
    const meant =
      receipt.iss === verifier &&
      receipt.tenant === tenant &&
      receipt.sub === subject &&
      receipt.iat <= now + LEEWAY_SECONDS &&
      receipt.exp > now;
    if (!meant) throw new AkashiError('malformed');
    return receipt;
  } catch (cause) {
    throw new AkashiError('receipt_invalid', { cause });
  }
}

export interface VerifierKey {
  readonly kid: string;
  readonly jwk: PublicJwk;
  /** From when until when it signs: an ended key is published for evidence only. */
  readonly nbf: number;
  readonly exp: number;
}

/** How long a key that the verifier took back may still be believed. */
const KEYS_SECONDS = 300;
/** How soon an unknown key may be looked up again: rotation is rare, and anyone can name a key that is none. */
const UNKNOWN_SECONDS = 10;

/** Finds those to check a JWS with, at a time in UTC seconds. */
export type VerifierKeys = (
  jws: string,
  now: number,
  signal: AbortSignal | undefined,
) => Promise<readonly VerifierKey[]>;

/** The verifier's signing keys as it publishes them, kept for five minutes. */
export function verifierKeys(connection: Pick<Connection, 'send'>): VerifierKeys {
  let keys: readonly VerifierKey[] = [];
  let fetchedAt = Number.NEGATIVE_INFINITY;
  return async (jws, now, signal) => {
    const known = keys.some(({ kid }) => kid === kidOf(jws));
    if (now - fetchedAt >= (known ? KEYS_SECONDS : UNKNOWN_SECONDS)) {
      const answer = await twice(() => connection.send({ method: 'GET', path: '/v1/jwks', signal }));
      keys = readAnswer(answer, jwksAnswer).keys.map(({ kid, nbf, exp, kty, crv, x, y }) => ({
        ...{ kid, nbf, exp },
        jwk: { kty, crv, x, y },
      }));
      fetchedAt = now;
    }
    return keys;
  };
}

/** The key that a JWS names, before anything of it is checked. */
function kidOf(jws: string): string | undefined {
  try {
    const { header } = unverifiedJws(jws);
    return header instanceof Object && 'kid' in header && typeof header.kid === 'string'
      ? header.kid
      : undefined;
  } catch {
    return undefined;
  }
}
