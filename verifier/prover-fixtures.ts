import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import {
  type CircuitInputs,
  computeWitness,
  decodeProvingKey,
  type FactId,
  FIELD_ORDER,
  type WireProof,
} from '@akashi/circuits';
import { type ArtifactKind, artifactFile } from '@akashi/circuits/artifacts';

// snarkjs as the tests need it: it makes proofs from the keys of the ceremony, so that the engine is held against
// something other than our own prover, and it is the oracle. Nothing that ships imports this file. snarkjs comes
// without types; these are the two calls used, as its 0.7.6 has them.

interface SnarkjsProof {
  readonly pi_a: readonly string[];
  readonly pi_b: readonly (readonly string[])[];
  readonly pi_c: readonly string[];
}

interface Snarkjs {
  readonly groth16: {
    prove(
      zkey: string,
      witness: Uint8Array,
    ): Promise<{ readonly proof: SnarkjsProof; readonly publicSignals: readonly string[] }>;
    verify(key: unknown, signals: readonly string[], proof: object): Promise<boolean>;
  };
}

const require = createRequire(import.meta.url);
const snarkjs: Snarkjs = require('snarkjs');

/** The file of a fact. */
export function artifactPath(fact: FactId, kind: ArtifactKind): string {
  return require.resolve(`@akashi/circuits/artifacts/${artifactFile(fact, kind).name}`);
}

/** A proof as it travels, with the public signals that it is for. */
export async function prove<F extends FactId>(
  fact: F,
  inputs: CircuitInputs<F>,
): Promise<{ readonly proof: WireProof; readonly signals: readonly bigint[] }> {
  const witness = encodeWitness(await wiresOf(fact, inputs));
  const { proof, publicSignals } = await snarkjs.groth16.prove(artifactPath(fact, 'zkey'), witness);
  const at = (row: readonly string[] | undefined, i: number) => row?.[i] ?? '';
  return {
    proof: {
      a: [at(proof.pi_a, 0), at(proof.pi_a, 1)],
      b: [
        [at(proof.pi_b[0], 0), at(proof.pi_b[0], 1)],
        [at(proof.pi_b[1], 0), at(proof.pi_b[1], 1)],
      ],
      c: [at(proof.pi_c, 0), at(proof.pi_c, 1)],
    },
    signals: publicSignals.map(BigInt),
  };
}

/** Every wire of the circuit: the tape of its program, in the order of the compiled constraints. */
async function wiresOf<F extends FactId>(fact: F, inputs: CircuitInputs<F>): Promise<readonly bigint[]> {
  const { tape } = computeWitness(fact, inputs);
  const { wires } = decodeProvingKey(await readFile(artifactPath(fact, 'key')));
  return [...wires].map((place) =>
    place < 0 ? (FIELD_ORDER - (tape[-1 - place] ?? 0n)) % FIELD_ORDER : (tape[place] ?? 0n),
  );
}

/** The witness file that snarkjs reads: a header, then every wire in 32 bytes, little-endian. */
function encodeWitness(wires: readonly bigint[]): Uint8Array {
  const element = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
  const uint32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
  const section = (id: number, content: Buffer) =>
    Buffer.concat([uint32(id), uint32(content.length), uint32(0), content]);
  return Buffer.concat([
    Buffer.from('wtns'),
    ...[uint32(2), uint32(2)],
    section(1, Buffer.concat([uint32(32), element(FIELD_ORDER), uint32(wires.length)])),
    section(2, Buffer.concat(wires.map(element))),
  ]);
}

/** What snarkjs says of the same proof. */
export function oracleSays(
  key: unknown,
  signals: readonly bigint[],
  { a, b, c }: WireProof,
): Promise<boolean> {
  const proof = {
    pi_a: [...a, '1'],
    pi_b: [...b, ['1', '0']],
    pi_c: [...c, '1'],
    protocol: 'groth16',
    curve: 'bn128',
  };
  return snarkjs.groth16.verify(key, signals.map(String), proof);
}

/** Ends the worker threads that snarkjs keeps for the curve; without it a process never exits. */
export async function endProver(): Promise<void> {
  const { curve_bn128: curve } = globalThis as { curve_bn128?: { terminate(): Promise<void> } };
  await curve?.terminate();
}
