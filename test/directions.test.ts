import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = new URL('..', import.meta.url).pathname;

// docs/protocol.md and CONTRIBUTING.md: circuits <- sdk, circuits <- verifier, nothing imports examples, bench or test.
const mayImport: Record<string, readonly string[]> = {
  circuits: [],
  sdk: ['circuits'],
  verifier: ['circuits'],
  examples: ['circuits', 'sdk', 'verifier'],
  bench: ['circuits', 'sdk', 'verifier', 'examples'],
  test: ['circuits', 'sdk', 'verifier', 'examples', 'bench'],
};

const IMPORT = /(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g;

/** Source files of a folder, its tests apart: those may use oracles, but no other package either. */
function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:ts|mjs)$/.test(name) && !/(?:^|\/)(?:node_modules|dist|out)\//.test(name))
    .map((name) => join(folder, name));
}

function importsOf(file: string): string[] {
  return [...readFileSync(join(root, file), 'utf8').matchAll(IMPORT)].map((match) => match[1] ?? '');
}

test.each(Object.keys(mayImport))('%s imports only what stands below it', (folder) => {
  const files = sources(folder);
  for (const file of files) {
    for (const name of importsOf(file)) {
      const target = name.startsWith('.')
        ? join(file, '..', name).split('/')[0]
        : name.startsWith('@akashi/')
          ? name.split('/')[1]
          : folder;
      if (target === folder || target === undefined) continue;
      expect(mayImport[folder], `${file} imports ${name}`).toContain(target);
    }
  }
});

test('the verifier never depends on snarkjs: it is an oracle in tests', () => {
  const verifier = JSON.parse(readFileSync(join(root, 'verifier/package.json'), 'utf8'));
  expect(Object.keys(verifier.dependencies)).not.toContain('snarkjs');
  for (const file of sources('verifier').filter((name) => !name.endsWith('.test.ts'))) {
    expect(importsOf(file), file).not.toContain('snarkjs');
  }
});
