import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fieldFromBytes } from '@akashi/circuits';
import type { VerificationKeyText } from '../circuits/snarkjs.ts';
import type { InputText } from './proving-page.ts';

// Semaphore v4, a peer of the fact `account`: membership in a tree, here of depth 20, on its own artifacts. Its prover,
// `generateProof` of @semaphore-protocol/proof 4.14.3, is snarkjs's `groth16.fullProve` on these files, with some checks and
// hashing around it; what is timed is that call, on one thread as everyone here, which `generateProof` has no option for.
//
// The artifacts come as a package of 104 MiB for all depths: fetched when they are measured, never a dependency.

const PACKAGE = '@zk-kit/semaphore-artifacts@4.13.0';
const TARBALL = 'zk-kit-semaphore-artifacts-4.13.0.tgz';
const SHA512 = 'UgFQkcwI63XT1Xk8fkUYMNfcuR85LiSL3Of9XLsyMLflHkiwXP9D1WC8hnpD8Tp2HoAMJ/mCv7ZMlU7TC0mvdQ==';
const DEPTH = 20;

/** Of the subgroup of Baby Jubjub in which Semaphore's identities are: the circuit refuses secrets from here on. */
const SECRETS = 2736030358979909402780800718157159386076813972158567259200215660948447373041n;

export interface Semaphore {
  readonly wasm: Uint8Array;
  readonly zkey: Uint8Array;
  readonly verificationKey: VerificationKeyText;
}

const run = promisify(execFile);

/**
 * The artifacts, fetched into `folder` unless they are there already; `null` where the registry cannot be reached.
 * @throws Error when what came is not what is pinned
 */
export async function loadSemaphore(folder: URL, say: (line: string) => void): Promise<Semaphore | null> {
  await mkdir(folder, { recursive: true });
  const tarball = new URL(TARBALL, folder);
  const kept = await readFile(tarball).catch(() => null);
  if (kept === null) {
    say(`fetching ${PACKAGE}`);
    try {
      await run('npm', ['pack', PACKAGE, '--silent', '--pack-destination', fileURLToPath(folder)]);
    } catch {
      say(`${PACKAGE} cannot be had: Semaphore is not measured`);
      return null;
    }
  }
  const digest = createHash('sha512')
    .update(kept ?? (await readFile(tarball)))
    .digest('base64');
  if (digest !== SHA512) throw new Error(`${TARBALL} is not the pinned one: remove it`);
  const names = ['wasm', 'zkey', 'json'].map((kind) => `package/semaphore-${DEPTH}.${kind}`);
  await run('tar', ['xzf', fileURLToPath(tarball), '-C', fileURLToPath(folder), ...names]);
  const [wasm, zkey, key] = await Promise.all(
    names.map((name) => readFile(join(fileURLToPath(folder), name))),
  );
  if (wasm === undefined || zkey === undefined || key === undefined) throw new TypeError('three files');
  const verificationKey: VerificationKeyText = JSON.parse(key.toString('utf8'));
  return { wasm, zkey, verificationKey };
}

/** A member of a full tree: the circuit computes the root, so that any siblings will do. */
export function semaphoreInputs(): InputText {
  const element = () => fieldFromBytes(randomBytes(31));
  return {
    secret: String(element() % SECRETS),
    merkleProofLength: String(DEPTH),
    merkleProofIndex: String(randomBytes(4).readUInt32BE() % 2 ** DEPTH),
    merkleProofSiblings: Array.from({ length: DEPTH }, () => String(element())),
    message: String(element()),
    scope: String(element()),
  };
}
