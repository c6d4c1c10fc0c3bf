import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import type { Results } from './results.ts';

/**
 * What a phone downloads.
 * @param scripts bundled and minified
 * @param artifacts names of those that the page asked for
 */
export async function measureSizes(
  scripts: { readonly holder: Uint8Array; readonly worker: Uint8Array },
  artifacts: Iterable<string>,
): Promise<Results['sizes']> {
  const sizes = [
    sizeOf('@akashi/sdk/holder', scripts.holder),
    sizeOf('@akashi/sdk/prover-worker', scripts.worker),
  ];
  for (const name of artifacts) {
    const content = await readFile(new URL(`../circuits/artifacts/${name}`, import.meta.url));
    // Named without the digest: it is a matter of the build.
    sizes.push(sizeOf(name.replace(/-[0-9a-f]{16}\./, '.'), content));
  }
  return sizes;
}

function sizeOf(what: string, content: Uint8Array): Results['sizes'][number] {
  return { what, bytes: content.byteLength, gzip: gzipSync(content).byteLength };
}
