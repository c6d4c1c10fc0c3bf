import { Worker } from 'node:worker_threads';

// From dist a thread is the compiled file. Inside the repository it needs the loader of TypeScript and the condition by
// which the packages resolve to their sources: a thread inherits neither from the test runner.
const FROM_SOURCE = import.meta.url.endsWith('.ts');

/** A thread that runs a program of this folder. */
export function startThread(
  program: 'checker-worker' | 'sqlite-writer-thread',
  workerData?: unknown,
): Worker {
  if (!FROM_SOURCE) return new Worker(new URL(`./${program}.js`, import.meta.url), { workerData });
  const source = new URL('./thread-source.mjs', import.meta.url);
  const execArgv = ['--conditions=akashi-source'];
  return new Worker(source, { execArgv, argv: [`./${program}.ts`], workerData });
}
