import { AkashiError } from '@akashi/circuits';

/** Callers who wait for one tenant's server at once; more are told to come again. */
const WAITING_MAX = 64;
const RETRY_SECONDS = 2;

/** Waits for work that depends on a tenant's own server: so long and no longer, and not for too many callers of that tenant. */
export class Patience {
  readonly #milliseconds: number;
  readonly #waiting = new Map<string, number>();

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /**
   * @returns what the work gives, or `otherwise` when it takes too long; it goes on then
   * @throws AkashiError `busy`, at once, when too many wait
   */
  async wait<R>(tenant: string, work: () => Promise<R>, otherwise: R): Promise<R> {
    const count = this.#waiting.get(tenant) ?? 0;
    if (count >= WAITING_MAX) throw new AkashiError('busy', { retryAfter: RETRY_SECONDS });
    this.#waiting.set(tenant, count + 1);
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<R>((resolve) => {
      timer = setTimeout(() => resolve(otherwise), this.#milliseconds);
    });
    try {
      return await Promise.race([work(), over]);
    } finally {
      clearTimeout(timer);
      const left = (this.#waiting.get(tenant) ?? 1) - 1;
      if (left === 0) this.#waiting.delete(tenant);
      else this.#waiting.set(tenant, left);
    }
  }
}
