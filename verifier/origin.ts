import { AkashiError } from '@akashi/circuits';
import type { Context } from 'hono';
import type { Tenant } from './records.ts';
import type { Store } from './store.ts';

// CORS (docs/protocol.md, section 8). A browser asks before it knows a tenant, so a preflight, and an answer that
// comes before the caller is known, can only be held against the origins of all tenants; every answer that says
// anything of a tenant is held against the list of that one.

const ALLOWED_HEADERS = 'Authorization, Content-Type, DPoP, Idempotency-Key, If-None-Match';
const ALLOWED_METHODS = 'GET, POST, PUT, DELETE';
const EXPOSED_HEADERS = 'Date, DPoP-Nonce, Akashi-Keys, ETag, Retry-After';
const PREFLIGHT_SECONDS = 600;

/**
 * Refuses pages of origins that no tenant lists; lets the others read the answer.
 * @throws AkashiError `origin_refused`
 */
export async function admitOrigin(c: Context, store: Store): Promise<void> {
  const origin = c.req.header('origin');
  c.header('Vary', 'Origin');
  if (origin === undefined) return;
  if (!(await store.knowsOrigin(origin))) throw new AkashiError('origin_refused');
  c.header('Access-Control-Allow-Origin', origin);
  c.header('Access-Control-Expose-Headers', EXPOSED_HEADERS);
}

/**
 * Refuses pages of origins that this tenant does not list. Called once the caller's tenant is known, before anything is done.
 * @throws AkashiError `origin_refused`
 */
export function requireOrigin(c: Context, tenant: Tenant): void {
  const origin = c.req.header('origin');
  if (origin === undefined || tenant.origins.includes(origin)) return;
  c.header('Access-Control-Allow-Origin', undefined);
  throw new AkashiError('origin_refused');
}

/**
 * Those of a tenant's origins whose pages a browser lets use passkeys of this rpId: the host is the rpId or below it, over
 * HTTPS or on this machine (WebAuthn, section 5.1.3). A desk on a domain of its own is not among them.
 */
export function passkeyOrigins(origins: readonly string[], rpId: string): readonly string[] {
  return origins.filter((origin) => {
    const { protocol, hostname } = new URL(origin);
    const isBelow = hostname === rpId || hostname.endsWith(`.${rpId}`);
    return isBelow && (protocol === 'https:' || rpId === 'localhost');
  });
}

/** The answer to a preflight from an origin that was admitted. */
export function answerPreflight(c: Context): Response {
  c.header('Access-Control-Allow-Methods', ALLOWED_METHODS);
  c.header('Access-Control-Allow-Headers', ALLOWED_HEADERS);
  c.header('Access-Control-Max-Age', String(PREFLIGHT_SECONDS));
  return c.body(null, 204);
}
