import {
  AkashiError,
  type DeviceKey,
  encodeBase64url,
  type JwsKind,
  type KeyStatement,
  parseKeyStatement,
  signDpop,
  thumbprint,
  verifyJws,
  verifyKeyStatement,
} from '@akashi/circuits';
import { answerError, type Connection, type HttpAnswer, hasCode, twice } from './connection.ts';

// Calls signed by the device key, and what every answer to them carries: a nonce, the key statement, the verifier's
// time (docs/protocol.md, section 4).

/** Who calls, and whom it trusts. */
export interface DeviceIdentity {
  readonly key: DeviceKey;
  /** Thumbprint of the verifier's root key, from the enrolment link. */
  readonly root: string;
}

export interface DeviceCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: string;
  readonly body?: object;
  readonly etag?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly waitSeconds?: number | undefined;
  /** Whether it is sent again when no answer came: only where a second arrival changes nothing. */
  readonly repeatable: boolean;
}

export interface DeviceConnection {
  readonly origin: string;
  /**
   * A 2xx or 304 answer.
   * @throws AkashiError with the verifier's code; `key_statement_invalid` when another root, or none, vouches for it
   */
  send(identity: DeviceIdentity, call: DeviceCall): Promise<HttpAnswer>;
  /** UTC seconds by the verifier's `Date`, or `null` before it told. */
  knownTime(): number | null;
  /** The same. @throws AkashiError `unexpected_answer` before it told */
  verifierTime(): number;
  /**
   * The payload of a JWS signed by a key that the last key statement names and that is valid now.
   * @throws AkashiError `signature_invalid`
   */
  verify(kind: JwsKind, jws: string): Promise<unknown>;
}

export interface DeviceConnectionOptions {
  readonly connection: Connection;
  /** Milliseconds. Only differences count. */
  readonly now: () => number;
  readonly random: (length: number) => Uint8Array;
}

export function openDeviceConnection({ connection, now, random }: DeviceConnectionOptions): DeviceConnection {
  let nonce: string | undefined;
  let aheadSeconds: number | undefined;
  let trusted: { readonly jws: string; readonly root: string; readonly statement: KeyStatement } | undefined;

  const sendOnce = async ({ key }: DeviceIdentity, call: DeviceCall): Promise<HttpAnswer> => {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const dpop = await signDpop(
      {
        method: call.method,
        url: `${connection.origin}${call.path}`,
        body: new TextEncoder().encode(body ?? ''),
      },
      { jti: encodeBase64url(random(16)), nonce, iat: Math.max(0, Math.floor(now() / 1000)) },
      key,
    );
    const answer = await connection.send({
      method: call.method,
      path: call.query ? `${call.path}?${call.query}` : call.path,
      headers: { DPoP: dpop, ...(call.etag === undefined ? {} : { 'If-None-Match': call.etag }) },
      body,
      signal: call.signal,
      waitSeconds: call.waitSeconds,
    });
    nonce = answer.headers.get('DPoP-Nonce') ?? nonce;
    const date = Date.parse(answer.headers.get('Date') ?? '');
    if (!Number.isNaN(date)) aheadSeconds = (date - now()) / 1000;
    return answer;
  };

  /** Takes over the key statement of an answer, if it is the root's. */
  const trust = async ({ root }: DeviceIdentity, answer: HttpAnswer): Promise<void> => {
    const jws = answer.headers.get('Akashi-Keys');
    if (jws === null) {
      // A proxy's error page carries none, and nothing in it is believed.
      if (answer.status >= 400) return;
      throw new AkashiError('key_statement_invalid');
    }
    if (trusted?.jws === jws && trusted.root === root) return;
    trusted = { jws, root, statement: await checkStatement(jws, root, connection.origin) };
  };

  const knownTime = () => (aheadSeconds === undefined ? null : Math.floor(now() / 1000 + aheadSeconds));
  const verifierTime = () => {
    const time = knownTime();
    if (time === null) throw new AkashiError('unexpected_answer');
    return time;
  };

  return {
    origin: connection.origin,
    knownTime,
    verifierTime,
    async send(identity, call) {
      const attempt = () => sendOnce(identity, call);
      const deliver = () => (call.repeatable ? twice(attempt) : attempt());
      let answer = await deliver();
      await trust(identity, answer);
      if (answer.status === 401 && hasCode(answerError(answer), 'use_dpop_nonce')) {
        answer = await deliver();
        await trust(identity, answer);
      }
      if (answer.status !== 304 && (answer.status < 200 || answer.status > 299)) throw answerError(answer);
      return answer;
    },
    async verify(kind, jws) {
      const time = verifierTime();
      return verifyJws(kind, jws, (kid) => {
        const named = trusted?.statement.keys.find((entry) => entry.kid === kid);
        return named !== undefined && named.nbf <= time && time < named.exp ? named.jwk : undefined;
      });
    },
  };
}

async function checkStatement(jws: string, root: string, origin: string): Promise<KeyStatement> {
  try {
    const statement = parseKeyStatement(await verifyKeyStatement(jws, root));
    if (statement.iss !== origin) throw new AkashiError('key_statement_invalid');
    for (const { jwk, kid } of statement.keys) {
      if ((await thumbprint(jwk)) !== kid) throw new AkashiError('key_statement_invalid');
    }
    return statement;
  } catch (cause) {
    throw new AkashiError('key_statement_invalid', { cause });
  }
}
