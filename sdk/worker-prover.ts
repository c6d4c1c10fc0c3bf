import { AkashiError } from '@akashi/circuits';
import { loadHolderActs, need } from './chunk.ts';
import type { Prover } from './prover.ts';

export interface WorkerProverOptions {
  /** The bundled `@akashi/sdk/prover-worker`. Default: `prover-worker.js` beside this module. */
  readonly workerUrl?: URL | string;
  /** Folder of the artifacts. Default: `artifacts/` beside the worker. */
  readonly artifactsUrl?: URL | string;
  /** The worker ends after this time without work, and its memory with it; default 60. */
  readonly idleSeconds?: number;
  /** For one proof or preparation, its artifacts included; default 120. */
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
 * Proves and prepares in a module worker of its own, one after the other. Stopping one ends the worker, so that nothing
 * goes on computing.
 */
export function workerProver(settings: WorkerProverOptions = {}): Prover {
  const start = settings.startWorker ?? (() => startWorker(settings.workerUrl));
  let prover: Prover | undefined;
  let closed = 0;
  const open = async (signal: AbortSignal | undefined): Promise<Prover> => {
    const before = closed;
    const { openProverConversation } = await need(loadHolderActs, signal);
    if (closed !== before) throw new AkashiError('aborted');
    prover ??= openProverConversation(settings, start);
    return prover;
  };
  return {
    prove: async (fact, inputs, options = {}) => (await open(options.signal)).prove(fact, inputs, options),
    prepare: async (fact, inputs, options = {}) =>
      (await open(options.signal)).prepare(fact, inputs, options),
    close() {
      closed += 1;
      prover?.close();
    },
  };
}

function startWorker(url: URL | string | undefined): Worker {
  // Spelt out in place: bundlers look for exactly this expression.
  if (url === undefined)
    return new Worker(new URL('./prover-worker.js', import.meta.url), { type: 'module' });
  return new Worker(url, { type: 'module' });
}
