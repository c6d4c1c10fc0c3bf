import { AkashiError } from '@akashi/circuits';
import { withinTime } from './time-limit.ts';

// Code that is not needed to open a holder, listen for requests and show them lies in chunks of its own, which bundlers
// make of dynamic imports.

const CHUNK_SECONDS = 30;

/**
 * Code that is loaded when first needed.
 * @param load a dynamic import with its path spelt out: bundlers look for exactly that
 * @throws AkashiError `artifact_unavailable` when it does not load, `timeout`, `aborted`
 */
export function need<T>(load: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  return withinTime({ seconds: CHUNK_SECONDS, signal }, async () => {
    try {
      return await load();
    } catch (cause) {
      throw new AkashiError('artifact_unavailable', { cause });
    }
  });
}

/** What a request needs to be shown: its shape, its checks, the history. */
export const loadRequestActs = () => import('./request-acts.ts');
export const loadHolderActs = () => import('./holder-acts.ts');
export const loadPasskeyActs = () => import('./passkey-acts.ts');
/** Few requests leave a choice. */
export const loadAlternative = () => import('./alternative.ts');
/** Its curve is heavier than all of the rest, and requests without the fact `pin` do without. */
export const loadOprf = () => import('./oprf.ts');

/** Has some work done later, when nothing else is. */
export type WhenIdle = (work: () => void) => void;

/** The idle moments of a page; elsewhere code comes from the disk, and nothing is loaded ahead. */
export const pageIdle: WhenIdle = (work) => {
  // Safari has no idle callbacks.
  if (globalThis.requestIdleCallback) globalThis.requestIdleCallback(work, { timeout: 5000 });
  else if (globalThis.document) setTimeout(work, 1000);
};

/** Loads code before it is needed, piece by piece, each in an idle moment. What fails is loaded again when it is needed. */
export async function loadAhead(
  loads: readonly (() => Promise<unknown>)[],
  whenIdle: WhenIdle,
): Promise<void> {
  for (const load of loads) {
    await new Promise<void>((resolve) => whenIdle(resolve));
    await load().catch(() => undefined);
  }
}
