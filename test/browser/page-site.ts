import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';

// The tenant's own web site, as far as a phone page needs one: the page with its scripts, the circuits' artifacts, and
// a back end that gives accounts for a receipt. Everything under the strict policy that a bank would set.

export interface PageScripts {
  /** Bundled page and prover worker, by path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export interface BundleOptions {
  /** Source file of the page. */
  readonly page: string;
  /** Source file or package path of the prover worker. */
  readonly worker: string;
  /** Folder from which packages are resolved. */
  readonly from: string;
  readonly conditions: readonly string[];
}

/** Page and worker as a tenant's build would make them. */
export async function bundlePage({ page, worker, from, conditions }: BundleOptions): Promise<PageScripts> {
  const { outputFiles } = await build({
    entryPoints: [
      { in: page, out: 'page' },
      { in: worker, out: 'prover-worker' },
    ],
    absWorkingDir: from,
    outdir: from,
    bundle: true,
    splitting: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: [...conditions],
    logLevel: 'error',
  });
  return { files: new Map(outputFiles.map(({ path, contents }) => [path.slice(from.length), contents])) };
}

export interface PageSite {
  readonly origin: string;
  /** Whether artifacts are served with one byte changed. */
  corrupt: boolean;
  /** Whether scripts and artifacts do not come at all. */
  down: boolean;
  /** Paths that were asked for. */
  readonly asked: Set<string>;
  close(): void;
}

export interface SiteOptions {
  readonly scripts: PageScripts;
  readonly artifacts: string;
  /** Origin of the verifier, for `connect-src`. */
  readonly verifier: string;
  /** The back end: accounts for a receipt. */
  readonly exchange: (receipt: string) => Promise<unknown>;
}

const HTML = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Phone</title>
<link rel="icon" href="data:,"><script type="module" src="/page.js"></script></html>`;

export async function openPageSite(options: SiteOptions): Promise<PageSite> {
  const server = createServer((request, response) => {
    answer(options, site, request, response).catch(() => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  const site: PageSite = {
    origin: `http://localhost:${port}`,
    corrupt: false,
    down: false,
    asked: new Set(),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return site;
}

async function answer(
  { scripts, artifacts, verifier, exchange }: SiteOptions,
  { corrupt, down, asked }: PageSite,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  asked.add(path);
  if (down) return void request.socket.destroy();
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; img-src 'self' data:; connect-src 'self' ${verifier}`,
  );
  const send = (type: string, content: string | Uint8Array) =>
    response.writeHead(200, { 'Content-Type': type }).end(content);
  const script = scripts.files.get(path);
  if (script !== undefined) send('text/javascript', script);
  else if (path === '/') send('text/html', HTML);
  else if (path === '/exchange') {
    const receipt = (await request.toArray()).join('');
    send('application/json', JSON.stringify(await exchange(receipt)));
  } else {
    const [, name] = /^\/artifacts\/([a-z0-9.-]+)$/.exec(path) ?? [];
    const bytes = await readFile(join(artifacts, name ?? 'none'));
    if (corrupt) bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    send('application/octet-stream', bytes);
  }
}
