import { readFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { ARTIFACTS } from '@akashi/circuits/artifacts';
import { build } from 'esbuild';

// A page as a phone gets it: bundled, minified, under a strict content security policy. All that the prover needs
// beyond `self` is to compile WebAssembly; all that the SDK needs is its verifier.

/** Content by path, without the slash in front. */
export type SiteFiles = ReadonlyMap<string, Uint8Array>;

/** Empty, so that the browser does not ask for one in vain and call that a fault. */
const ICON = '<svg xmlns="http://www.w3.org/2000/svg"/>';

const ROOT = new URL('../', import.meta.url);
const ARTIFACT_FOLDER = new URL('circuits/artifacts/', ROOT);
const PINNED = new Set(Object.values(ARTIFACTS).flatMap(({ files }) => Object.keys(files)));

/**
 * Minified JavaScript for browsers: each entry, and the chunks that they share or import lazily.
 * @param entries source files below the root of the repository, by path on the site
 */
export async function bundle(entries: Readonly<Record<string, string>>): Promise<SiteFiles> {
  const outdir = fileURLToPath(new URL('out/bench/site/', ROOT));
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(ROOT),
    entryPoints: Object.entries(entries).map(([path, source]) => ({
      in: source,
      out: path.replace(/\.js$/, ''),
    })),
    outdir,
    bundle: true,
    splitting: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['akashi-source'],
    minify: true,
    legalComments: 'none',
    logLevel: 'error',
  });
  return new Map(outputFiles.map(({ path, contents }) => [path.slice(outdir.length), contents]));
}

export interface Site {
  readonly address: string;
  readonly origin: string;
  /** Paths that were asked for, each once. */
  readonly requested: Set<string>;
  /** Lets the page call another origin. */
  allow(origin: string): void;
  close(): void;
}

/**
 * Serves a page of one script, other files, and the artifacts below `artifacts/`, on a free port of this machine.
 * @param script path of it among `files`
 */
export async function openSite(script: string, files: SiteFiles): Promise<Site> {
  const requested = new Set<string>();
  const connect = ["'self'"];
  const page = `<!doctype html><meta charset="utf-8"><title>Akashi bench</title><link rel="icon" href="/icon.svg"><script type="module" src="/${script}"></script>`;

  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname.slice(1);
    const send = (type: string, content: string | Uint8Array) => answer(response, connect, type, content);
    requested.add(path);
    const file = files.get(path);
    const artifact = path.startsWith('artifacts/') ? path.slice('artifacts/'.length) : '';
    if (path === '') return send('text/html; charset=utf-8', page);
    if (path === 'icon.svg') return send('image/svg+xml', ICON);
    if (file !== undefined) {
      return send(path.endsWith('.js') ? 'text/javascript' : 'application/octet-stream', file);
    }
    if (PINNED.has(artifact)) {
      return send('application/octet-stream', await readFile(new URL(artifact, ARTIFACT_FOLDER)));
    }
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  const origin = `http://localhost:${port}`;
  return {
    address: `${origin}/`,
    origin,
    requested,
    allow: (other) => connect.push(other),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answer(
  response: ServerResponse,
  connect: readonly string[],
  type: string,
  content: string | Uint8Array,
): void {
  const policy = `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src ${connect.join(' ')}`;
  response.writeHead(200, { 'content-type': type, 'content-security-policy': policy }).end(content);
}
