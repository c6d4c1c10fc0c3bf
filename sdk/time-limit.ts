import { AkashiError } from '@akashi/circuits';

export interface TimeLimit {
  readonly seconds: number;
  /** The caller's own wish to stop. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work` under a signal that fires when the time is over or the caller stops, and does not wait longer than
 * that even for work that does not listen.
 * @throws AkashiError `timeout` or `aborted`, or what the work throws
 */
export async function withinTime<T>(
  { seconds, signal: outer }: TimeLimit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (outer?.aborted) throw new AkashiError('aborted', { cause: outer.reason });
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  const stopped = new Promise<never>((_, reject) => {
    const stop = (code: 'timeout' | 'aborted') => {
      reject(new AkashiError(code, { cause: outer?.reason }));
      controller.abort();
    };
    timer = setTimeout(() => stop('timeout'), seconds * 1000);
    onAbort = () => stop('aborted');
    // AbortSignal.any would do, but keeps listeners alive in the oldest supported Node.
    outer?.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work(controller.signal), stopped]);
  } finally {
    clearTimeout(timer);
    if (onAbort) outer?.removeEventListener('abort', onAbort);
  }
}

/** Waits. @throws AkashiError `aborted` */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) throw new AkashiError('aborted', { cause: signal.reason });
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(new AkashiError('aborted', { cause: signal?.reason }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
