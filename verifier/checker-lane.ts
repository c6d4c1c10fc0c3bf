import type { Worker } from 'node:worker_threads';
import { parse } from '@akashi/circuits';
import * as v from 'valibot';
import {
  type CheckerOptions,
  createChecker,
  type FactCheck,
  type Lane,
  type ProofChecker,
} from './checker.ts';
import { startThread } from './thread.ts';
import type { VerificationKeys } from './verification-keys.ts';

// A lane that is a worker thread (checker-worker.ts). The thread keeps no process alive unless it has a batch. Whatever
// goes wrong in it ends it: its batch is refused, and the next one finds a new thread.

/** A checker on worker threads, which start at once and load the shipped keys. @param workers at least 1 */
export function workerChecker(
  keys: VerificationKeys,
  workers: number,
  options: CheckerOptions = {},
): ProofChecker {
  if (!Number.isSafeInteger(workers) || workers < 1) throw new TypeError('at least one worker');
  return createChecker(keys, Array.from({ length: workers }, createWorkerLane), options);
}

interface Batch {
  readonly size: number;
  readonly resolve: (verdicts: readonly boolean[]) => void;
  readonly reject: (reason: Error) => void;
}

export function createWorkerLane(): Lane {
  let batch: Batch | undefined;
  let worker: Worker | undefined = start();

  function start(): Worker {
    const started = startThread('checker-worker');
    let fault: unknown;
    started.on('message', (message: unknown) => {
      const answered = batch;
      batch = undefined;
      started.unref();
      try {
        answered?.resolve(parse(v.pipe(v.array(v.boolean()), v.length(answered.size)), message));
      } catch (cause) {
        answered?.reject(new Error('a checking thread gave no verdicts', { cause }));
      }
    });
    // `error` comes before `exit`; a thread that is ended from outside has only the latter.
    started.on('error', (error) => {
      fault = error;
    });
    started.on('exit', () => {
      if (worker === started) worker = undefined;
      batch?.reject(new Error('a checking thread ended', { cause: fault }));
      batch = undefined;
    });
    // Last: a listener for messages holds the process again, also for a thread that never gets a batch.
    started.unref();
    return started;
  }

  return {
    run(checks: readonly FactCheck[]) {
      if (batch !== undefined) throw new TypeError('a lane takes one batch at a time');
      worker ??= start();
      const thread = worker;
      return new Promise((resolve, reject) => {
        batch = { size: checks.length, resolve, reject };
        thread.ref();
        thread.postMessage(checks);
      });
    },
    async close() {
      await worker?.terminate();
    },
  };
}
