import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type FileRef, type Logger, snarkjs, type VerificationKeyText } from './snarkjs.ts';

// The setup of Groth16 has two phases. Phase 1 is the Hermez ceremony, which is public and finished. Phase 2 belongs to
// one circuit and is made here: it is sound if one contributor forgot what it drew (docs/protocol.md, section 3).

/** The phase 1 file. Its digest is the one in the table of the snarkjs 0.7.6 README. */
export const PHASE1 = {
  file: 'powersOfTau28_hez_final_11.ptau',
  blake2b512:
    '47c282116b892e5ac92ca238578006e31a47e7c7e70f0baa8b687f0a5203e28e' +
    'a07bbbec765a98dcd654bad618475d4661bfaec3bd9ad2ed12e7abc251d94d33',
} as const;

/** 2^10 rounds of SHA-256 over the beacon: the least that snarkjs takes. */
const BEACON_ITERATIONS_EXP = 10;

/** One step of phase 2 as the key itself records it. */
export interface Contribution {
  readonly name: string;
  /** blake2b-512 over what the contributor published, hex. */
  readonly hash: string;
  /** Present where the step was drawn from a public value and not from a secret. */
  readonly beacon?: { readonly value: string; readonly iterationsExp: number };
}

/**
 * The phase 1 file, once its digest is right.
 * @param path where the caller says it is, if it says
 */
export async function readPhase1(path: string | undefined): Promise<Uint8Array> {
  if (path === undefined || path === '') {
    throw new Error(
      `set AKASHI_PTAU to the path of ${PHASE1.file} (Hermez ceremony; see the snarkjs README)`,
    );
  }
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new Error('the file that AKASHI_PTAU names cannot be read', { cause });
  });
  if (createHash('blake2b512').update(bytes).digest('hex') !== PHASE1.blake2b512) {
    throw new Error(`the file that AKASHI_PTAU names is not ${PHASE1.file}: its blake2b-512 is another`);
  }
  return bytes;
}

/** Begins phase 2: a key for the circuit, which nobody has contributed to yet and nobody may use. */
export async function begin(r1cs: Uint8Array, phase1: Uint8Array, zkey: string): Promise<void> {
  const log = new LineLog();
  const key: FileRef = { type: 'mem' };
  const hash = await snarkjs.zKey.newZKey(r1cs, phase1, key, log);
  if (!(hash instanceof Uint8Array) || key.data === undefined)
    throw new Error(`setup failed: ${log.errors.join('; ')}`);
  await writeFile(zkey, key.data);
}

/**
 * Adds a contribution in a process of its own.
 * @returns its hash, hex
 */
export async function contribute(from: string, to: string, name: string): Promise<string> {
  const script = fileURLToPath(new URL('contribution.ts', import.meta.url));
  const execArgv = ['--conditions=akashi-source', '--import', 'tsx'];
  const child = fork(script, [from, to, name], { execArgv });
  let hash: unknown;
  child.on('message', (message) => {
    hash = message;
  });
  const [code] = await once(child, 'exit');
  if (code !== 0 || typeof hash !== 'string') throw new Error(`contribution "${name}" failed`);
  return hash;
}

/** Adds a step drawn from `value` (hex), which anyone can repeat. */
export async function addBeacon(from: string, to: string, name: string, value: string): Promise<void> {
  const done = await snarkjs.zKey.beacon(from, to, name, value, BEACON_ITERATIONS_EXP);
  if (!(done instanceof Uint8Array)) throw new Error('the beacon is not hex of 1 to 255 bytes');
}

/** The build's own beacon: no public randomness is at hand there, so it is the hash of the contribution before. */
export function beaconAfter(hash: string): string {
  return createHash('sha256').update(Buffer.from(hash, 'hex')).digest('hex');
}

/**
 * Checks a key against circuit and phase 1, every step of phase 2 included.
 * @returns the steps, oldest first
 * @throws Error when the key is not sound
 */
export async function verifyKey(
  r1cs: Uint8Array,
  phase1: Uint8Array,
  zkey: Uint8Array,
): Promise<Contribution[]> {
  const log = new LineLog();
  const sound = await snarkjs.zKey.verifyFromR1cs(r1cs, phase1, zkey, log);
  if (!sound) throw new Error(`the key does not verify: ${log.errors.join('; ')}`);
  return contributionsFrom(log.lines);
}

/** snarkjs tells the steps of a verified key in its log only: newest first, a beacon after the step it belongs to. */
function contributionsFrom(lines: readonly string[]): Contribution[] {
  const steps: Contribution[] = [];
  let beaconValue = '';
  for (const line of lines) {
    const step = /^contribution #\d+ (.*):\n([\s0-9a-f]+)$/.exec(line);
    if (step) steps.unshift({ name: step[1] ?? '', hash: (step[2] ?? '').replaceAll(/\s/g, '') });
    beaconValue = /^Beacon generator: ([0-9a-f]+)$/.exec(line)?.[1] ?? beaconValue;
    const iterations = /^Beacon iterations Exp: (\d+)$/.exec(line)?.[1];
    const lastRead = steps[0];
    if (iterations !== undefined && lastRead !== undefined) {
      steps[0] = { ...lastRead, beacon: { value: beaconValue, iterationsExp: Number(iterations) } };
    }
  }
  return steps;
}

/**
 * The verification key of a proving key.
 * @throws Error when gamma equals delta, which lets anyone forge (a phase 2 nobody contributed to), or when it is
 * for another number of public signals
 */
export async function exportVerificationKey(
  zkey: string,
  publicSignals: number,
): Promise<VerificationKeyText> {
  const key = await snarkjs.zKey.exportVerificationKey(zkey);
  if (JSON.stringify(key.vk_gamma_2) === JSON.stringify(key.vk_delta_2))
    throw new Error('gamma equals delta');
  if (key.nPublic !== publicSignals || key.IC.length !== publicSignals + 1) {
    throw new Error('the verification key is for another number of public signals');
  }
  return key;
}

class LineLog implements Logger {
  readonly lines: string[] = [];
  readonly errors: string[] = [];

  debug(): void {}

  info(line: string): void {
    this.lines.push(line);
  }

  warn(): void {}

  error(line: string): void {
    this.errors.push(line);
  }
}
