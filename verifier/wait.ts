import { AkashiError } from '@akashi/circuits';
import type { Context } from 'hono';
import { base64url } from 'jose';
import { sha256 } from './token.ts';
import type { Verifier } from './verifier.ts';
import { type Outcome, Watch } from './watch.ts';

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
  const now = await read(source);
  // Returned, not awaited: thousands of calls wait at once, and what each of them keeps counts.
  if (wait > 0 && now.etag === known) return answerOnceChanged(verifier, c, source, known, wait);
  return answerWith(c, now, known);
}

/** What is known already is not kept for as long as its reader waits. */
async function answerOnceChanged<T extends object>(
  verifier: Verifier,
  c: Context,
  source: Source<T>,
  known: string,
  wait: number,
): Promise<Response> {
  const deadline = performance.now() + wait * 1000;
  const watch = startWatch(verifier, c, source.topic);
  // Who waits takes no place of those who are worked on.
  verifier.calls.count--;
  try {
    // The first turn reads again: it may have changed before the watch began.
    for (let outcome: Outcome = 'changed'; ; outcome = await watch.next(deadline - performance.now())) {
      // An expiry that came with the end of the waiting is told now rather than on the next call.
      const isRead = outcome === 'changed' || outcome === 'time';
      const found = isRead ? await read(source) : { text: '', etag: known };
      if (outcome === 'changed' && found.etag === known) continue;
      c.header('Date', timeOf(verifier));
      return answerWith(c, found, known);
    }
  } finally {
    verifier.calls.count++;
    watch.end();
  }
}

interface Reading {
  readonly text: string;
  readonly etag: string;
}

async function read<T extends object>(source: Source<T>): Promise<Reading> {
  const text = JSON.stringify(await source.read());
  return { text, etag: etagOf(text) };
}

function answerWith(c: Context, { text, etag }: Reading, known: string | undefined): Response {
  c.header('ETag', etag);
  if (etag === known) return c.body(null, 304);
  c.header('Content-Type', 'application/json');
  return c.body(text);
}

/** The time of the verifier, which devices hold requests against: of the moment of the answer, not of the call. */
export function timeOf({ now }: Pick<Verifier, 'now'>): string {
  return new Date(now() * 1000).toUTCString();
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
  const watch = startWatch(verifier, c, source.topic);
  const events = eventsOf(verifier, watch, source, event);
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
      watch.wake('gone');
      await events.return();
    },
  });
  c.header('Content-Type', 'text/event-stream');
  c.header('X-Accel-Buffering', 'no');
  return c.body(stream);
}

async function* eventsOf<T extends object>(
  verifier: Verifier,
  watch: Watch,
  source: Source<T>,
  event: { readonly name: string; readonly isLast: (value: T) => boolean },
): AsyncGenerator<string, void> {
  try {
    let sent = '';
    for (let outcome: Outcome = 'changed'; outcome === 'changed' || outcome === 'time'; ) {
      const value = await source.read();
      const text = JSON.stringify(value);
      if (text !== sent) yield `event: ${event.name}\ndata: ${text}\n\n`;
      // A comment line: keeps the connection open through proxies, and finds out that the client is gone.
      else if (outcome === 'time') yield ':\n\n';
      sent = text;
      if (event.isLast(value)) return;
      outcome = await watch.next(HEARTBEAT_SECONDS * 1000);
    }
    const { least, spread } = COME_BACK_MS;
    if (verifier.closing?.aborted) yield `retry: ${least + Math.floor(Math.random() * spread)}\n\n`;
  } finally {
    watch.end();
  }
}

/** @throws AkashiError `busy` when too many wait */
function startWatch({ store, closing, waiting: readers }: Verifier, c: Context, topic: string): Watch {
  if (readers.size >= MAX_WAITING) throw new AkashiError('busy', { retryAfter: RETRY_SECONDS });
  const watch = new Watch(store, topic, readers);
  const { signal } = c.req.raw;
  if (signal.aborted) watch.wake('gone');
  if (closing?.aborted) watch.wake('closing');
  signal.addEventListener('abort', () => watch.wake('gone'));
  return watch;
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
