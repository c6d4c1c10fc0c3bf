import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { FactId } from '@akashi/circuits';
import { artifactFile } from '@akashi/circuits/artifacts';
import { loadKey, type VerificationKey } from './proof.ts';

export type VerificationKeys = Readonly<Record<FactId, VerificationKey>>;

/**
 * The verification key of every fact, from the files that @akashi/circuits ships, by their pinned digests.
 * @throws AkashiError `artifact_invalid`, see {@link loadKey}
 */
export async function loadVerificationKeys(): Promise<VerificationKeys> {
  return { pin: await load('pin'), account: await load('account') };
}

async function load(fact: FactId): Promise<VerificationKey> {
  const { name, sha256 } = artifactFile(fact, 'vkey');
  const path = createRequire(import.meta.url).resolve(`@akashi/circuits/artifacts/${name}`);
  return loadKey(fact, await readFile(path), sha256);
}
