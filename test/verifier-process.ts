import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, cpSync, createWriteStream, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import {
  createDevelopmentKeys,
  openKeys,
  parseKeysDocument,
  type Service,
  startVerifier,
} from '@akashi/verifier';
import { build, type PluginBuild } from 'esbuild';
import { keepSpans, METRICS, writeTold } from './telling.ts';

// The verifier in a process of its own, which can be killed. This file is both sides: who starts it, and the process.

const TELL_MS = 250;

/** One line of JSON, the argument of the process. */
interface ProcessOptions {
  /** For database and log; searched after the run. */
  readonly folder: string;
  /** Another one for the database, on a disk that can be made to fail. */
  readonly databaseFolder?: string;
  /** Made on the first start. */
  readonly keysFile: string;
  /** 0 on the first start; the same again afterwards, since the origin holds it. */
  readonly port: number;
  /** By default the address that it listens at. */
  readonly origin?: string;
  /** A PostgreSQL database in the place of the file. */
  readonly databaseUrl?: string;
  /**
   * Pattern of a route: the process kills itself when a call of it was served and its answer has not left yet. The
   * log is the place: it is told of a call after everything was done, and before anything is written to the wire.
   */
  readonly dieBeforeAnswering?: string;
  /** Nobody asks for its metrics, or takes its spans, which then cost nothing: where its size is measured. */
  readonly unwatched?: boolean;
}

/** What the process takes, after its garbage is collected. */
export interface Usage {
  readonly rss: number;
  /** Heap, and what lies outside of it and belongs to it. */
  readonly heap: number;
  /** Milliseconds of processor time so far, all threads together. */
  readonly processorMs: number;
  /** Milliseconds: how late the event loop was since the last time this was asked. */
  readonly lateP99: number;
  readonly lateMax: number;
}

export interface VerifierProcess {
  readonly origin: string;
  readonly port: number;
  /** Where it listens, whatever its origin is. */
  readonly address: string;
  readonly file: string;
  readonly pid: number;
  /** Resolves when the process is gone, with the signal that ended it. */
  readonly ended: Promise<string | null>;
  alive(): boolean;
  usage(): Promise<Usage>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** @param program this file as {@link compileVerifierProcess} made it: starts as fast as what is published */
export async function startVerifierProcess(
  options: ProcessOptions,
  program?: string,
): Promise<VerifierProcess> {
  const source = fileURLToPath(import.meta.url);
  const loader = program === undefined ? ['--conditions=akashi-source', '--import', 'tsx'] : [];
  const execArgv = ['--expose-gc', ...loader];
  const child = fork(program ?? source, [JSON.stringify(options)], { execArgv, silent: true });
  keepOutput(child, join(options.folder, 'process.log'));
  const ended = once(child, 'exit').then(([, signal]: (string | null)[]) => signal ?? null);
  const message = await Promise.race([once(child, 'message'), ended]);
  if (!Array.isArray(message)) throw new Error(`the verifier did not start: see ${options.folder}`);
  const { origin, port } = message[0] as { origin: string; port: number };
  return {
    origin,
    port,
    address: `http://localhost:${port}`,
    file: databaseOf(options),
    pid: child.pid ?? 0,
    ended,
    alive: () => child.exitCode === null && child.signalCode === null,
    async usage() {
      child.send('usage');
      const [answer] = (await once(child, 'message')) as [Usage];
      return answer;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Compiles the process and its worker into a folder of this repository. @returns the program */
export async function compileVerifierProcess(folder: string): Promise<string> {
  const verifier = fileURLToPath(new URL('../verifier/', import.meta.url));
  await build({
    entryPoints: {
      'verifier-process': fileURLToPath(import.meta.url),
      'checker-worker': join(verifier, 'checker-worker.ts'),
      'sqlite-writer-thread': join(verifier, 'sqlite-writer-thread.ts'),
    },
    ...{ outdir: folder, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' },
    conditions: ['akashi-source'],
    // Packages of others are found from the folder, as they would be where ours are installed.
    plugins: [{ name: 'others', setup: leaveOthers }],
  });
  cpSync(join(verifier, 'migrations'), join(folder, 'migrations'), { recursive: true });
  return join(folder, 'verifier-process.js');
}

function leaveOthers({ onResolve }: PluginBuild): void {
  onResolve({ filter: /^[^./#]/ }, ({ path, kind }) =>
    kind === 'entry-point' || path.startsWith('@akashi/') ? undefined : { path, external: true },
  );
}

function keepOutput(child: ChildProcess, file: string): void {
  const output = createWriteStream(file, { flags: 'a' });
  child.stdout?.pipe(output, { end: false });
  child.stderr?.pipe(output, { end: false });
}

function databaseOf({ folder, databaseFolder = folder }: ProcessOptions): string {
  return join(databaseFolder, 'verifier.db');
}

async function run(options: ProcessOptions): Promise<void> {
  const { folder, keysFile, port, origin, databaseUrl, dieBeforeAnswering, unwatched } = options;
  if (!unwatched) keepSpans();
  const service = await startVerifier({
    ...(databaseUrl === undefined ? { file: databaseOf(options) } : { databaseUrl }),
    ...(origin === undefined ? {} : { origin }),
    port,
    hostname: 'localhost',
    metrics: METRICS,
    async keys(own) {
      if (!existsSync(keysFile)) {
        const now = Math.floor(Date.now() / 1000);
        const { keys } = await createDevelopmentKeys(own, now, randomBytes);
        writeFileSync(keysFile, JSON.stringify(keys), { mode: 0o600 });
      }
      return openKeys(parseKeysDocument(readFileSync(keysFile, 'utf8')));
    },
    log(entry) {
      appendFileSync(join(folder, 'verifier.log'), `${JSON.stringify(entry)}\n`);
      if (entry.route === dieBeforeAnswering && entry.status === 200) process.kill(process.pid, 'SIGKILL');
    },
  });
  if (!unwatched) keepTelling(folder, service);
  const late = monitorEventLoopDelay({ resolution: 5 });
  late.enable();
  process.on('message', () => {
    const delays = { lateP99: late.percentile(99) / 1e6, lateMax: late.max / 1e6 };
    gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    process.send?.({ rss, heap: heapUsed + external, processorMs: (user + system) / 1000, ...delays });
    late.reset();
  });
  // The tests' process is gone, so is this one.
  process.once('disconnect', () => process.exit());
  process.send?.({ origin: service.origin, port: service.port });
}

/** Time and again, because nobody says when this process is killed. */
function keepTelling(folder: string, service: Service): void {
  let telling = Promise.resolve();
  setInterval(() => {
    telling = telling.then(() => writeTold(folder, service)).catch(() => undefined);
  }, TELL_MS).unref();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(JSON.parse(process.argv[2] ?? ''));
