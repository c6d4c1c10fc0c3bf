import { createHmac, timingSafeEqual } from 'node:crypto';
import { base64url } from 'jose';
import type { Keys } from './keys.ts';
import type { Store } from './store.ts';

// The nonces of device calls (RFC 9449, section 8): a time and an HMAC over it. Nothing is stored, and a nonce made by one
// verifier is good at another.

/** Seconds for which a nonce is good. */
export const NONCE_SECONDS = 300;
/** Seconds by which the clock of another process with the same keys may be ahead. */
const CLOCK_LEEWAY_SECONDS = 60;

export interface NoncesParts {
  readonly store: Pick<Store, 'jtisUntil'>;
  /** UTC seconds. */
  readonly now: () => number;
  readonly keys: Pick<Keys, 'nonceKey'>;
}

const TIME_LENGTH = 8;
const MAC_LENGTH = 16;

/**
 * The nonces of one verifier. Their time never falls behind the mark up to when the database takes no `jti`: a clock that
 * was ahead has moved it, here or at another verifier, and calls go on before all clocks have come up to it. Until then
 * nonces do not age; their `jti`s are kept as long.
 */
export class Nonces {
  readonly #store: NoncesParts['store'];
  readonly #now: () => number;
  readonly #nonceKey: Uint8Array;
  /** The mark, as last read. */
  #jtisUntil = 0;

  constructor({ store, now, keys }: NoncesParts) {
    this.#store = store;
    this.#now = now;
    this.#nonceKey = keys.nonceKey;
  }

  make(): string {
    return newNonce(this.#nonceKey, this.#time());
  }

  /** When this nonce, if it was made here or at a verifier with the same keys, and the `jti` with it, cannot be good any more. */
  async expiry(nonce: string | undefined): Promise<number | undefined> {
    const madeAt = timeOf(this.#nonceKey, nonce);
    if (madeAt === undefined) return undefined;
    // One that comes from the future may be of a verifier that knows the mark.
    if (isAhead(madeAt, this.#time())) this.#jtisUntil = await this.#store.jtisUntil();
    const now = this.#time();
    if (isAhead(madeAt, now) || madeAt + NONCE_SECONDS <= now) return undefined;
    return madeAt + NONCE_SECONDS;
  }

  /** Whether a `jti` was refused because its nonce had ended for the database, which the next nonces then have not. */
  async hasEnded(expiresAt: number): Promise<boolean> {
    this.#jtisUntil = await this.#store.jtisUntil();
    return expiresAt <= this.#jtisUntil;
  }

  #time(): number {
    return Math.max(this.#now(), this.#jtisUntil);
  }
}

export function newNonce(nonceKey: Uint8Array, now: number): string {
  const at = Buffer.alloc(TIME_LENGTH);
  at.writeBigUInt64BE(BigInt(now));
  return base64url.encode(Buffer.concat([at, nonceMac(nonceKey, at)]));
}

function isAhead(madeAt: number, now: number): boolean {
  return madeAt > now + CLOCK_LEEWAY_SECONDS;
}

/** When a nonce was made, if it was with this key. */
function timeOf(nonceKey: Uint8Array, nonce: string | undefined): number | undefined {
  if (nonce === undefined) return undefined;
  const bytes = Buffer.from(nonce, 'base64url');
  if (bytes.length !== TIME_LENGTH + MAC_LENGTH) return undefined;
  const at = bytes.subarray(0, TIME_LENGTH);
  if (!timingSafeEqual(bytes.subarray(TIME_LENGTH), nonceMac(nonceKey, at))) return undefined;
  return Number(at.readBigUInt64BE());
}

function nonceMac(nonceKey: Uint8Array, at: Uint8Array): Buffer {
  const mac = createHmac('sha256', nonceKey).update('akashi/dpop-nonce/v1').update(at).digest();
  return mac.subarray(0, MAC_LENGTH);
}
