import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { artifactFile } from './artifact.ts';
import { type Compilation, compileFact } from './compilation.ts';
import { allWires, holds, modulo, occurrences } from './constraints.ts';
import type { CircuitInputs, FactId } from './protocol.ts';
import { readWitness } from './r1cs.ts';
import { endSnarkjs, type FileRef, type ProofText, snarkjs, type VerificationKeyText } from './snarkjs.ts';

// Test support: one fact with the constraints its sources compile to and the keys that ship.

export interface Circuit<F extends FactId> {
  readonly compilation: Compilation;
  /** All wires, as the compiled code computes them. Rejects when an assertion of the circuit fails. */
  witness(inputs: CircuitInputs<F>): Promise<bigint[]>;
  /** Number of the wire of a signal, by its name in the circuit. */
  wire(name: string): number;
  prove(inputs: CircuitInputs<F>): Promise<Proven>;
  verify(signals: readonly string[], proof: ProofText): Promise<boolean>;
  close(): Promise<void>;
}

export interface Proven {
  readonly proof: ProofText;
  readonly publicSignals: readonly string[];
}

export async function openCircuit<F extends FactId>(fact: F): Promise<Circuit<F>> {
  const folder = await mkdtemp(join(tmpdir(), `akashi-${fact}-`));
  const compilation = await compileFact(fact, folder);
  const path = (kind: 'zkey' | 'vkey'): string =>
    fileURLToPath(new URL(`artifacts/${artifactFile(fact, kind).name}`, import.meta.url));
  const key: VerificationKeyText = JSON.parse(await readFile(path('vkey'), 'utf8'));

  async function calculate(inputs: CircuitInputs<F>): Promise<Uint8Array> {
    const witness: FileRef = { type: 'mem' };
    await snarkjs.wtns.calculate({ ...inputs }, compilation.wasm, witness);
    return witness.data ?? new Uint8Array();
  }

  return {
    compilation,
    witness: async (inputs) => readWitness(await calculate(inputs)),
    wire(name) {
      const wire = compilation.symbols.get(name);
      if (wire === undefined) throw new RangeError(`no wire ${name}`);
      return wire;
    },
    prove: async (inputs) => snarkjs.groth16.prove(path('zkey'), await calculate(inputs)),
    verify: (signals, proof) => snarkjs.groth16.verify(key, signals, proof),
    async close() {
      await rm(folder, { recursive: true });
      await endSnarkjs();
    },
  };
}

/** Names of the wires that can be changed by `delta`, alone, and still satisfy every constraint. */
export function freeWires(compilation: Compilation, witness: readonly bigint[], delta: bigint): string[] {
  const names = new Map([...compilation.symbols].map(([name, wire]) => [wire, name]));
  const found = occurrences(compilation.r1cs);
  const wires = new Map(allWires(witness));
  const free: string[] = [];
  for (let wire = 1; wire < compilation.r1cs.wires; wire++) {
    const value = witness[wire] ?? 0n;
    wires.set(wire, modulo(value + delta));
    if ((found.get(wire) ?? []).every((constraint) => holds(constraint, wires))) {
      free.push(names.get(wire) ?? `wire ${wire}`);
    }
    wires.set(wire, value);
  }
  return free;
}
