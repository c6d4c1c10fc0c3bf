import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { BASE_FIELD_ORDER, FIELD_ORDER } from '@akashi/circuits';
import { ELEMENT_BYTES, EXTENSION_BYTES } from '@akashi/circuits/bn254';
import { assembled } from '../circuits/arithmetic-build.ts';
import { field, group, quadraticExtension, Scratch } from '../circuits/arithmetic-source.ts';

// `npm run build:arithmetic`: the arithmetic of the prover. A test holds the committed file to its source.

/** The text of prover-wasm.ts. */
export function proverModule(): Promise<string> {
  const scratch = new Scratch();
  const source = `(module
    (import "env" "memory" (memory 1))
    ${field('fp', BASE_FIELD_ORDER)}
    ${field('fr', FIELD_ORDER)}
    ${quadraticExtension()}
    ${group('g1', 'fp', ELEMENT_BYTES, scratch)}
    ${group('g2', 'fp2', EXTENSION_BYTES, scratch)})`;
  return assembled('PROVER_WASM', 'prover-build.ts', source);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL('prover-wasm.ts', import.meta.url), await proverModule());
}
