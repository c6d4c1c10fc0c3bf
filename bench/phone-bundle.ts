import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { FactId } from '@akashi/circuits';
import { artifactFile } from '@akashi/circuits/artifacts';
import { build, type Metafile } from 'esbuild';

// What a phone downloads: a page bundled as a tenant would do it, in chunks, minified, each compressed for itself.

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** All that a page needs to open a holder, listen for requests, show them and answer. */
const PAGE = `import { indexedDbStorage, openHolder, workerProver } from '@akashi/sdk/holder';
globalThis.phone = { indexedDbStorage, openHolder, workerProver };`;

export interface PhoneBundle {
  /** Bytes after gzip of each chunk. */
  readonly gzip: ReadonlyMap<string, number>;
  readonly chunks: Metafile['outputs'];
  /** Chunk of the page's script. */
  readonly page: string;
}

/** @param contents of the page's script, or of a worker's */
export async function bundlePhone(contents = PAGE): Promise<PhoneBundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: ROOT, sourcefile: 'phone-page.ts' },
    absWorkingDir: ROOT,
    outdir: 'out',
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['akashi-source'],
    minify: true,
    legalComments: 'none',
    logLevel: 'error',
  });
  const gzip = new Map(
    outputFiles.map(({ path, contents: bytes }) => [path.slice(ROOT.length), gzipSync(bytes).byteLength]),
  );
  const page = Object.entries(metafile.outputs).find(([, { inputs }]) => 'phone-page.ts' in inputs)?.[0];
  if (page === undefined) throw new Error('the bundler wrote no page');
  return { gzip, chunks: metafile.outputs, page };
}

/**
 * The chunks that load with the page, and with further source files that are loaded later.
 * @param later paths in the repository, e.g. `sdk/oprf.ts`
 */
export function chunksOf({ chunks, page }: PhoneBundle, later: readonly string[] = []): ReadonlySet<string> {
  const entries = later.map((source) => {
    const found = Object.entries(chunks).find(([, { entryPoint }]) => entryPoint === source);
    if (found === undefined) throw new Error(`${source} is no chunk of its own`);
    return found[0];
  });
  const loaded = new Set([page, ...entries]);
  for (const chunk of loaded) {
    for (const { path, kind } of chunks[chunk]?.imports ?? [])
      if (kind === 'import-statement') loaded.add(path);
  }
  return loaded;
}

/** Bytes that a page downloads to open a holder, listen for requests and show them. */
export function coreGzip(bundle: PhoneBundle): number {
  return sum(bundle, chunksOf(bundle));
}

/** Bytes that a page downloads before its first proof of a fact: code, worker and proving key. */
export async function firstProofGzip(bundle: PhoneBundle, fact: FactId): Promise<number> {
  const later = ['sdk/holder-acts.ts', 'sdk/prover-curve.ts', ...(fact === 'pin' ? ['sdk/oprf.ts'] : [])];
  const worker = await bundlePhone("import '@akashi/sdk/prover-worker';");
  const key = new URL(`../circuits/artifacts/${artifactFile(fact, 'key').name}`, import.meta.url);
  return sum(bundle, chunksOf(bundle, later)) + coreGzip(worker) + gzipSync(readFileSync(key)).byteLength;
}

function sum({ gzip }: PhoneBundle, chunks: Iterable<string>): number {
  return [...chunks].reduce((total, chunk) => total + (gzip.get(chunk) ?? Number.NaN), 0);
}
