import { AkashiError } from '@akashi/circuits';
import type { Context } from 'hono';
import { base64url } from 'jose';
import type { Store } from './store.ts';
import { sha256 } from './token.ts';
import type { Verifier } from './verifier.ts';

// Waiting for a change (docs/protocol.md, section 8): long poll by ETag, or server-sent events. Both read, compare,
// and read again when the store says that something changed; what is sent is always what was read.

const MAX_WAIT_SECONDS = 30;
const HEARTBEAT_SECONDS = 15;
/** Readers that may wait at once; more are told to come back. */
const MAX_WAITING = 10_000;
const RETRY_SECONDS = 5;
/** Readers whose stream ends because the verifier closes come back within this, not all at once. */
const COME_BACK_MS = { least: 500, spread: 2000 };

/** Something to read that changes: what, and the topic under which the store tells of changes. */
export interface Source<T extends object> {
  readonly topic: string;
  /** Reads it for its caller; throws what the caller would be told if let in no more. */
  readonly read: () => Promise<T>;
}

/**
 * Answers with what is read and its ETag: at once when it is not the one of `If-None-Match`; else as soon as it
 * changes within `?wait` seconds; else 304.
 * @throws AkashiError `malformed` for a `wait` that is none, `busy` when too many wait
 */
export async function answerWhenChanged<T extends object>(
  verifier: Verifier,
  c: Context,
  source: Source<T>,
): Promise<Response> {
  const wait = parseWait(c.req.query('wait'));
  const known = c.req.header('if-none-match');
  const signal = goneSignal(verifier, c);
  let text = JSON.stringify(await source.read());
  if (wait > 0 && etagOf(text) === known) {
    await waiting(verifier, source.topic, async (watch) => {
      const deadline = performance.now() + wait * 1000;
      let outcome: Outcome = 'changed';
      // The first turn reads again: it may have changed before the watch began.
      while (outcome === 'changed' && etagOf(text) === known) {
        text = JSON.stringify(await source.read());
        if (etagOf(text) === known) outcome = await watch.next(deadline - performance.now(), signal);
      }
      // An expiry that came with the end of the waiting is told now rather than on the next call.
      if (outcome === 'time') text = JSON.stringify(await source.read());
    });
  }
  c.header('ETag', etagOf(text));
  if (etagOf(text) === known) return c.body(null, 304);
  c.header('Content-Type', 'application/json');
  return c.body(text);
}

/**
 * Streams what is read as events of this name: once at first, then after each change, until `isLast`. Ends also when
 * the client goes, or is let in no more.
 * @throws AkashiError `busy` when too many wait; what the first reading throws
 */
export async function answerWithEvents<T extends object>(
  verifier: Verifier,
  c: Context,
  source: Source<T>,
  event: { readonly name: string; readonly isLast: (value: T) => boolean },
): Promise<Response> {
  const gone = new AbortController();
  const events = eventsOf(verifier, source, event, AbortSignal.any([gone.signal, goneSignal(verifier, c)]));
  const encoder = new TextEncoder();
  // The first reading is done before the answer begins, so that a refusal is an answer and not an empty stream.
  let next: Promise<IteratorResult<string, void>> | undefined = Promise.resolve(await events.next());
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await (next ?? events.next()).catch(() => ({ done: true, value: undefined }));
      next = undefined;
      if (done || value === undefined) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      gone.abort();
      await events.return();
    },
  });
  c.header('Content-Type', 'text/event-stream');
  c.header('X-Accel-Buffering', 'no');
  return c.body(stream);
}

/** Fires when the client goes or the verifier closes. */
function goneSignal({ closing }: Verifier, c: Context): AbortSignal {
  return closing === undefined ? c.req.raw.signal : AbortSignal.any([c.req.raw.signal, closing]);
}

async function* eventsOf<T extends object>(
  verifier: Verifier,
  source: Source<T>,
  event: { readonly name: string; readonly isLast: (value: T) => boolean },
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const watch = startWatch(verifier, source.topic);
  try {
    let sent = '';
    for (let outcome: Outcome = 'changed'; outcome !== 'aborted'; ) {
      const value = await source.read();
      const text = JSON.stringify(value);
      if (text !== sent) yield `event: ${event.name}\ndata: ${text}\n\n`;
      // A comment line: keeps the connection open through proxies, and finds out that the client is gone.
      else if (outcome === 'time') yield ':\n\n';
      sent = text;
      if (event.isLast(value)) return;
      outcome = await watch.next(HEARTBEAT_SECONDS * 1000, signal);
    }
    const { least, spread } = COME_BACK_MS;
    if (verifier.closing?.aborted) yield `retry: ${least + Math.floor(Math.random() * spread)}\n\n`;
  } finally {
    watch.end();
  }
}

type Outcome = 'changed' | 'time' | 'aborted';

interface Watch {
  /** The next change, remembered since the last call, unless time or signal comes first. */
  next(ms: number, signal: AbortSignal): Promise<Outcome>;
  end(): void;
}

async function waiting(
  verifier: Verifier,
  topic: string,
  work: (watch: Watch) => Promise<void>,
): Promise<void> {
  const watch = startWatch(verifier, topic);
  // Who waits takes no place of those who are worked on.
  verifier.calls.count--;
  try {
    await work(watch);
  } finally {
    verifier.calls.count++;
    watch.end();
  }
}

function startWatch({ store, waiting: readers }: Verifier, topic: string): Watch {
  if (readers.count >= MAX_WAITING) throw new AkashiError('busy', { retryAfter: RETRY_SECONDS });
  readers.count++;
  const watch = watchTopic(store, topic);
  return {
    next: watch.next,
    end() {
      readers.count--;
      watch.end();
    },
  };
}

function watchTopic(store: Store, topic: string): Watch {
  let changed = false;
  let wake: ((outcome: Outcome) => void) | undefined;
  const end = store.subscribe(topic, () => {
    changed = true;
    wake?.('changed');
  });
  async function next(ms: number, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return 'aborted';
    const abort = () => wake?.('aborted');
    const outcome = changed
      ? 'changed'
      : await new Promise<Outcome>((resolve) => {
          const timer = setTimeout(() => resolve('time'), Math.max(0, ms));
          wake = (reason) => {
            clearTimeout(timer);
            resolve(reason);
          };
          signal.addEventListener('abort', abort, { once: true });
        });
    signal.removeEventListener('abort', abort);
    wake = undefined;
    if (outcome === 'changed') changed = false;
    return outcome;
  }
  return { next, end };
}

function parseWait(text: string | undefined): number {
  if (text === undefined) return 0;
  const wait = /^[1-9][0-9]?$/.test(text) ? Number(text) : Number.NaN;
  if (!(wait <= MAX_WAIT_SECONDS)) throw new AkashiError('malformed');
  return wait;
}

/** Opaque, and the same exactly as long as the answer is: it tells nothing that the answer does not. */
function etagOf(text: string): string {
  return `"${base64url.encode(sha256(text)).slice(0, 22)}"`;
}
