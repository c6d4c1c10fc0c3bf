import { setTimeout } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { AkashiError, type ErrorCode } from '@akashi/circuits';
import { AuditBroken, type AuditFault } from './audit.ts';
import type { SetVerdict } from './instruments.ts';
import { SqliteDatabase, type SqliteOptions } from './sqlite-database.ts';
import type { Store } from './store.ts';
import { storeOf } from './store-verbs.ts';
import { type OnVerdict, type WriteName, writesBy } from './store-writes.ts';
import { startThread } from './thread.ts';
import { Topics } from './topics.ts';

// A SQLite file that another thread writes to (sqlite-writer.ts, sqlite-writer-thread.ts). A commit waits for the disk, now and then for a tenth of a
// second while the log goes into the file, and all that time nothing else is done by the thread that waits. Reading waits for
// nobody, and stays here: SQLite shows a commit to other connections only after its sync, and an answer comes here only after
// that, so whoever was answered reads what was written.

export type WriterOrder =
  | {
      readonly kind: 'write';
      readonly id: number;
      readonly name: WriteName;
      readonly args: readonly unknown[];
    }
  | { readonly kind: 'ping'; readonly id: number }
  | { readonly kind: 'close' };

export type WriterMessage =
  | { readonly kind: 'topics'; readonly topics: readonly string[] }
  | { readonly kind: 'verdict'; readonly verdict: SetVerdict }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'fault'; readonly id: number; readonly fault: SentFault };

/** An error on its way between threads, where it would lose its class and its code. */
export type SentFault =
  | {
      readonly class: 'akashi';
      readonly code: ErrorCode;
      readonly retryAfter: number | undefined;
      /** What the log names. */
      readonly cause: SentFault | undefined;
    }
  | {
      readonly class: 'audit';
      readonly fault: AuditFault;
      readonly tenant: string | null;
      readonly at: number;
    }
  | { readonly class: 'other'; readonly message: string; readonly fields: Readonly<Record<string, unknown>> };

export function sentFault(fault: unknown): SentFault {
  if (fault instanceof AkashiError) {
    const { code, retryAfter, cause } = fault;
    return { class: 'akashi', code, retryAfter, cause: cause === undefined ? undefined : sentFault(cause) };
  }
  if (fault instanceof AuditBroken) {
    return { class: 'audit', fault: fault.fault, tenant: fault.tenant, at: fault.at };
  }
  if (!(fault instanceof Error)) return { class: 'other', message: typeof fault, fields: {} };
  const { name, message, stack } = fault;
  const code = 'code' in fault && typeof fault.code === 'string' ? { code: fault.code } : {};
  return { class: 'other', message, fields: { name, stack, ...code } };
}

function receivedFault(sent: SentFault): Error {
  if (sent.class === 'audit') return new AuditBroken(sent.fault, sent.tenant, sent.at);
  if (sent.class === 'other') return Object.assign(new Error(sent.message), sent.fields);
  const { code, retryAfter, cause } = sent;
  return new AkashiError(code, { retryAfter, cause: cause && receivedFault(cause) });
}

/**
 * The store on one SQLite file, as `openSqliteStore`, but for what waits for the disk. Open when its thread writes: health is
 * asked as soon as a verifier listens.
 * @throws Error as `openSqliteStore`; AkashiError `busy` when the thread ends
 */
export async function openSqliteThreadStore({
  file,
  random,
  onVerdict = () => {},
  start = (path) => startThread('sqlite-writer-thread', { file: path }),
}: SqliteOptions & {
  readonly onVerdict?: OnVerdict | undefined;
  readonly start?: (file: string) => WriterThread;
}): Promise<Store> {
  const reader = new SqliteDatabase({ file, random });
  const topics = new Topics();
  const writer = new SqliteWriter(() => start(file), { onVerdict, topics });
  try {
    await writer.ping();
  } catch (cause) {
    await reader.close();
    throw cause;
  }
  return storeOf(
    {
      gapless: reader.gapless,
      read: (scope, verb) => reader.read(scope, verb),
      subscribe: (topic, listener) => topics.subscribe(topic, listener),
      async ping() {
        await inTime(writer.ping());
        await reader.ping();
      },
      async close() {
        await writer.close();
        topics.clear();
        await reader.close();
      },
    },
    writesBy(
      (name) =>
        (...args: unknown[]) =>
          writer.write(name, args),
    ),
  );
}

/** What serves the orders: a worker thread. */
export type WriterThread = Pick<Worker, 'on' | 'once' | 'postMessage' | 'ref' | 'unref'>;

/** Milliseconds in which the disk is to answer whoever asks whether it does. */
const PING_MS = 2_000;
const RETRY_SECONDS = 2;

/** A disk that does not answer at all holds up its thread, and not who asks. @throws AkashiError `busy` */
async function inTime(answer: Promise<void>): Promise<void> {
  const late = new AbortController();
  const end = setTimeout(PING_MS, undefined, { signal: late.signal, ref: false }).then(() => {
    throw new AkashiError('busy', { retryAfter: RETRY_SECONDS });
  });
  end.catch(() => {});
  try {
    await Promise.race([answer, end]);
  } finally {
    late.abort();
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: unknown) => void;
}

/** Its thread keeps no process alive unless it is asked something. When it ends by itself, the next order starts another. */
class SqliteWriter {
  readonly #start: () => WriterThread;
  readonly #onVerdict: OnVerdict;
  readonly #topics: Topics;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #thread: WriterThread | undefined;
  #closed = false;

  constructor(
    start: () => WriterThread,
    { onVerdict, topics }: { readonly onVerdict: OnVerdict; readonly topics: Topics },
  ) {
    this.#start = start;
    this.#onVerdict = onVerdict;
    this.#topics = topics;
    this.#thread = this.#watched();
  }

  write(name: WriteName, args: readonly unknown[]): Promise<unknown> {
    return this.#ask((id) => ({ kind: 'write', id, name, args }));
  }

  async ping(): Promise<void> {
    await this.#ask((id) => ({ kind: 'ping', id }));
  }

  /** What was asked before is done and answered first. */
  async close(): Promise<void> {
    this.#closed = true;
    const thread = this.#thread;
    if (thread === undefined) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    thread.ref();
    thread.postMessage({ kind: 'close' } satisfies WriterOrder);
    await ended;
  }

  async #ask(order: (id: number) => WriterOrder): Promise<unknown> {
    // Another thread would hold the file, and nobody would end it.
    if (this.#closed) throw new TypeError('the store is closed');
    this.#thread ??= this.#watched();
    const thread = this.#thread;
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      thread.postMessage(order(id));
      this.#waiting.set(id, { resolve, reject });
      thread.ref();
    });
  }

  #watched(): WriterThread {
    const thread = this.#start();
    let fault: unknown;
    thread.on('message', (message: WriterMessage) => this.#receive(message));
    // `error` comes before `exit`; a thread that is ended from outside has only the latter.
    thread.on('error', (error) => {
      fault = error;
    });
    thread.on('exit', () => {
      if (this.#thread === thread) this.#thread = undefined;
      // What was on its way may be committed or not, as when a process ends.
      const lost = new Error('the writing thread ended', { cause: fault });
      for (const { reject } of this.#waiting.values())
        reject(new AkashiError('busy', { retryAfter: RETRY_SECONDS, cause: lost }));
      this.#waiting.clear();
    });
    // Last: a listener for messages holds the process again.
    thread.unref();
    return thread;
  }

  #receive(message: WriterMessage): void {
    if (message.kind === 'topics') for (const topic of message.topics) this.#topics.tell(topic);
    else if (message.kind === 'verdict') this.#onVerdict(message.verdict);
    else {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (this.#waiting.size === 0) this.#thread?.unref();
      if (message.kind === 'answer') waiting?.resolve(message.value);
      else waiting?.reject(receivedFault(message.fault));
    }
  }
}
