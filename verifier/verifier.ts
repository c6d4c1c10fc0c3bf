import { inlineChecker, type ProofChecker } from './checker.ts';
import { type Instruments, silentInstruments } from './instruments.ts';
import { type Issuers, openIssuers } from './issuers.ts';
import type { Keys } from './keys.ts';
import { Nonces } from './nonce.ts';
import { createQueue, type Queue } from './queue.ts';
import type { ReadDocument } from './remote-document.ts';
import type { Store } from './store.ts';
import type { Random } from './token.ts';
import type { VerificationKeys } from './verification-keys.ts';
import type { Watch } from './watch.ts';

/** Tells a subject's devices that a request waits: an opaque id for whoever can reach them, nothing to read. */
export interface Notice {
  readonly tenant: string;
  readonly subject: string;
  readonly verification: string;
}

/** A customer said "I am not on a call with you". */
export interface Alert {
  readonly kind: 'reported';
  readonly tenant: string;
  readonly subject: string;
  readonly verification: string;
}

/**
 * One line of the log. These are all the fields there are: no id of a subject, no code, token, path or body can
 * reach the log, because there is nowhere to put it.
 */
export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly method?: string;
  /** The pattern of the route, never the path. */
  readonly route?: string;
  readonly status?: number;
  readonly ms?: number;
  /** How many, where one line tells of several. */
  readonly calls?: number;
  /** Class of what was thrown, its code in capitals (of SQLite, PostgreSQL or the system), and where; never its message. */
  readonly fault?: string;
}

export interface VerifierOptions {
  readonly store: Store;
  /** UTC seconds. */
  readonly now: () => number;
  readonly random: Random;
  readonly keys: Keys;
  readonly verificationKeys: VerificationKeys;
  /** Checks proofs. Without one they are checked in this thread, which answers nobody meanwhile. */
  readonly checker?: ProofChecker;
  /** What issuers publish; without one, a verifier fetches for itself. */
  readonly issuers?: Issuers;
  /** The public origin: `iss` of what is signed, and the start of every `htu`. */
  readonly origin: string;
  /** May fail: the request waits at the verifier anyway. Must not block. */
  readonly notify: (notice: Notice) => Promise<void>;
  readonly alert: (alert: Alert) => Promise<void>;
  readonly log: (entry: LogEntry) => void;
  readonly instruments?: Instruments;
  /** Resolves when a call that was let in may go on (door.ts). */
  readonly arrivals?: () => Promise<void>;
  /** Fires before `closing`: this instance still answers, and says by its health that it wants no more calls. */
  readonly draining?: AbortSignal;
  /** Ends all waiting when it fires, and refuses new calls, so that a verifier can close without cutting anyone off. */
  readonly closing?: AbortSignal;
}

/** Everything that routes work with. */
export interface Verifier extends VerifierOptions {
  readonly checker: ProofChecker;
  readonly issuers: Issuers;
  readonly instruments: Instruments;
  readonly nonces: Nonces;
  /** Where presentations wait before their attempt is used up. */
  readonly queue: Queue;
  /** Readers that wait for a change. */
  readonly waiting: Set<Watch>;
  /** Calls that are worked on; one that waits for a change is not. */
  readonly calls: { count: number };
}

// As many run as fill a batch, so that proofs find company while a lane is busy; with two facts each, far fewer proofs
// than the checker lets wait, so that none is refused there after its attempt was used up. 64 waiting ones are about
// a quarter of a second of work.
const CHECKS_RUNNING = 32;
const CHECKS_WAITING = 64;

export function createVerifier(options: VerifierOptions): Verifier {
  if (new URL(options.origin).origin !== options.origin)
    throw new TypeError('origin is scheme, host and port');
  if (options.keys.issuer !== options.origin) throw new TypeError('the key statement is for another origin');
  const { instruments = silentInstruments, verificationKeys, random } = options;
  const checker = options.checker ?? inlineChecker(verificationKeys, random, { onBatch: instruments.batch });
  return {
    ...options,
    instruments,
    checker: {
      check: (checks) => instruments.phase('check', () => checker.check(checks)),
      waiting: () => checker.waiting(),
      close: () => checker.close(),
    },
    issuers: options.issuers ?? issuersFor(options),
    nonces: new Nonces(options),
    queue: measuredQueue(createQueue(CHECKS_RUNNING, CHECKS_WAITING), instruments),
    waiting: readersUntil(options.closing),
    calls: { count: 0 },
  };
}

function readersUntil(closing: AbortSignal | undefined): Set<Watch> {
  const readers = new Set<Watch>();
  closing?.addEventListener('abort', () => {
    for (const reader of readers) reader.wake('closing');
  });
  return readers;
}

/** The time until a place is free. */
function measuredQueue(queue: Queue, { phase }: Instruments): Queue {
  return {
    ...queue,
    run: (work) =>
      new Promise((resolve, reject) => {
        const entered = new Promise<void>((enter) => {
          queue
            .run(() => {
              enter();
              return work();
            })
            .then(resolve, reject)
            .finally(enter);
        });
        void phase('queue', () => entered);
      }),
  };
}

/** What a verifier needs to fetch what issuers publish. */
export interface IssuersSettings
  extends Pick<VerifierOptions, 'store' | 'now' | 'origin' | 'log' | 'closing'> {
  readonly privateOrigins?: readonly string[] | undefined;
  readonly read?: ReadDocument;
  /** See IssuersOptions. */
  readonly patience?: number;
}

/** A verifier on `http` is one in development: it may fetch from this machine. */
export function issuersFor(settings: IssuersSettings): Issuers {
  const { store, now, origin, log, closing, privateOrigins, read, patience } = settings;
  return openIssuers({
    ...{ store, now, closing, privateOrigins, read, patience },
    development: new URL(origin).protocol === 'http:',
    onFault: (fault) => log({ level: 'warn', event: 'issuer.unavailable', fault: faultOf(fault) }),
  });
}

/**
 * Runs a hook of the embedding program, whose failure must not change an answer. It is logged as a fault of its class.
 */
export function runHook(verifier: Verifier, event: string, hook: () => Promise<void>): void {
  Promise.resolve()
    .then(hook)
    .catch((error: unknown) => verifier.log({ level: 'warn', event, fault: faultOf(error) }));
}

/** What the log may say of something thrown: its class, its code and the first place in the stack, not its message. */
export function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = 'code' in error && /^[A-Z0-9_]{3,40}$/.test(String(error.code)) ? [error.code] : [];
  const place = error.stack?.split('\n').find((line) => /^\s+at /.test(line)) ?? '';
  return [error.name, ...code, place.trim()].filter(Boolean).join(' ');
}
