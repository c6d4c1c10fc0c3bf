import { parse } from '@akashi/circuits';
import type { GenericSchema, InferOutput } from 'valibot';
import { type Connection, type HttpCall, readAnswer, twice } from './connection.ts';

// Calls of a tenant's back end: by its API key (docs/protocol.md, section 8).

export interface Call {
  readonly signal?: AbortSignal | undefined;
}

export interface BackendConnection extends Connection {
  /** {@link Connection.send} and what it is answered with, for calls that a second arrival does not change: sent once more when no answer came. */
  ask<S extends GenericSchema>(call: HttpCall, shape: S): Promise<InferOutput<S>>;
}

export function openBackendConnection(connection: Connection, apiKey: string): BackendConnection {
  const authorized = (call: HttpCall): HttpCall => ({
    ...call,
    headers: { ...call.headers, Authorization: `Bearer ${apiKey}` },
  });
  const send = (call: HttpCall) => connection.send(authorized(call));
  return {
    origin: connection.origin,
    send,
    stream: (call) => connection.stream(authorized(call)),
    ask: async (call, shape) => readAnswer(await twice(() => send(call)), shape),
  };
}

/** A POST of a body that has this shape. @throws AkashiError `malformed` */
export function post(path: string, shape: GenericSchema, body: unknown) {
  return { method: 'POST', path, body: JSON.stringify(parse(shape, body)) } as const;
}
