import { AkashiError } from '@akashi/circuits';
import type { Context } from 'hono';
import { receiveBody } from './input.ts';
import { requireOrigin } from './origin.ts';
import type { Actor, Operator, Tenant } from './records.ts';
import { API_KEY_PREFIX, tokenHash } from './token.ts';
import type { Verifier } from './verifier.ts';

// Who carries a bearer token: a tenant's back end by its API key, or an operator by a session.

/** Seconds without an action of the operator after which a session ends, and its whole life. */
export const SESSION_IDLE_SECONDS = 15 * 60;
export const SESSION_SECONDS = 12 * 3600;

export type Caller = {
  readonly tenant: Tenant;
  readonly body: Uint8Array;
  readonly actor: Actor;
} & (
  | { readonly kind: 'backend'; readonly operator: null }
  | { readonly kind: 'operator'; readonly operator: Operator; readonly sessionHash: Uint8Array }
);

/** Whether a call is an action of the operator, which prolongs the session, or a reading one, which does not. */
export type CallKind = 'action' | 'reading';

/**
 * The caller of a bearer route, and the body.
 * @throws AkashiError `too_large`, `busy`, `unauthorized`, `origin_refused`
 */
export async function authenticate(verifier: Verifier, c: Context, kind: CallKind): Promise<Caller> {
  const body = await receiveBody(verifier, c);
  const token = /^Bearer ([A-Za-z0-9_-]{1,64})$/.exec(c.req.header('authorization') ?? '')?.[1];
  if (token === undefined) throw new AkashiError('unauthorized');
  const caller = token.startsWith(API_KEY_PREFIX)
    ? await backendOf(verifier, token, body)
    : await operatorOf(verifier, token, body, kind);
  requireOrigin(c, caller.tenant);
  return caller;
}

/** @throws AkashiError `forbidden` to operators, and what {@link authenticate} throws */
export async function authenticateBackend(verifier: Verifier, c: Context): Promise<Caller> {
  const caller = await authenticate(verifier, c, 'reading');
  if (caller.kind !== 'backend') throw new AkashiError('forbidden');
  return caller;
}

/** @throws AkashiError `forbidden` to back ends, and what {@link authenticate} throws */
export async function authenticateOperator(
  verifier: Verifier,
  c: Context,
  kind: CallKind,
): Promise<Extract<Caller, { kind: 'operator' }>> {
  const caller = await authenticate(verifier, c, kind);
  if (caller.kind !== 'operator') throw new AkashiError('forbidden');
  return caller;
}

/** Whether the caller, waiting since, would still be let in. */
export async function isStillAuthentic(verifier: Verifier, caller: Caller): Promise<boolean> {
  if (caller.kind === 'backend') return true;
  return verifier.store.isSessionLive(caller.sessionHash, verifier.now());
}

async function backendOf(verifier: Verifier, token: string, body: Uint8Array): Promise<Caller> {
  const tenant = await verifier.store.tenantByApiKey(tokenHash(token));
  if (tenant === undefined) throw new AkashiError('unauthorized');
  return { kind: 'backend', tenant, operator: null, actor: { kind: 'backend' }, body };
}

async function operatorOf(
  { store, now }: Verifier,
  token: string,
  body: Uint8Array,
  kind: CallKind,
): Promise<Caller> {
  const sessionHash = tokenHash(token);
  const found = await store.session(sessionHash, kind === 'action', now());
  if (found === undefined) throw new AkashiError('unauthorized');
  const { operator, tenant } = found;
  const actor: Actor = { kind: 'operator', id: operator.operator };
  return { kind: 'operator', tenant, operator, sessionHash, actor, body };
}
