import { AkashiError, type ErrorCode, isErrorCode, parse } from '@akashi/circuits';
import { type Context, type Env, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { GenericSchema, InferOutput } from 'valibot';

// What all routes of the bank have in common, those for its app and those for its desk.

const STATUS: Partial<Record<ErrorCode, 400 | 401 | 403 | 404 | 409 | 413 | 415 | 429 | 503 | 504>> = {
  malformed: 400,
  unauthorized: 401,
  forbidden: 403,
  receipt_invalid: 403,
  not_found: 404,
  no_device: 409,
  too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  busy: 503,
  network: 503,
  timeout: 504,
};

/** Routes with bounded bodies, answers that nobody keeps, and failures as a code and nothing else. */
export function bankRoutes<E extends Env>(): Hono<E> {
  const routes = new Hono<E>();
  routes.use(bodyLimit({ maxSize: 16 * 1024, onError: (c) => refuse(c, 'too_large') }));
  routes.use(async (c, next) => {
    await next();
    c.header('cache-control', 'no-store');
  });
  routes.onError((error, c) => {
    if (!(error instanceof AkashiError)) return refuse(c, 'internal');
    // A 401 of the verifier is about the bank's API key, not about who is logged in here.
    const atVerifier =
      error.status !== undefined && (error.code === 'unauthorized' || error.code === 'forbidden');
    return refuse(c, atVerifier ? 'internal' : error.code, error.retryAfter);
  });
  routes.notFound((c) => refuse(c, 'not_found'));
  return routes;
}

export async function body<S extends GenericSchema>(c: Context, shape: S): Promise<InferOutput<S>> {
  if (c.req.header('content-type')?.split(';')[0]?.trim() !== 'application/json') {
    throw new AkashiError('unsupported_media_type');
  }
  const sent: unknown = await c.req.json().catch(() => {
    throw new AkashiError('malformed');
  });
  return parse(shape, sent);
}

export function refuse(c: Context, code: string, retryAfter?: number): Response {
  const known: ErrorCode = isErrorCode(code) ? code : 'internal';
  if (retryAfter !== undefined) c.header('retry-after', String(retryAfter));
  return c.json({ code: known }, STATUS[known] ?? 500);
}
