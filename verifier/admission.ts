import { AkashiError } from '@akashi/circuits';
import type { MiddlewareHandler } from 'hono';
import type { Verifier } from './verifier.ts';

// Which calls are taken on. A verifier that has more than it can do answers at once that it is busy: what it took on
// is done in time, and who was refused may find another instance idle.

/** Calls that are worked on at once; more would wait about a second for the processor. */
export const CALLS_MAX = 128;
export const RETRY_SECONDS = 1;

/** These are asked by what decides whether this instance gets calls at all. */
const ALWAYS = new Set(['/v1/health', '/v1/health/live']);

export function isAlwaysAnswered(path: string): boolean {
  return ALWAYS.has(path);
}

/** Whether a call that comes now is refused: too many are worked on, or this verifier closes. */
export function isFull({ calls, closing }: Pick<Verifier, 'calls' | 'closing'>): boolean {
  return closing?.aborted === true || calls.count >= CALLS_MAX;
}

/** @throws AkashiError `busy`, before anything of the call is read: too many are worked on, or this verifier closes */
export function admission(verifier: Verifier): MiddlewareHandler {
  const { calls, arrivals } = verifier;
  return async (c, next) => {
    if (isAlwaysAnswered(c.req.path)) return next();
    if (isFull(verifier)) {
      // The connection as well: the next call of this client shall find its way anew.
      c.header('Connection', 'close');
      throw new AkashiError('busy', { retryAfter: RETRY_SECONDS });
    }
    calls.count++;
    await arrivals?.();
    // Not awaited: thousands of calls wait for a change, and each frame of theirs is kept.
    return next().finally(() => {
      calls.count--;
    });
  };
}
