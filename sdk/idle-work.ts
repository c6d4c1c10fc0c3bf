import { queue } from './queue.ts';

/** Work for idle moments, one after the other, that gives way to what the customer asks for. */
export interface IdleWork {
  /** @param outer the caller's own wish to stop */
  run(outer: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Stops all of it, and returns when it has come to its end. */
  giveWay(): Promise<void>;
}

export function idleWork(): IdleWork {
  const inTurn = queue();
  const running = new Set<AbortController>();
  return {
    async run(outer, work) {
      const controller = new AbortController();
      const stop = () => controller.abort(outer?.reason);
      if (outer?.aborted) stop();
      outer?.addEventListener('abort', stop, { once: true });
      running.add(controller);
      try {
        await inTurn(() => work(controller.signal));
      } finally {
        running.delete(controller);
        outer?.removeEventListener('abort', stop);
      }
    },
    async giveWay() {
      for (const controller of running) controller.abort();
      await inTurn(async () => undefined);
    },
  };
}
