import { cp, mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ARTIFACTS } from '@akashi/circuits/artifacts';
import { build } from 'esbuild';

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** The folders that the servers give out. */
export interface Bundles {
  readonly phone: string;
  readonly desk: string;
}

/**
 * Bundles the pages into `folder`, from the packages' sources when this process runs with the condition
 * `akashi-source`. The prover's worker is a file of its own, of the same origin as the phone page: its strict CSP
 * (`worker-src 'self'`) allows neither blobs nor other origins.
 */
export async function bundlePages(folder: string): Promise<Bundles> {
  const bundles = { phone: join(folder, 'phone'), desk: join(folder, 'desk') };
  await rm(folder, { recursive: true, force: true });
  await bundle(bundles.phone, { phone: 'phone/main.ts' });
  await bundle(bundles.phone, { 'prover-worker': '@akashi/sdk/prover-worker' });
  await bundle(bundles.phone, { phone: 'phone/phone.css' });
  await bundle(bundles.desk, { desk: 'desk/main.ts', side: 'desk/side.ts' });
  await bundle(bundles.desk, { desk: 'desk/desk.css', side: 'desk/side.css' });
  const still = ['index.html', 'manifest.webmanifest', 'icon.svg', 'icon-192.png', 'icon-512.png'];
  for (const name of still) await cp(join(HERE, 'phone', name), join(bundles.phone, name));
  for (const name of ['index.html', 'desk.html', 'icon.svg']) {
    await cp(join(HERE, 'desk', name), join(bundles.desk, name));
  }
  await copyArtifacts(join(bundles.phone, 'artifacts'));
  return bundles;
}

async function bundle(outdir: string, entryPoints: Record<string, string>): Promise<void> {
  await build({
    absWorkingDir: HERE,
    entryPoints,
    outdir,
    bundle: true,
    // What the SDK loads later stays in files of its own.
    splitting: true,
    format: 'esm',
    target: ['chrome120', 'firefox121', 'safari17.4'],
    platform: 'browser',
    conditions: ['akashi-source', 'browser'],
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
}

/** The proving keys in the form that devices read; what else is published of a circuit stays where it is. */
async function copyArtifacts(folder: string): Promise<void> {
  const source = join(
    dirname(createRequire(import.meta.url).resolve('@akashi/circuits/artifacts.json')),
    'artifacts',
  );
  await mkdir(folder, { recursive: true });
  for (const { files } of Object.values(ARTIFACTS)) {
    for (const name of Object.keys(files)) {
      if (name.endsWith('.key')) await cp(join(source, name), join(folder, name));
    }
  }
}
