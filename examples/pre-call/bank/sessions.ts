import { createHash } from 'node:crypto';
import type { Customer } from './customers.ts';

const IDLE_SECONDS = 30 * 60;
/** More log-ins than an example sees: a loop of them pushes out the oldest instead of filling memory. */
const KEPT = 1000;

/** Who is logged in to the bank's app, by bearer token; tokens are kept as SHA-256 only. Lost with the process. */
export class Sessions {
  readonly #byHash = new Map<string, { readonly customer: Customer; seenAt: number }>();
  readonly #now: () => number;
  readonly #random: (length: number) => Uint8Array;

  /** @param now UTC seconds */
  constructor(now: () => number, random: (length: number) => Uint8Array) {
    this.#now = now;
    this.#random = random;
  }

  open(customer: Customer): string {
    const token = Buffer.from(this.#random(16)).toString('base64url');
    this.#byHash.set(hash(token), { customer, seenAt: this.#now() });
    for (const oldest of this.#byHash.keys()) {
      if (this.#byHash.size <= KEPT) break;
      this.#byHash.delete(oldest);
    }
    return token;
  }

  /** Whose token this is, as long as it was used within the last half hour. */
  customer(token: string): Customer | null {
    const session = this.#byHash.get(hash(token));
    if (session === undefined) return null;
    if (this.#now() - session.seenAt > IDLE_SECONDS) {
      this.#byHash.delete(hash(token));
      return null;
    }
    session.seenAt = this.#now();
    return session.customer;
  }

  close(token: string): void {
    this.#byHash.delete(hash(token));
  }
}

function hash(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
