import { AkashiError } from '@akashi/circuits';
import * as v from 'valibot';
import { encodeParts } from './preparation.ts';
import type { PrepareOptions, Prover } from './prover.ts';
import { type Job, newsShape, type ParsedNews } from './prover-message.ts';
import type { NamedInputs } from './proving.ts';
import { queue } from './queue.ts';
import { withinTime } from './time-limit.ts';
import type { ProverWorker, WorkerProverOptions } from './worker-prover.ts';

// The page's side of what page and prover worker say to each other.

/** One job after the other. Stopping one ends the worker, so that nothing goes on computing. */
export function openProverConversation(settings: WorkerProverOptions, start: () => ProverWorker): Prover {
  const { idleSeconds = 60, timeoutSeconds = 120 } = settings;
  const artifactsUrl =
    settings.artifactsUrl && new URL(settings.artifactsUrl, globalThis.location?.href).href;
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

  const run = async (job: Job, { signal, ...listener }: PrepareOptions): Promise<Result> => {
    clearTimeout(idle);
    try {
      const result = await withinTime({ seconds: timeoutSeconds, signal }, () => {
        worker ??= start();
        const { done, fail } = converse(worker, job, listener);
        giveUp = fail;
        return done;
      });
      idle = setTimeout(end, idleSeconds * 1000);
      return result;
    } catch (error) {
      end();
      throw error;
    } finally {
      giveUp = undefined;
    }
  };
  const folder = artifactsUrl ? { artifactsUrl } : {};

  return {
    async prove(fact, inputs, options = {}) {
      const job: Job = { kind: 'prove', id: ++count, fact, inputs: copyOf(inputs), ...folder };
      const result = await inTurn(() => run(job, options));
      if (result.kind !== 'proof') throw new AkashiError('proof_failed');
      return result.proof;
    },
    async prepare(fact, inputs, options = {}) {
      const done = encodeParts(options.done ?? {});
      const job: Job = { kind: 'prepare', id: ++count, fact, inputs: copyOf({ ...inputs }), done, ...folder };
      const result = await inTurn(() => run(job, options));
      if (result.kind !== 'preparation') throw new AkashiError('proof_failed');
      return result.preparation;
    },
    close: end,
  };
}

type Result = Extract<ParsedNews, { readonly kind: 'proof' | 'preparation' }>;

/** Gives the worker one job and listens until it is done with it. */
function converse(
  worker: ProverWorker,
  job: Job,
  { onProgress, onPart }: Pick<PrepareOptions, 'onProgress' | 'onPart'>,
): { readonly done: Promise<Result>; readonly fail: (error: AkashiError) => void } {
  let fail: (error: AkashiError) => void = () => undefined;
  const done = new Promise<Result>((resolve, reject) => {
    fail = reject;
    // An error event is a script that did not load or run: our own faults come as messages.
    worker.onerror = () => reject(new AkashiError('artifact_unavailable'));
    worker.onmessageerror = () => reject(new AkashiError('proof_failed'));
    worker.onmessage = ({ data }: MessageEvent<unknown>) => {
      const { success, output: news } = v.safeParse(newsShape, data);
      if (!success) return reject(new AkashiError('proof_failed'));
      if (news.id !== job.id) return;
      if (news.kind === 'stage') onProgress?.(news.stage);
      else if (news.kind === 'parts') onPart?.(news.parts);
      else if (news.kind === 'error') reject(new AkashiError(news.code));
      else resolve(news);
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
