import { AkashiError, type WireProof } from '@akashi/circuits';
import * as v from 'valibot';
import type { ProveOptions, Prover } from './prover.ts';
import { type Job, newsShape } from './prover-message.ts';
import type { NamedInputs } from './proving.ts';
import { queue } from './queue.ts';
import { withinTime } from './time-limit.ts';

export interface WorkerProverOptions {
  /** The bundled `@akashi/sdk/prover-worker`. Default: `prover-worker.js` beside this module. */
  readonly workerUrl?: URL | string;
  /** Folder of the artifacts. Default: `artifacts/` beside the worker. */
  readonly artifactsUrl?: URL | string;
  /** The worker ends after this time without work, and its memory with it; default 60. */
  readonly idleSeconds?: number;
  /** For one proof, its artifacts included; default 120. */
  readonly timeoutSeconds?: number;
  /** How a worker is started: for other runtimes and tests. */
  readonly startWorker?: () => ProverWorker;
}

/** What is needed of a `Worker`. */
export type ProverWorker = Pick<
  Worker,
  'postMessage' | 'terminate' | 'onmessage' | 'onerror' | 'onmessageerror'
>;

/**
 * Proves in a module worker of its own, one proof after the other. Stopping a proof ends the worker, so that nothing
 * goes on computing.
 */
export function workerProver(options: WorkerProverOptions = {}): Prover {
  const { workerUrl, idleSeconds = 60, timeoutSeconds = 120 } = options;
  const artifactsUrl = options.artifactsUrl && new URL(options.artifactsUrl, globalThis.location?.href).href;
  const start = options.startWorker ?? (() => startWorker(workerUrl));
  const inTurn = queue();
  let worker: ProverWorker | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let giveUp: ((error: AkashiError) => void) | undefined;
  let count = 0;

  const end = () => {
    clearTimeout(idle);
    worker?.terminate();
    worker = undefined;
    giveUp?.(new AkashiError('aborted'));
  };

  const run = async (job: Omit<Job, 'id'>, { signal, onProgress }: ProveOptions): Promise<WireProof> => {
    clearTimeout(idle);
    const id = ++count;
    try {
      const proof = await withinTime({ seconds: timeoutSeconds, signal }, () => {
        worker ??= start();
        const { done, fail } = converse(worker, { id, ...job }, onProgress);
        giveUp = fail;
        return done;
      });
      idle = setTimeout(end, idleSeconds * 1000);
      return proof;
    } catch (error) {
      end();
      throw error;
    } finally {
      giveUp = undefined;
    }
  };

  return {
    prove(fact, inputs, proveOptions = {}) {
      const job = { fact, inputs: copyOf(inputs), ...(artifactsUrl ? { artifactsUrl } : {}) };
      return inTurn(() => run(job, proveOptions));
    },
    close: end,
  };
}

/** Gives the worker one job and listens until it is done with it. */
function converse(
  worker: ProverWorker,
  job: Job,
  onProgress: ProveOptions['onProgress'],
): { readonly done: Promise<WireProof>; readonly fail: (error: AkashiError) => void } {
  let fail: (error: AkashiError) => void = () => undefined;
  const done = new Promise<WireProof>((resolve, reject) => {
    fail = reject;
    // An error event is a script that did not load or run: our own faults come as messages.
    worker.onerror = () => reject(new AkashiError('artifact_unavailable'));
    worker.onmessageerror = () => reject(new AkashiError('proof_failed'));
    worker.onmessage = ({ data }: MessageEvent<unknown>) => {
      const news = v.safeParse(newsShape, data);
      if (!news.success) return reject(new AkashiError('proof_failed'));
      if (news.output.id !== job.id) return;
      if (news.output.kind === 'stage') onProgress?.(news.output.stage);
      else if (news.output.kind === 'proof') resolve(news.output.proof);
      else reject(new AkashiError(news.output.code));
    };
    worker.postMessage(job);
  });
  return { done, fail };
}

function copyOf(inputs: NamedInputs): Job['inputs'] {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, typeof value === 'bigint' ? value : [...value]]),
  );
}

function startWorker(url: URL | string | undefined): Worker {
  // Spelt out in place: bundlers look for exactly this expression.
  if (url === undefined)
    return new Worker(new URL('./prover-worker.js', import.meta.url), { type: 'module' });
  return new Worker(url, { type: 'module' });
}
