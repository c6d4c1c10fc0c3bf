import { AkashiError } from '@akashi/circuits';

/** Lets a bounded number of pieces of work run and wait. */
export interface Queue {
  /** @throws AkashiError `busy`, at once, when too many wait already */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** How many wait. */
  waiting(): number;
}

const RETRY_SECONDS = 2;

/**
 * Work beyond `running` waits in order; beyond `waiting` it is refused at once, so that a flood is answered early
 * and those already in the queue are still served in time.
 */
export function createQueue(running: number, waiting: number): Queue {
  let free = running;
  const line: (() => void)[] = [];

  async function enter(): Promise<void> {
    if (free > 0) {
      free--;
      return;
    }
    if (line.length >= waiting) throw new AkashiError('busy', { retryAfter: RETRY_SECONDS });
    await new Promise<void>((resolve) => line.push(resolve));
  }

  // A place is handed on rather than freed, so that nobody who comes later gets in between.
  function leave(): void {
    const next = line.shift();
    if (next === undefined) free++;
    else next();
  }

  return {
    async run(work) {
      await enter();
      try {
        return await work();
      } finally {
        leave();
      }
    },
    waiting: () => line.length,
  };
}
