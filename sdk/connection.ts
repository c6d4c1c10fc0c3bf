import { AkashiError, parse, problemShape } from '@akashi/circuits';
import type { GenericSchema, InferOutput } from 'valibot';
import { withinTime } from './time-limit.ts';

// HTTP to the verifier, common to phone, desk and back end (docs/protocol.md, sections 8 and 9).

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the verifier's origin, with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON exactly as given. */
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Seconds the verifier may hold the answer back; comes on top of the time-out. */
  readonly waitSeconds?: number | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export interface Connection {
  /** The verifier's public origin. */
  readonly origin: string;
  /**
   * One call and its whole answer, whatever its status.
   * @throws AkashiError `network`, `timeout`, `aborted`
   */
  send(call: HttpCall): Promise<HttpAnswer>;
  /** One call whose answer goes on: only the time until its headers is limited. The caller's signal ends it. */
  stream(call: HttpCall): Promise<Response>;
}

export interface ConnectionOptions {
  readonly verifier: string;
  readonly fetch?: typeof fetch | undefined;
  readonly timeoutSeconds?: number | undefined;
}

export function openConnection({
  verifier,
  fetch: given,
  timeoutSeconds = 20,
}: ConnectionOptions): Connection {
  const origin = new URL(verifier).origin;
  if (!/^https?:\/\//.test(origin)) throw new TypeError('verifier is an http(s) origin');
  // Called as a plain function: browsers refuse `fetch` with another `this`.
  const fetchAnswer: typeof fetch = given ?? ((input, init) => globalThis.fetch(input, init));

  const open = async (call: HttpCall, signal: AbortSignal): Promise<Response> => {
    const { method, path, headers = {}, body } = call;
    return fetchAnswer(`${origin}${path}`, {
      method,
      headers: body === undefined ? headers : { ...headers, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body }),
      signal,
      // Credentials travel in headers only, an answer is for this moment only, and the verifier redirects nowhere.
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
    });
  };
  const limit = (call: HttpCall) => ({
    seconds: timeoutSeconds + (call.waitSeconds ?? 0),
    signal: call.signal,
  });

  return {
    origin,
    send: (call) =>
      withinTime(limit(call), async (signal) => {
        try {
          const response = await open(call, signal);
          return { status: response.status, headers: response.headers, body: await response.text() };
        } catch (cause) {
          throw new AkashiError('network', { cause });
        }
      }),
    stream: (call) =>
      withinTime(limit(call), async (signal) => {
        const controller = new AbortController();
        const end = () => controller.abort();
        signal.addEventListener('abort', end, { once: true });
        call.signal?.addEventListener('abort', end, { once: true });
        try {
          return await open(call, controller.signal);
        } catch (cause) {
          throw new AkashiError('network', { cause });
        }
      }),
  };
}

/** Runs a call that may safely happen twice once more when no answer came. */
export async function twice<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!hasCode(error, 'network')) throw error;
    return call();
  }
}

/**
 * The typed content of a good answer.
 * @throws AkashiError with the verifier's code, or `unexpected_answer`
 */
export function readAnswer<S extends GenericSchema>(answer: HttpAnswer, shape: S): InferOutput<S> {
  checkAnswer(answer);
  try {
    return parse(shape, JSON.parse(answer.body));
  } catch (cause) {
    throw new AkashiError('unexpected_answer', { cause, status: answer.status });
  }
}

/** @throws AkashiError for any status but 2xx */
export function checkAnswer(answer: HttpAnswer): void {
  if (answer.status < 200 || answer.status > 299) throw answerError(answer);
}

/** What an answer that is not 2xx says went wrong. */
export function answerError({ status, headers, body }: HttpAnswer): AkashiError {
  const wait = headers.get('Retry-After');
  const retryAfter = wait !== null && /^[0-9]{1,6}$/.test(wait) ? Number(wait) : undefined;
  try {
    return new AkashiError(parse(problemShape, JSON.parse(body)).code, { status, retryAfter });
  } catch (cause) {
    return new AkashiError('unexpected_answer', { cause, status, retryAfter });
  }
}

export function hasCode(error: unknown, ...codes: readonly AkashiError['code'][]): error is AkashiError {
  return error instanceof AkashiError && codes.includes(error.code);
}
