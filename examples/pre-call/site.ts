import { readdir, readFile } from 'node:fs/promises';
import { Server } from 'node:http';
import { extname, join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';

/** Who may do what on a page of the example: the strict CSP that the README asks of integrators. */
export interface PagePolicy {
  /** Origins that the page calls, besides its own. */
  readonly connect?: readonly string[];
  /** Origins whose pages may frame it. */
  readonly framedBy?: readonly string[];
  /** Origins that it frames. */
  readonly frames?: readonly string[];
  /** Proofs are computed by WebAssembly, in a worker of the page's own origin. */
  readonly proves?: boolean;
}

export function contentSecurityPolicy({
  connect = [],
  framedBy = [],
  frames = [],
  proves = false,
}: PagePolicy): string {
  return [
    "default-src 'self'",
    `script-src 'self'${proves ? " 'wasm-unsafe-eval'" : ''}`,
    `worker-src ${proves ? "'self'" : "'none'"}`,
    `connect-src ${["'self'", ...connect].join(' ')}`,
    `frame-src ${frames.length === 0 ? "'none'" : frames.join(' ')}`,
    `frame-ancestors ${framedBy.length === 0 ? "'none'" : framedBy.join(' ')}`,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.key': 'application/octet-stream',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
};

export interface SiteOptions {
  /** Public origin. Requests for any other host are refused: a name that an attacker points at this machine (DNS rebinding). */
  readonly origin: string;
  /** Folder of the bundled files. */
  readonly folder: string;
  /** Pages by path: file and policy. */
  readonly pages: Readonly<Record<string, { readonly file: string; readonly policy: PagePolicy }>>;
  /** What `%NAME%` stands for in the pages. */
  readonly values: Readonly<Record<string, string>>;
}

/** Serves bundled pages, all read once. Routes of a back end are added by the caller. */
export async function createSite({ origin, folder, pages, values }: SiteOptions): Promise<Hono> {
  const site = new Hono();
  const strictest = contentSecurityPolicy(Object.values(pages)[0]?.policy ?? {});
  site.use(async (c, next) => {
    if (c.req.header('host') !== new URL(origin).host) return c.text('wrong host', 421);
    await next();
    c.header('x-content-type-options', 'nosniff');
    c.header('referrer-policy', 'no-referrer');
    c.header('cross-origin-opener-policy', 'same-origin');
    c.header('permissions-policy', 'camera=(), microphone=(), geolocation=()');
    // A worker obeys the policy of its own script, so every answer carries one.
    if (!c.res.headers.has('content-security-policy')) c.header('content-security-policy', strictest);
  });
  for (const [path, { file, policy }] of Object.entries(pages)) {
    const html = fill(await readFile(join(folder, file), 'utf8'), values);
    site.get(path, (c) => {
      c.header('cache-control', 'no-cache');
      c.header('content-security-policy', contentSecurityPolicy(policy));
      return c.html(html);
    });
  }
  for (const name of await readdir(folder, { recursive: true })) {
    const type = CONTENT_TYPES[extname(name)];
    if (type === undefined || type.startsWith('text/html')) continue;
    const bytes = new Uint8Array(await readFile(join(folder, name)));
    // Artifacts are named by their content; everything else may change with the next start.
    const cacheControl = name.startsWith('artifacts') ? 'public, max-age=31536000, immutable' : 'no-cache';
    site.get(`/${name.replaceAll('\\', '/')}`, (c) =>
      c.body(bytes, 200, { 'content-type': type, 'cache-control': cacheControl }),
    );
  }
  return site;
}

function fill(html: string, values: Readonly<Record<string, string>>): string {
  return html.replaceAll(/%([A-Z]+)%/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new TypeError(`no value for ${name}`);
    return value;
  });
}

/** A listening server whose site is set when its own origin, and those of the others, are known. */
export interface Listener {
  readonly origin: string;
  serve(site: Hono): void;
  close(): Promise<void>;
}

/** A port that someone else listens on. */
export class PortInUse extends Error {
  override readonly name = 'PortInUse';
  readonly port: number;

  constructor(port: number) {
    super(`port ${port} is in use`);
    this.port = port;
  }
}

/**
 * Listens on `localhost`: by name, as passkeys and secure contexts want it.
 * @param port 0: any free one
 * @throws PortInUse
 */
export async function listen(port: number): Promise<Listener> {
  let site: Hono | undefined;
  const server = createAdaptorServer({
    fetch: (request, env) => site?.fetch(request, env) ?? new Response(null, { status: 503 }),
  });
  if (!(server instanceof Server)) throw new TypeError('not an HTTP/1.1 server');
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(inUse(error) ? new PortInUse(port) : error));
    server.listen(port, 'localhost', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not listening on a port');
  return {
    origin: `http://localhost:${address.port}`,
    serve: (next) => {
      site = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function inUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
