import {
  AkashiError,
  type Attempt,
  type PendingRequest,
  pendingRequest,
  requestsAnswer,
} from '@akashi/circuits';
import { loadRequestActs, need } from './chunk.ts';
import { hasCode, readAnswer } from './connection.ts';
import type { DeviceConnection } from './device-connection.ts';
import type { Identity } from './holder-record.ts';
import type { CheckedRequest, OpenRequest } from './request.ts';
import type { DeviceStorage } from './storage.ts';

// The requests of this device at the verifier: asked for, checked, answered (docs/protocol.md, sections 6 to 8).

export interface RequestDesk {
  /** All open ones, and pre-call passes not yet claimed. */
  list(identity: Identity, options: Wait): Promise<readonly PendingRequest[]>;
  get(identity: Identity, id: string, signal: AbortSignal | undefined): Promise<PendingRequest>;
  post(identity: Identity, id: string, verb: Verb, options: PostOptions): Promise<PendingRequest>;
  /** Checks an answer, and writes to the history what is new. */
  check(identity: Identity, answer: PendingRequest): Promise<CheckedAnswer>;
}

export type Verb = 'accept' | 'later' | 'decline' | 'report' | 'presentation';

export interface Wait {
  /** Seconds, 1 to 30. */
  readonly wait?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PostOptions {
  readonly body?: object;
  readonly repeatable: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface CheckedAnswer {
  readonly shown: CheckedRequest;
  readonly open: OpenRequest | null;
  readonly attempt: Attempt | null;
}

export function openRequestDesk(connection: DeviceConnection, storage: DeviceStorage): RequestDesk {
  let last:
    | { readonly device: string; readonly etag: string; readonly requests: readonly PendingRequest[] }
    | undefined;

  const path = (id: string) => `/v1/requests/${encodeURIComponent(id)}`;
  const get: RequestDesk['get'] = async (identity, id, signal) => {
    const answer = await connection.send(identity, {
      method: 'GET',
      path: path(id),
      repeatable: true,
      signal,
    });
    return readAnswer(answer, pendingRequest);
  };

  return {
    async list(identity, { wait, signal }) {
      const { device } = identity.record;
      const known = last?.device === device ? last : undefined;
      const answer = await connection.send(identity, {
        method: 'GET',
        path: '/v1/requests',
        ...(wait === undefined ? {} : { query: `wait=${wait}` }),
        etag: wait === undefined ? undefined : known?.etag,
        waitSeconds: wait,
        repeatable: true,
        signal,
      });
      if (answer.status === 304 && known) return known.requests;
      const { requests } = readAnswer(answer, requestsAnswer);
      const etag = answer.headers.get('ETag');
      last = etag === null ? undefined : { device, etag, requests };
      return requests;
    },
    get,
    async post(identity, id, verb, { body, repeatable, signal }) {
      const call = { method: 'POST', path: `${path(id)}/${verb}`, repeatable, signal } as const;
      try {
        const answer = await connection.send(identity, body === undefined ? call : { ...call, body });
        return readAnswer(answer, pendingRequest);
      } catch (error) {
        // A verdict stands, perhaps by an answer of ours that was lost: the state says which.
        if (!hasCode(error, 'verification_over')) throw error;
        return get(identity, id, signal);
      }
    },
    async check(identity, answer) {
      const { checkedRequest, openRequest, recordHistory, remember } = await need(loadRequestActs);
      const { verification, request: jws, attempt = null } = answer;
      if (jws === undefined && answer.state !== 'done') throw new AkashiError('unexpected_answer');
      const open =
        jws === undefined ? null : await openRequest(connection, storage, identity, { verification, jws });
      const remembered = open ? null : await remember(storage, verification);
      const now = connection.verifierTime();
      const shown = checkedRequest(answer, open, remembered, now);
      try {
        await recordHistory(storage, identity, [shown], now);
      } catch (error) {
        // A full disk must not stand in the way of a verification.
        if (!hasCode(error, 'storage_unavailable')) throw error;
      }
      return { shown, open, attempt };
    },
  };
}
