import { ARTIFACTS } from './artifacts.ts';
import type { FactId } from './protocol.ts';

export { ARTIFACTS };

/**
 * `key` is the proving key as phones load it, `vkey` the verification key as snarkjs writes it (JSON). `zkey` is what
 * the ceremony left, from which both were made: for who checks the keys, and not in the package.
 */
export type ArtifactKind = 'key' | 'zkey' | 'vkey';

export interface ArtifactFile {
  /** Name in the folder `artifacts`; it begins with the fact and holds the first 64 bits of the digest. */
  readonly name: string;
  /** Hex. Bytes with another digest must not be used. */
  readonly sha256: string;
  readonly bytes: number;
}

const SUFFIX: Readonly<Record<ArtifactKind, string>> = { key: '.key', zkey: '.zkey', vkey: '.vkey.json' };

/** The pinned file of a fact. */
export function artifactFile(fact: FactId, kind: ArtifactKind): ArtifactFile {
  for (const [name, { sha256, bytes }] of Object.entries(ARTIFACTS[fact].files)) {
    if (name.endsWith(SUFFIX[kind])) return { name, sha256, bytes };
  }
  throw new TypeError('no such artifact');
}
