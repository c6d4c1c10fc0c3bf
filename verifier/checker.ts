import { AkashiError, type FactId } from '@akashi/circuits';
import { type ProofPoints, requireSignals, verifyBatch } from './proof.ts';
import type { Random } from './token.ts';
import type { VerificationKeys } from './verification-keys.ts';

/** A proof to be checked, by the name of its key: it may travel to another thread. */
export interface FactCheck {
  readonly fact: FactId;
  /** In registry order. */
  readonly signals: readonly bigint[];
  readonly points: ProofPoints;
}

/** Checks proofs, together with others that wait. */
export interface ProofChecker {
  /**
   * Whether each of the proofs holds, in order. What belongs together goes in one call.
   * @throws AkashiError `busy`, at once, when too many wait; `malformed` for signals that are none of the key's
   * @throws Error when a lane failed, or the checker was closed, before there was an answer
   */
  check(checks: readonly FactCheck[]): Promise<readonly boolean[]>;
  /** How many proofs wait. */
  waiting(): number;
  /** Ends the lanes; what waits is refused. */
  close(): Promise<void>;
}

/** Where batches are checked, one at a time: a worker thread, or the thread itself. */
export interface Lane {
  /** @throws Error when it fails: nothing is known of the proofs then. The lane can be used again */
  run(checks: readonly FactCheck[]): Promise<readonly boolean[]>;
  close(): Promise<void>;
}

export interface CheckerOptions {
  /** Proofs that may wait. */
  readonly waitingMax?: number;
  /** Told how many proofs go into each equation. */
  readonly onBatch?: (proofs: number) => void;
}

// A batch of 32 takes about 30 ms, its share of what a batch has in common is a twentieth of a proof's time, and the
// next in line waits no longer than that. 512 waiting proofs are less than a second of one lane.
const BATCH_MAX = 32;
const WAITING_MAX = 512;
const RETRY_SECONDS = 2;

interface Job {
  readonly checks: readonly FactCheck[];
  readonly resolve: (verdicts: readonly boolean[]) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * A checker over these lanes. A call goes to a lane that is idle at the end of the turn of the event loop, with the
 * others of that turn: no proof ever waits for company. While all are busy calls wait in order, and the lane
 * that ends first takes as many as fit in a batch.
 */
export function createChecker(
  keys: VerificationKeys,
  lanes: readonly Lane[],
  { waitingMax = WAITING_MAX, onBatch = () => {} }: CheckerOptions = {},
): ProofChecker {
  const idle = [...lanes];
  const line: Job[] = [];
  let waiting = 0;
  let closed = false;
  let scheduled = false;

  function takeBatch(): readonly Job[] {
    let [jobs, proofs] = [0, 0];
    for (const { checks } of line) {
      if (jobs > 0 && proofs + checks.length > BATCH_MAX) break;
      jobs++;
      proofs += checks.length;
    }
    waiting -= proofs;
    return line.splice(0, jobs);
  }

  async function runBatch(lane: Lane, jobs: readonly Job[]): Promise<void> {
    const batch = jobs.flatMap(({ checks }) => checks);
    onBatch(batch.length);
    try {
      const verdicts = await lane.run(batch);
      let next = 0;
      for (const { checks, resolve } of jobs) {
        resolve(verdicts.slice(next, next + checks.length));
        next += checks.length;
      }
    } catch (fault) {
      for (const { reject } of jobs) reject(fault);
    }
    idle.push(lane);
    dispatch();
  }

  function dispatch(): void {
    while (line.length > 0) {
      const lane = idle.pop();
      if (lane === undefined) return;
      void runBatch(lane, takeBatch());
    }
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      dispatch();
    });
  }

  return {
    async check(checks) {
      for (const { fact, signals } of checks) requireSignals(keys[fact], signals);
      if (checks.length === 0) return [];
      if (closed) throw new Error('the checker is closed');
      if (waiting + checks.length > waitingMax) throw new AkashiError('busy', { retryAfter: RETRY_SECONDS });
      return new Promise((resolve, reject) => {
        line.push({ checks, resolve, reject });
        waiting += checks.length;
        schedule();
      });
    },
    waiting: () => waiting,
    async close() {
      closed = true;
      for (const { reject } of line.splice(0)) reject(new Error('the checker is closed'));
      waiting = 0;
      await Promise.all(lanes.map((lane) => lane.close()));
    },
  };
}

/** A checker without threads of its own: for small deployments, and where threads cannot be had. */
export function inlineChecker(
  keys: VerificationKeys,
  random: Random,
  options: CheckerOptions = {},
): ProofChecker {
  const lane: Lane = {
    run: async (checks) =>
      verifyBatch(
        checks.map(({ fact, signals, points }) => ({ key: keys[fact], signals, points })),
        random,
      ),
    close: async () => {},
  };
  return createChecker(keys, [lane], options);
}
