import { AkashiError, parse, type Verification, verificationShape } from '@akashi/circuits';
import { answerError, type Connection, hasCode, readAnswer } from './connection.ts';
import { readEvents } from './event-stream.ts';
import { pause, withinTime } from './time-limit.ts';

// Follows one verification as it changes (docs/protocol.md, section 8, Waiting): by a stream, or by long polls where something
// on the way holds streams back.

export type Transport = 'stream' | 'poll';

export interface WatchOptions {
  readonly path: string;
  /** Beside those that the connection sends. */
  readonly headers?: () => Readonly<Record<string, string>>;
  readonly transport: Transport;
  readonly signal?: AbortSignal | undefined;
}

/** A stream without a sign of life for this long is taken for dead. */
const SILENCE_SECONDS = 40;
const POLL_SECONDS = 25;
/** Silent or broken streams in a row after which long polls take over. */
const STREAM_FAILURES_MAX = 2;
/** Failures in a row after which the watch gives up: a bit more than a minute. */
const FAILURES_MAX = 12;

/**
 * Each state that differs from the one before, the present one first; ends when it is done.
 * @throws AkashiError of the verifier, `aborted`, `network` after a minute without an answer
 */
export async function* watchVerification(
  connection: Connection,
  options: WatchOptions,
): AsyncGenerator<Verification, void, undefined> {
  let { transport } = options;
  let failures = 0;
  let last = '';
  for (;;) {
    try {
      const states = transport === 'stream' ? streamed(connection, options) : polled(connection, options);
      for await (const state of states) {
        failures = 0;
        const text = JSON.stringify(state);
        if (text !== last) yield state;
        last = text;
        if (state.state === 'done') return;
      }
      throw new AkashiError('network'); // ended before it was done
    } catch (error) {
      if (options.signal?.aborted) throw new AkashiError('aborted', { cause: error });
      if (!mayPass(error)) throw error;
      failures += 1;
      if (failures >= FAILURES_MAX) throw error;
      if (failures >= STREAM_FAILURES_MAX) transport = 'poll';
      await pause(delay(failures, error), options.signal);
    }
  }
}

function mayPass(error: unknown): boolean {
  return hasCode(error, 'network', 'timeout', 'unexpected_answer', 'busy', 'rate_limited', 'internal');
}

function delay(failures: number, error: unknown): number {
  const asked = error instanceof AkashiError ? (error.retryAfter ?? 0) : 0;
  return Math.max(Math.min(250 * 2 ** failures, 8000), Math.min(asked, 60) * 1000);
}

async function* streamed(connection: Connection, options: WatchOptions): AsyncGenerator<Verification> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  options.signal?.addEventListener('abort', stop, { once: true });
  let events: ReturnType<typeof readEvents> | undefined;
  try {
    const response = await connection.stream({
      method: 'GET',
      path: options.path,
      headers: { ...options.headers?.(), Accept: 'text/event-stream' },
      signal: controller.signal,
    });
    const isStream = response.headers.get('Content-Type')?.startsWith('text/event-stream');
    if (!response.ok || !isStream || response.body === null) {
      throw answerError({ status: response.status, headers: response.headers, body: await response.text() });
    }
    const reading = readEvents(response.body);
    events = reading;
    const limit = { seconds: SILENCE_SECONDS, signal: options.signal };
    for (;;) {
      const { done, value } = await withinTime(limit, () => reading.next());
      if (done) return;
      if (value?.event === 'verification') yield parse(verificationShape, JSON.parse(value.data));
    }
  } catch (cause) {
    throw cause instanceof AkashiError && cause.code !== 'malformed'
      ? cause
      : new AkashiError('network', { cause });
  } finally {
    options.signal?.removeEventListener('abort', stop);
    controller.abort();
    // Not awaited: a read that hangs would keep it waiting.
    void events?.return(undefined);
  }
}

async function* polled(connection: Connection, options: WatchOptions): AsyncGenerator<Verification> {
  let etag: string | null = null;
  for (;;) {
    const answer = await connection.send({
      method: 'GET',
      path: etag === null ? options.path : `${options.path}?wait=${POLL_SECONDS}`,
      headers: { ...options.headers?.(), ...(etag === null ? {} : { 'If-None-Match': etag }) },
      waitSeconds: POLL_SECONDS,
      signal: options.signal,
    });
    if (answer.status === 304) continue;
    const state = readAnswer(answer, verificationShape);
    etag = answer.headers.get('ETag');
    yield state;
    // Without an ETag there is nothing to wait on: ask again, slowly.
    if (etag === null) await pause(2000, options.signal);
  }
}
