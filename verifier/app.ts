import { AkashiError } from '@akashi/circuits';
import { type Context, Hono } from 'hono';
import { routePath } from 'hono/route';
import { admission } from './admission.ts';
import { addDeviceRoutes } from './device-routes.ts';
import { addIssuerRoutes } from './issuer-routes.ts';
import { publishedKeys } from './keys.ts';
import { addOperatorRoutes } from './operator-routes.ts';
import { admitOrigin, answerPreflight } from './origin.ts';
import { addPasskeyRoutes } from './passkey-routes.ts';
import { addPinRoutes } from './pin-routes.ts';
import { type ProblemAnswer, problemOf } from './problem.ts';
import { addRequestRoutes } from './request-routes.ts';
import { addTenantRoutes } from './tenant-routes.ts';
import { addVerificationRoutes } from './verification-routes.ts';
import { createVerifier, faultOf, type Verifier, type VerifierOptions } from './verifier.ts';
import { timeOf } from './wait.ts';

/**
 * The verifier's HTTP app (docs/protocol.md, section 8). It does not listen and reads no environment: everything it
 * works with comes in as an option.
 * @throws TypeError when the origin is none, or the keys are certified for another one
 */
export function createApp(options: VerifierOptions): Hono {
  return appOf(createVerifier(options));
}

/** The app of a verifier whose workings the caller wants to see as well. */
export function appOf(verifier: Verifier): Hono {
  const app = new Hono({ strict: true });

  app.use(async (c, next) => {
    const began = performance.now();
    for (const [name, value] of Object.entries(securityHeaders(verifier))) c.header(name, value);
    const report = () => ({ method: methodOf(c), route: routeOf(c), status: c.res.status });
    await verifier.instruments.call(() => next(), report);
    const ms = Math.round(performance.now() - began);
    verifier.log({ level: 'info', event: 'call', ...report(), ms });
  });

  app.use(admission(verifier));

  app.use(async (c, next) => {
    await admitOrigin(c, verifier.store);
    // A preflight names no caller: it is answered for every address alike.
    if (c.req.method === 'OPTIONS' && c.req.header('origin') !== undefined) return answerPreflight(c);
    return next();
  });

  // Devices first: `devices/current` is theirs, `devices/:id` the back end's.
  addDeviceRoutes(app, verifier);
  addPinRoutes(app, verifier);
  addPasskeyRoutes(app, verifier);
  addTenantRoutes(app, verifier);
  addIssuerRoutes(app, verifier);
  addOperatorRoutes(app, verifier);
  addVerificationRoutes(app, verifier);
  addRequestRoutes(app, verifier);
  addPublicRoutes(app, verifier);
  refuseOtherMethods(app);

  app.notFound((c) => answerProblem(c, problemOf(new AkashiError('not_found'))));
  app.onError((error, c) => {
    const answer = problemOf(error);
    // A `busy` with something under it is the store's.
    const cause = error instanceof AkashiError ? error.cause : error;
    if (answer.status === 500 || (answer.status === 503 && cause !== undefined))
      verifier.log({ level: 'error', event: 'fault', route: routeOf(c), fault: faultOf(cause ?? error) });
    return answerProblem(c, answer);
  });
  return app;
}

function addPublicRoutes(app: Hono, verifier: Verifier): void {
  app.get('/v1/jwks', (c) => {
    const keys = publishedKeys(verifier.keys, verifier.now());
    return c.json({
      keys: keys.map(({ jwk, kid, nbf, exp }) => ({ ...jwk, kid, use: 'sig', alg: 'ES256', nbf, exp })),
    });
  });

  // Whether calls shall come to this instance.
  app.get('/v1/health', async (c) => {
    if (verifier.draining?.aborted || verifier.closing?.aborted)
      throw new AkashiError('busy', { retryAfter: 1 });
    await verifier.store.ping();
    return c.json({ status: 'ok' });
  });

  // Whether this process is alive: what fails here is cured by a new one, what fails above is not.
  app.get('/v1/health/live', (c) => c.json({ status: 'ok' }));
}

/** Every address that exists answers other methods with 405 and what it allows. */
function refuseOtherMethods(app: Hono): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method !== 'ALL') methods.set(path, (methods.get(path) ?? new Set()).add(method));
  }
  for (const [path, allowed] of methods) {
    app.all(path, (c) => {
      c.header('Allow', [...allowed].join(', '));
      throw new AkashiError('method_not_allowed');
    });
  }
}

/** Of every answer. */
export function securityHeaders({ origin, now }: Pick<Verifier, 'origin' | 'now'>): Record<string, string> {
  return {
    Date: timeOf({ now }),
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    ...(origin.startsWith('https:') ? { 'Strict-Transport-Security': 'max-age=31536000' } : {}),
  };
}

/** The problem document, beside the headers that were set for this call so far. */
function answerProblem(c: Context, { status, body, headers }: ProblemAnswer): Response {
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  return c.body(JSON.stringify(body), status);
}

/** What others send as a method is theirs to choose, and no label. */
function methodOf({ req }: Context): string {
  return METHODS.has(req.method) ? req.method : 'other';
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);

/** The pattern of the route for the log; unknown paths have none. */
function routeOf(c: Context): string {
  const pattern = routePath(c, -1);
  return pattern.startsWith('/v1/') ? pattern : 'unknown';
}
