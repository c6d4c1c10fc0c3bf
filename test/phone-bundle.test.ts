import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FACT_IDS } from '@akashi/circuits';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundlePhone, chunksOf, coreGzip, firstProofGzip, type PhoneBundle } from '../bench/phone-bundle.ts';

// What a phone downloads, and whose code it is.

const ROOT = fileURLToPath(new URL('..', import.meta.url));

describe('a page that opens a holder', () => {
  let bundle: PhoneBundle;
  beforeAll(async () => {
    bundle = await bundlePhone();
  });
  const sourcesOf = (chunks: Iterable<string>) =>
    [...chunks].flatMap((chunk) => Object.keys(bundle.chunks[chunk]?.inputs ?? {}));

  test('downloads at most 15 kB for it', () => {
    expect(coreGzip(bundle)).toBeGreaterThan(5_000);
    expect(coreGzip(bundle)).toBeLessThanOrEqual(15_000);
  });

  test('loads the prover, the OPRF, passkeys, enrolment and presentation later', () => {
    const later =
      /noble|bn254|prover-curve|groth16|oprf|poseidon|witness|proving|presentation|enrolment\.ts|pin-(?:change|entry)|preparation|passkey-acts|sdk\/passkey\.ts|secrets|jose/;
    const loaded = sourcesOf(chunksOf(bundle));
    expect(loaded).toContain('sdk/holder.ts');
    expect(loaded.filter((source) => later.test(source))).toEqual([]);
    const all = sourcesOf(Object.keys(bundle.chunks));
    const loadedLater = [
      'sdk/oprf.ts',
      'sdk/prover-curve.ts',
      'sdk/presentation.ts',
      'sdk/passkey.ts',
      'sdk/secrets.ts',
    ];
    for (const name of loadedLater) expect(all).toContain(name);
  });

  test.each(FACT_IDS)('downloads no more than its issue allows before a proof of %s', async (fact) => {
    expect(await firstProofGzip(bundle, fact)).toBeLessThanOrEqual(fact === 'pin' ? 350_000 : 1_200_000);
  });
});

describe('what the SDK ships', () => {
  const { exports } = JSON.parse(readFileSync(`${ROOT}sdk/package.json`, 'utf8'));

  test.each(Object.keys(exports))('%s holds code under permissive licences only', async (entry) => {
    const { metafile } = await build({
      stdin: { contents: `import '@akashi/sdk/${entry.slice(2)}';`, resolveDir: ROOT },
      absWorkingDir: ROOT,
      bundle: true,
      write: false,
      metafile: true,
      // Whole, as it would stand on a disk: what a bundler leaves out is looked at as well.
      treeShaking: false,
      ignoreAnnotations: true,
      format: 'esm',
      platform: 'node',
      conditions: ['akashi-source'],
      logLevel: 'error',
    });
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.length).toBeGreaterThan(2);
    const packages = new Set(
      inputs.flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []),
    );
    for (const name of packages) {
      expect(['valibot', '@noble/curves', '@noble/hashes'], `${entry} brings ${name}`).toContain(name);
    }
  });
});
