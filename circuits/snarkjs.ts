import { createRequire } from 'node:module';

// snarkjs (GPL-3.0) is a tool of the build and an oracle of the tests; nothing that ships imports this file. It comes
// without types: these are the few calls used here, as its 0.7.6 README and source have them.

/** A file in memory to write to; snarkjs fills in `data`. */
export interface FileRef {
  readonly type: 'mem';
  data?: Uint8Array;
}

export interface Logger {
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

export type G1Text = readonly string[];
export type G2Text = readonly (readonly string[])[];

/** A Groth16 verification key as snarkjs writes it: decimal coordinates, projective. */
export interface VerificationKeyText {
  readonly protocol: string;
  readonly curve: string;
  readonly nPublic: number;
  readonly vk_alpha_1: G1Text;
  readonly vk_beta_2: G2Text;
  readonly vk_gamma_2: G2Text;
  readonly vk_delta_2: G2Text;
  readonly IC: readonly G1Text[];
}

export interface ProofText {
  readonly pi_a: G1Text;
  readonly pi_b: G2Text;
  readonly pi_c: G1Text;
  readonly protocol: string;
  readonly curve: string;
}

interface Snarkjs {
  readonly powersOfTau: {
    newAccumulator(curve: unknown, power: number, ptau: string): Promise<unknown>;
    contribute(from: string, to: string, name: string, entropy: string): Promise<unknown>;
    preparePhase2(from: string, to: string): Promise<unknown>;
  };
  readonly curves: { getCurveFromName(name: 'bn128'): Promise<unknown> };
  readonly zKey: {
    /** Phase 2 begins. Anything but bytes as the answer is a failure. */
    newZKey(r1cs: Uint8Array, ptau: Uint8Array, zkey: FileRef, logger?: Logger): Promise<unknown>;
    contribute(from: string, to: string, name: string, entropy: string): Promise<Uint8Array>;
    beacon(from: string, to: string, name: string, hex: string, iterationsExp: number): Promise<unknown>;
    verifyFromR1cs(r1cs: Uint8Array, ptau: Uint8Array, zkey: Uint8Array, logger?: Logger): Promise<boolean>;
    exportVerificationKey(zkey: string): Promise<VerificationKeyText>;
  };
  readonly wtns: {
    calculate(
      inputs: Readonly<Record<string, bigint | readonly bigint[]>>,
      wasm: Uint8Array | string,
      witness: FileRef,
    ): Promise<void>;
  };
  readonly groth16: {
    prove(
      zkey: string,
      witness: Uint8Array,
    ): Promise<{ readonly proof: ProofText; readonly publicSignals: readonly string[] }>;
    verify(key: VerificationKeyText, signals: readonly string[], proof: ProofText): Promise<boolean>;
  };
}

const require = createRequire(import.meta.url);

export const snarkjs: Snarkjs = require('snarkjs');

/** Ends the worker threads that snarkjs keeps for the curve; without it the process never exits. */
export async function endSnarkjs(): Promise<void> {
  const { curve_bn128: curve } = globalThis as { curve_bn128?: { terminate(): Promise<void> } };
  await curve?.terminate();
}
