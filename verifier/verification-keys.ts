import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { FACT_IDS, type FactId } from '@akashi/circuits';
import { artifactFile } from '@akashi/circuits/artifacts';
import { loadKey, type VerificationKey } from './proof.ts';

export type VerificationKeys = Readonly<Record<FactId, VerificationKey>>;

/**
 * The verification key of every fact, from the files that @akashi/circuits ships, by their pinned digests.
 * @throws AkashiError `artifact_invalid`, see {@link loadKey}
 */
export async function loadVerificationKeys(): Promise<VerificationKeys> {
  const loaded = await Promise.all(FACT_IDS.map(async (fact) => [fact, await load(fact)] as const));
  return Object.fromEntries(loaded) as VerificationKeys;
}

async function load(fact: FactId): Promise<VerificationKey> {
  const { name, sha256 } = artifactFile(fact, 'vkey');
  const path = createRequire(import.meta.url).resolve(`@akashi/circuits/artifacts/${name}`);
  return loadKey(fact, await readFile(path), sha256);
}
