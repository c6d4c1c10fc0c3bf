import {
  AkashiError,
  base64url16,
  type Claim,
  claimBody,
  encodeBase64url,
  type Policy,
  parse,
  parseCode,
  policiesAnswer,
  type Session,
  type Start,
  sessionAnswer,
  startBody,
  type Verification,
  verificationShape,
  verificationsAnswer,
} from '@akashi/circuits';
import * as v from 'valibot';
import {
  checkAnswer,
  type HttpAnswer,
  type HttpCall,
  hasCode,
  openConnection,
  readAnswer,
  twice,
} from './connection.ts';
import { type Transport, watchVerification } from './watch.ts';

export type { Transport } from './watch.ts';

export interface AgentOptions {
  /** Public origin of the verifier. */
  readonly verifier: string;
  readonly fetch?: typeof fetch;
  /** For each call; default 20. */
  readonly timeoutSeconds?: number;
  /** Where the page keeps the session over a reload; without one it lives in memory only. */
  readonly store?: SessionStore;
}

export interface SessionStore {
  /** What was saved last, in whatever state: it is checked. */
  load(): unknown;
  save(session: Session | null): void;
}

export interface Call {
  readonly signal?: AbortSignal | undefined;
}

/** What an operator starts. `call` and `mode` are as the verifier's `startBody` has them. */
export interface StartOptions extends Call {
  /** Makes a repeated start one start; default: a new one for each call. */
  readonly idempotencyKey?: string;
}

export interface WatchCall extends Call {
  /** Default `stream`, which falls back to polls by itself. */
  readonly transport?: Transport;
}

/**
 * An operator's desk. Every method may throw AkashiError: `unauthorized` (the session is over), `network`, `timeout`,
 * `aborted`, or a code of the verifier.
 */
export interface Agent {
  /** `null` when signed out, or once the verifier said that the session is over. */
  readonly session: Session | null;
  /** @param linkOrToken a link with `#signin=<token>`, its fragment, or the token; `malformed` for anything else */
  signIn(linkOrToken: string, options?: Call): Promise<Session>;
  /** Forgets the session here even where the verifier cannot be told. */
  signOut(options?: Call): Promise<void>;
  policies(options?: Call): Promise<readonly Policy[]>;
  /**
   * `done` at once where a pass of the same call stands in for it (`reusedFrom`). Throws also `no_device`, `no_passkey`,
   * `policy_unknown`, `rate_limited`.
   */
  start(start: Start, options?: StartOptions): Promise<Verification>;
  verification(id: string, options?: Call): Promise<Verification>;
  /** This operator's open and recent ones. */
  verifications(options?: Call): Promise<readonly Verification[]>;
  /** Each state that differs from the one before, the present one first; ends when it is done. */
  watch(id: string, options?: WatchCall): AsyncIterable<Verification>;
  /** The verification once it is done. */
  wait(id: string, options?: WatchCall): Promise<Verification>;
  cancel(id: string, options?: Call): Promise<Verification>;
  /** Takes over a pre-call pass. Throws also `claim_refused`, `rate_limited`. */
  claim(claim: Claim, options?: Call): Promise<Verification>;
}

export function openAgent({ store, ...options }: AgentOptions): Agent {
  const connection = openConnection(options);
  let session: Session | null = restored(store);

  const setSession = (next: Session | null) => {
    session = next;
    store?.save(next);
  };
  const authorization = (): Readonly<Record<string, string>> => {
    if (session === null) throw new AkashiError('unauthorized');
    return { Authorization: `Bearer ${session.session}` };
  };
  /** Notices that a session is over, unless another one began meanwhile. */
  const watchingSession = async <T>(work: () => Promise<T>): Promise<T> => {
    const used = session;
    try {
      return await work();
    } catch (error) {
      if (hasCode(error, 'unauthorized') && session === used) setSession(null);
      throw error;
    }
  };
  const call = <S extends v.GenericSchema>(httpCall: HttpCall, shape: S): Promise<v.InferOutput<S>> =>
    watchingSession(async () => {
      const send = (): Promise<HttpAnswer> =>
        connection.send({ ...httpCall, headers: { ...httpCall.headers, ...authorization() } });
      // A start carries its key, a cancel changes nothing twice; only a claim counts its tries.
      return readAnswer(await (httpCall.path === '/v1/claims' ? send() : twice(send)), shape);
    });
  const pathOf = (id: string) => `/v1/verifications/${parse(base64url16, id)}`;

  async function* watch(id: string, { transport = 'stream', signal }: WatchCall = {}) {
    const states = watchVerification(connection, {
      path: pathOf(id),
      headers: authorization,
      transport,
      signal,
    });
    try {
      yield* states;
    } catch (error) {
      await watchingSession(() => Promise.reject(error));
    }
  }

  return {
    get session() {
      return session;
    },
    async signIn(linkOrToken, { signal } = {}) {
      const token = signInToken(linkOrToken);
      const answer = await connection.send({
        method: 'POST',
        path: '/v1/sessions',
        body: JSON.stringify({ token }),
        signal,
      });
      const next = readAnswer(answer, sessionAnswer);
      setSession(next);
      return next;
    },
    async signOut({ signal } = {}) {
      if (session === null) return;
      const headers = authorization();
      setSession(null);
      const answer = await connection.send({
        method: 'DELETE',
        path: '/v1/sessions/current',
        headers,
        signal,
      });
      if (answer.status !== 401) checkAnswer(answer);
    },
    async policies({ signal } = {}) {
      return (await call({ method: 'GET', path: '/v1/policies', signal }, policiesAnswer)).policies;
    },
    async start(start, { idempotencyKey = newKey(), signal } = {}) {
      const body = JSON.stringify(parse(startBody, start));
      const headers = { 'Idempotency-Key': idempotencyKey };
      return call({ method: 'POST', path: '/v1/verifications', headers, body, signal }, verificationShape);
    },
    async verification(id, { signal } = {}) {
      return call({ method: 'GET', path: pathOf(id), signal }, verificationShape);
    },
    async verifications({ signal } = {}) {
      return (await call({ method: 'GET', path: '/v1/verifications', signal }, verificationsAnswer))
        .verifications;
    },
    watch,
    async wait(id, options = {}) {
      for await (const state of watch(id, options)) if (state.state === 'done') return state;
      throw new AkashiError('unexpected_answer');
    },
    async cancel(id, { signal } = {}) {
      return call({ method: 'POST', path: `${pathOf(id)}/cancel`, signal }, verificationShape);
    },
    async claim(claim, { signal } = {}) {
      const body = JSON.stringify(parse(claimBody, { ...claim, code: parseCode(claim.code) }));
      return call({ method: 'POST', path: '/v1/claims', body, signal }, verificationShape);
    },
  };
}

/** @throws AkashiError `malformed` */
function signInToken(linkOrToken: string): string {
  const fragment = linkOrToken.slice(linkOrToken.indexOf('#') + 1);
  return parse(base64url16, fragment.replace(/^signin=/, ''));
}

function restored(store: SessionStore | undefined): Session | null {
  const saved = v.safeParse(sessionAnswer, store?.load());
  return saved.success ? saved.output : null;
}

function newKey(): string {
  return encodeBase64url(crypto.getRandomValues(new Uint8Array(16)));
}
