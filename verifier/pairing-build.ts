import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { assembled } from '../circuits/arithmetic-build.ts';
import { pairingSource } from './pairing-source.ts';

// `npm run build:arithmetic`: pairing-source.ts to pairing-wasm.ts. A test holds the committed file to its source.

/** The text of pairing-wasm.ts. */
export function pairingModule(): Promise<string> {
  return assembled('PAIRING_WASM', 'pairing-source.ts', pairingSource());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL('pairing-wasm.ts', import.meta.url), await pairingModule());
}
