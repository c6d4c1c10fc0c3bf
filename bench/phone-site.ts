import { readFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { ARTIFACTS } from '@akashi/circuits/artifacts';
import { build } from 'esbuild';

// A page as a phone gets it: bundled, minified, under a strict content security policy. All that the prover needs
// beyond `self` is to compile WebAssembly.

const POLICY =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

const PAGE =
  '<!doctype html><meta charset="utf-8"><title>Akashi bench</title><link rel="icon" href="/icon.svg"><script type="module" src="/proving-page.js"></script>';

/** Empty, so that the browser does not ask for one in vain and call that a fault. */
const ICON = '<svg xmlns="http://www.w3.org/2000/svg"/>';

const ARTIFACT_FOLDER = new URL('../circuits/artifacts/', import.meta.url);
const PINNED = new Set(Object.values(ARTIFACTS).flatMap(({ files }) => Object.keys(files)));

/** Minified JavaScript for browsers of an entry point and all it imports, lazily or not. @param entry source file */
export async function bundle(entry: URL): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['akashi-source'],
    minify: true,
    legalComments: 'none',
    logLevel: 'error',
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error('the bundler wrote nothing');
  return file.contents;
}

export interface PhoneSite {
  readonly address: string;
  /** Names of the artifacts that were asked for, each once. */
  readonly artifacts: ReadonlySet<string>;
  close(): void;
}

/** Serves the proving page, its worker and the artifacts on a free port of this machine. */
export async function openPhoneSite(scripts: {
  readonly page: Uint8Array;
  readonly worker: Uint8Array;
}): Promise<PhoneSite> {
  const artifacts = new Set<string>();
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (path === '/') return send(response, 'text/html; charset=utf-8', PAGE);
    if (path === '/proving-page.js') return send(response, 'text/javascript', scripts.page);
    if (path === '/prover-worker.js') return send(response, 'text/javascript', scripts.worker);
    if (path === '/icon.svg') return send(response, 'image/svg+xml', ICON);
    const artifact = path.startsWith('/artifacts/') ? path.slice('/artifacts/'.length) : '';
    if (PINNED.has(artifact)) {
      artifacts.add(artifact);
      return send(response, 'application/octet-stream', await readFile(new URL(artifact, ARTIFACT_FOLDER)));
    }
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://localhost:${port}/`,
    artifacts,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function send(response: ServerResponse, type: string, content: string | Uint8Array): void {
  response.writeHead(200, { 'content-type': type, 'content-security-policy': POLICY }).end(content);
}
