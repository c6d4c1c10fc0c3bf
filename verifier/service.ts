import { randomBytes } from 'node:crypto';
import { Server } from 'node:http';
import { availableParallelism } from 'node:os';
import { createAdaptorServer } from '@hono/node-server';
import { createApp } from './app.ts';
import { AuditBroken } from './audit.ts';
import { inlineChecker, type ProofChecker } from './checker.ts';
import { workerChecker } from './checker-lane.ts';
import type { Issuers } from './issuers.ts';
import { type Keys, signingKey } from './keys.ts';
import type { Store } from './store.ts';
import { openStore, type StoreLocation } from './stores.ts';
import type { Random } from './token.ts';
import { loadVerificationKeys, type VerificationKeys } from './verification-keys.ts';
import { faultOf, issuersFor, type LogEntry, type VerifierOptions } from './verifier.ts';

export type ServiceOptions = StoreLocation & {
  /** The keys, or what makes them once the origin is known. */
  readonly keys: Keys | ((origin: string) => Promise<Keys>);
  /** The public origin. By default `http://localhost:<port>`. */
  readonly origin?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly hostname?: string;
  /** Threads that check proofs; 0: none but the one that answers. By default one core is left to that one. */
  readonly proofWorkers?: number;
  /** Origins inside of this verifier's own network where tenants may publish; elsewhere only public addresses. */
  readonly privateOrigins?: readonly string[];
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
  readonly store: Store;
  close(): Promise<void>;
}

const UPKEEP_MS = 1000;
/** A client that is slow to send is cut off; waiting for an answer, as long polls do, is not limited by these. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** How long a closing verifier waits for calls that are under way. */
const GRACE_MS = 5000;
const IDLE_CHECK_MS = 20;
const MAX_HEADER_BYTES = 16 * 1024;

/**
 * Opens the store, listens, and keeps house every second: ends what is over its time, links the audit, keeps at hand what
 * issuers publish.
 * @throws Error when the store, the keys or the port cannot be had
 */
export async function startVerifier(options: ServiceOptions): Promise<Service> {
  const { clock = systemClock, random = randomBytes, hostname = 'localhost', log } = options;
  const store = await openStore(options, random);
  try {
    const verificationKeys = await loadVerificationKeys();
    // The origin, and with it the app, is known only after the port is.
    const closing = new AbortController();
    let app: ReturnType<typeof createApp> | undefined;
    const server = createAdaptorServer({
      fetch: (request, env) => app?.fetch(request, env) ?? new Response(null, { status: 503 }),
      serverOptions: {
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
      },
    });
    if (!(server instanceof Server)) throw new TypeError('not an HTTP/1.1 server');
    const port = await listen(server, options.port, hostname);
    const checker = checkerOf(options, verificationKeys, random);
    const origin = options.origin ?? `http://localhost:${port}`;
    const { privateOrigins } = options;
    const issuers = issuersFor({ store, now: clock, origin, log, privateOrigins, closing: closing.signal });
    try {
      const keys = typeof options.keys === 'function' ? await options.keys(origin) : options.keys;
      signingKey(keys, clock());
      const hooks = { notify: options.notify ?? nothing, alert: options.alert ?? nothing };
      app = createApp({
        ...{ store, now: clock, random, keys, verificationKeys, origin, log },
        checker,
        issuers,
        ...hooks,
        closing: closing.signal,
      });
    } catch (error) {
      await stop(server);
      await checker.close();
      throw error;
    }
    const endUpkeep = startUpkeep(store, issuers, clock, log);
    return {
      origin,
      port,
      store,
      async close() {
        closing.abort();
        await endUpkeep();
        await stop(server);
        await checker.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

function checkerOf(
  { proofWorkers = Math.max(1, availableParallelism() - 1) }: ServiceOptions,
  keys: VerificationKeys,
  random: Random,
): ProofChecker {
  return proofWorkers === 0 ? inlineChecker(keys, random) : workerChecker(keys, proofWorkers);
}

export function systemClock(): number {
  return Math.floor(Date.now() / 1000);
}

async function nothing(): Promise<void> {}

function listen(server: Server, port: number, hostname: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, hostname, () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new TypeError('not listening on a port'));
      else resolve(address.port);
    });
  });
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

/** Every second: ends what is over its time and links the audit, one round at a time; has what issuers publish fetched. */
function startUpkeep(
  store: Store,
  issuers: Issuers,
  clock: () => number,
  log: (entry: LogEntry) => void,
): () => Promise<void> {
  let round: Promise<void> = Promise.resolve();
  let idle = true;
  const timer = setInterval(() => {
    issuers.refresh();
    if (!idle) return;
    idle = false;
    round = keepHouse(store, clock, log).finally(() => {
      idle = true;
    });
  }, UPKEEP_MS);
  return async () => {
    clearInterval(timer);
    await round;
  };
}

/** A broken audit chain must be seen but must not keep verifications from ending: each part fails by itself. */
async function keepHouse(store: Store, clock: () => number, log: (entry: LogEntry) => void): Promise<void> {
  const parts = [
    { event: 'sweep.failed', work: () => store.sweep(clock()) },
    { event: 'audit.failed', work: () => store.linkAudit() },
  ];
  for (const { event, work } of parts) {
    try {
      await work();
    } catch (error) {
      const broken = error instanceof AuditBroken;
      log({ level: 'error', event: broken ? 'audit.broken' : event, fault: faultOf(error) });
    }
  }
}
