import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';
import { bn254Source } from './bn254-source.ts';

// `npm run build:arithmetic`: bn254-source.ts to bn254-wasm.ts. A test holds the committed file to its source.

/** The text of bn254-wasm.ts. */
export async function bn254Module(): Promise<string> {
  const { parseWat } = await wabt();
  const module = parseWat('bn254.wat', bn254Source(), { bulk_memory: true });
  module.validate();
  const { buffer } = module.toBinary({});
  const base64 = Buffer.from(buffer).toString('base64');
  return [
    '// Written by `npm run build:arithmetic` from bn254-source.ts.',
    '',
    '/** The assembled arithmetic, base64. */',
    'export const BN254_WASM =',
    `  '${base64}';`,
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL('bn254-wasm.ts', import.meta.url), await bn254Module());
}
