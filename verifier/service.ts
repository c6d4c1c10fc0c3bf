import { randomBytes } from 'node:crypto';
import { Server } from 'node:http';
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { appOf } from './app.ts';
import { AuditBroken } from './audit.ts';
import { inlineChecker, type ProofChecker } from './checker.ts';
import { workerChecker } from './checker-lane.ts';
import { type CheckpointSink, createCheckpoints } from './checkpoint.ts';
import { Door } from './door.ts';
import { type Instruments, silentInstruments, type UpkeepFailure } from './instruments.ts';
import { type Keys, signingKey } from './keys.ts';
import { serveMetrics } from './management.ts';
import { createMetrics, type Levels } from './metrics.ts';
import { applyRetention } from './retention.ts';
import type { Store } from './store.ts';
import { openStore, type StoreLocation } from './stores.ts';
import type { Random } from './token.ts';
import { loadVerificationKeys, type VerificationKeys } from './verification-keys.ts';
import {
  createVerifier,
  faultOf,
  issuersFor,
  type LogEntry,
  type Verifier,
  type VerifierOptions,
} from './verifier.ts';

export type ServiceOptions = StoreLocation & {
  /** The keys, or what makes them once the origin is known. */
  readonly keys: Keys | ((origin: string) => Promise<Keys>);
  /** The public origin. By default `http://localhost:<port>`. */
  readonly origin?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly hostname?: string;
  /**
   * Threads that check proofs; by default one core is left to the one that answers. 0: that one does everything, writing to
   * a SQLite file included.
   */
  readonly proofWorkers?: number;
  /** Origins inside of this verifier's own network where tenants may publish; elsewhere only public addresses. */
  readonly privateOrigins?: readonly string[];
  /** Where Prometheus may ask: `GET /metrics`, not for the public; port 0: any free one. Without it nothing is measured. */
  readonly metrics?: { readonly port: number; readonly hostname: string };
  /** Where signed heads of the audit are kept; without one they are not made. */
  readonly checkpoints?: CheckpointSink | undefined;
  readonly log: (entry: LogEntry) => void;
  readonly notify?: VerifierOptions['notify'];
  readonly alert?: VerifierOptions['alert'];
  /** UTC seconds. */
  readonly clock?: () => number;
  readonly random?: Random;
};

/** A verifier that listens. */
export interface Service {
  readonly origin: string;
  readonly port: number;
  /** Where metrics are served, if they are. */
  readonly metricsPort: number | null;
  readonly store: Store;
  /**
   * Says by its health for so many seconds that no more calls shall come, answering those that do; then ends all waiting,
   * refuses new calls, and closes when those under way are done.
   */
  close(drainSeconds?: number): Promise<void>;
}

const UPKEEP_MS = 1000;
/** At least every minute, with one that failed in between. */
const CHECKPOINT_MS = 25_000;
const RETENTION_MS = 3_600_000;
/** A client that is slow to send is cut off; waiting for an answer, as long polls do, is not limited by these. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** Node looks every 30 seconds who is over these. */
const TIMEOUT_CHECK_MS = 1000;
/** A connection on which nothing moves: its client does not read. Streams say something every 15 seconds. */
const STILL_MS = 60_000;
/** How long a closing verifier waits for calls that are under way. */
const GRACE_MS = 5000;
const IDLE_CHECK_MS = 20;
const MAX_HEADER_BYTES = 16 * 1024;
/** Those that wait for a change (wait.ts), twice over. Beyond it connections are closed as they come. */
const MAX_CONNECTIONS = 20_000;
/** Connections that stand at the door, if the system lets them: whoever comes beyond waits a second to knock again. */
const BACKLOG = 4096;

/**
 * Opens the store, listens, and keeps house every second: ends what is over its time, links the audit, keeps at hand what
 * issuers publish.
 * @throws Error when the store, the keys or the port cannot be had
 */
export async function startVerifier(options: ServiceOptions): Promise<Service> {
  const { clock = systemClock, random = randomBytes, hostname = 'localhost', log } = options;
  const metrics = options.metrics === undefined ? undefined : createMetrics();
  const instruments = metrics?.instruments ?? silentInstruments;
  const store = await openStore(options, random, {
    onVerdict: instruments.verdict,
    threads: options.proofWorkers !== 0,
  });
  const ends: (() => Promise<unknown>)[] = [() => store.close()];
  const end = async () => {
    for (const last of ends.splice(0).reverse()) await last();
  };
  try {
    const verificationKeys = await loadVerificationKeys();
    // The origin, and with it the app, is known only after the port is.
    const [draining, closing] = [new AbortController(), new AbortController()];
    let app: Hono | undefined;
    const server = httpServer(
      (request, env) => app?.fetch(request, env) ?? new Response(null, { status: 503 }),
    );
    const door = new Door(server);
    const port = await listen(server, options.port, hostname);
    ends.push(() => stop(server));
    const checker = checkerOf(options, verificationKeys, random, instruments);
    ends.push(() => checker.close());
    const origin = options.origin ?? `http://localhost:${port}`;
    const { privateOrigins, notify = nothing, alert = nothing } = options;
    const keys = typeof options.keys === 'function' ? await options.keys(origin) : options.keys;
    signingKey(keys, clock());
    await requireEpoch(store, keys);
    const issuers = issuersFor({ store, now: clock, origin, log, privateOrigins, closing: closing.signal });
    const verifier = createVerifier({
      ...{ store, now: clock, random, keys, verificationKeys, origin, log, instruments, notify, alert },
      ...{ checker, issuers, draining: draining.signal, closing: closing.signal },
      arrivals: () => door.arrivals(),
    });
    door.keep(verifier);
    app = appOf(verifier);
    let metricsPort: number | null = null;
    if (metrics !== undefined && options.metrics !== undefined) {
      metrics.watch(levelsOf(verifier));
      const management = await serveMetrics(metrics, options.metrics.port, options.metrics.hostname);
      metricsPort = portOf(management);
      ends.push(() => stop(management));
    }
    ends.push(startUpkeep({ store, issuers, now: clock, log, instruments }));
    const retain = () => applyRetention(verifier, closing.signal);
    ends.push(startRounds(verifier, { failed: 'retention.failed', everyMs: RETENTION_MS, work: retain }));
    if (options.checkpoints !== undefined) {
      const { write } = createCheckpoints(verifier, options.checkpoints);
      const work = () => write(closing.signal);
      ends.push(startRounds(verifier, { failed: 'checkpoint.failed', everyMs: CHECKPOINT_MS, work }));
    }
    return {
      ...{ origin, port, metricsPort, store },
      async close(drainSeconds = 0) {
        draining.abort();
        await pause(drainSeconds * 1000);
        closing.abort();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** @throws Error when the database is a copy, or not the one that the keys are for */
async function requireEpoch(store: Store, keys: Keys): Promise<void> {
  const { epoch, copy } = await store.epoch();
  if (copy) throw new Error('this database is a copy: "akashi restore" puts it in force');
  if (epoch !== keys.epoch) {
    throw new Error(
      epoch < keys.epoch
        ? 'the database is older than its keys: "akashi restore" puts it in force'
        : 'the keys are older than their database: use those that "akashi restore" wrote',
    );
  }
}

function httpServer(fetch: (request: Request, env: object) => Response | Promise<Response>): Server {
  const server = createAdaptorServer({
    fetch,
    serverOptions: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
  });
  if (!(server instanceof Server)) throw new TypeError('not an HTTP/1.1 server');
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = STILL_MS;
  return server;
}

function levelsOf({ calls, waiting, queue, checker, keys }: Verifier): Levels {
  return {
    calls: () => calls.count,
    readers: () => waiting.size,
    presentations: () => queue.waiting(),
    proofs: () => checker.waiting(),
    signingKeyEnd: () => Math.max(...keys.signing.map(({ exp }) => exp)),
  };
}

function checkerOf(
  { proofWorkers = Math.max(1, availableParallelism() - 1) }: ServiceOptions,
  keys: VerificationKeys,
  random: Random,
  { batch: onBatch }: Instruments,
): ProofChecker {
  if (proofWorkers === 0) return inlineChecker(keys, random, { onBatch });
  return workerChecker(keys, proofWorkers, { onBatch });
}

export function systemClock(): number {
  return Math.floor(Date.now() / 1000);
}

async function nothing(): Promise<void> {}

function listen(server: Server, port: number, hostname: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: hostname, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve(portOf(server));
    });
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not listening on a port');
  return address.port;
}

/** Lets the calls that are under way end, within bounds: an attempt that was used up is to get its result. */
async function stop(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const grace = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(grace);
}

type Upkeep = Pick<Verifier, 'store' | 'issuers' | 'now' | 'log' | 'instruments'>;

/** Every second: ends what is over its time and links the audit, one round at a time; has what issuers publish fetched. */
function startUpkeep(upkeep: Upkeep): () => Promise<void> {
  let round: Promise<void> = Promise.resolve();
  let idle = true;
  const timer = setInterval(() => {
    upkeep.issuers.refresh();
    if (!idle) return;
    idle = false;
    round = keepHouse(upkeep).finally(() => {
      idle = true;
    });
  }, UPKEEP_MS);
  return async () => {
    clearInterval(timer);
    await round;
  };
}

/** A broken audit chain must be seen but must not keep verifications from ending: each part fails by itself. */
async function keepHouse(upkeep: Upkeep): Promise<void> {
  const { store, now } = upkeep;
  await keep(upkeep, 'sweep.failed', () => store.sweep(now(), 'leave'));
  await keep(upkeep, 'audit.failed', () => store.linkAudit('leave'));
}

async function keep(
  { log, instruments }: Pick<Upkeep, 'log' | 'instruments'>,
  name: UpkeepFailure,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const event = error instanceof AuditBroken ? 'audit.broken' : name;
    log({ level: 'error', event, fault: faultOf(error) });
    instruments.upkeepFailed(event);
  }
}

/** At once and then every so often, one round at a time and apart from the rest, which a slow round does not hold up. */
function startRounds(verifier: Verifier, { failed, everyMs, work }: Rounds): () => Promise<void> {
  let round: Promise<void> | undefined;
  const begin = () => {
    round ??= keep(verifier, failed, work).finally(() => {
      round = undefined;
    });
  };
  begin();
  const timer = setInterval(begin, everyMs);
  return async () => {
    clearInterval(timer);
    await round;
  };
}

interface Rounds {
  /** Event of a round that failed. */
  readonly failed: UpkeepFailure;
  readonly everyMs: number;
  readonly work: () => Promise<unknown>;
}
