import {
  type CircuitInputs,
  computeWitness,
  type FactId,
  fieldFromBytes,
  signalsToArray,
  type WireProof,
} from '@akashi/circuits';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { groth16 } from 'snarkjs';
import { bindProof } from '../sdk/binding.ts';
import type { Preparation } from '../sdk/groth16.ts';
import { lateBound, SAMPLES } from './samples.ts';

// Runs in the browser, under the policy of a phone page; proving.ts calls it from outside. All prove on the main thread,
// the peers as well as we: it is the only thread that the browser can slow down.

/** A proof and what it is of: a time counts only if the proof holds. */
export interface TimedProof {
  readonly ms: number;
  readonly proof: WireProof;
  /** Decimal, in circuit order. */
  readonly signals: readonly string[];
}

/** What circom makes of inputs by name. Decimal. */
export type InputText = Readonly<Record<string, string | readonly string[]>>;

export interface ProvingPage {
  /** Everything but the challenge, for fresh inputs; {@link ProvingPage.bind} goes on from there. Milliseconds. */
  prepare(fact: FactId): Promise<number>;
  /** A proof for a fresh challenge, from the last preparation of this fact. */
  bind(fact: FactId): Promise<TimedProof>;
  /** snarkjs's proof for fresh inputs, its witness included. */
  snarkjs(fact: FactId): Promise<TimedProof>;
  /** The same on a circuit of others. */
  snarkjsOn(circuit: string, inputs: InputText): Promise<TimedProof>;
  /** Milliseconds of a fixed piece of work. */
  calibrate(): number;
}

declare global {
  var provingPage: ProvingPage;
}

type FullProve = (
  inputs: object,
  wasm: Uint8Array,
  zkey: Uint8Array,
  logger: undefined,
  witnessOptions: undefined,
  options: { readonly singleThread: true },
) => Promise<{
  readonly proof: {
    readonly pi_a: readonly [string, string, string];
    readonly pi_b: readonly [[string, string], [string, string], [string, string]];
    readonly pi_c: readonly [string, string, string];
  };
  readonly publicSignals: readonly string[];
}>;

const { fullProve } = groth16 as unknown as { readonly fullProve: FullProve };
const prover = inlineProver({ artifactsUrl: new URL('/artifacts/', location.href) });
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const element = () => fieldFromBytes(random(31));

interface Prepared {
  readonly inputs: object;
  readonly preparation: Preparation;
}
const prepared = new Map<FactId, Prepared>();

async function prepare<F extends FactId>(fact: F): Promise<number> {
  const { fixed: inputs } = lateBound(SAMPLES[fact](random).inputs);
  const begun = performance.now();
  const preparation = await prover.prepare(fact, inputs);
  const ms = performance.now() - begun;
  prepared.set(fact, { inputs, preparation });
  return ms;
}

async function bind<F extends FactId>(fact: F): Promise<TimedProof> {
  const last = prepared.get(fact);
  if (last === undefined) throw new TypeError('prepare comes first');
  const challenge = element();
  const begun = performance.now();
  const proof = await bindProof(last.preparation, challenge, random);
  const ms = performance.now() - begun;
  const { signals } = computeWitness(fact, { ...last.inputs, challenge } as CircuitInputs<F>);
  return { ms, proof, signals: signalsToArray(fact, signals).map(String) };
}

const files = new Map<string, Promise<Uint8Array>>();

/** Fetched once: downloads are measured elsewhere. */
function peerFile(name: string): Promise<Uint8Array> {
  const found = files.get(name) ?? fetchBytes(new URL(`/peers/${name}`, location.href));
  files.set(name, found);
  return found;
}

async function fetchBytes(url: URL): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname} is not there`);
  return new Uint8Array(await response.arrayBuffer());
}

async function snarkjsOn(circuit: string, inputs: object): Promise<TimedProof> {
  const [wasm, zkey] = await Promise.all([peerFile(`${circuit}.wasm`), peerFile(`${circuit}.zkey`)]);
  const options = { singleThread: true } as const;
  const begun = performance.now();
  const { proof, publicSignals } = await fullProve(inputs, wasm, zkey, undefined, undefined, options);
  const ms = performance.now() - begun;
  const [{ pi_a: a, pi_b: b, pi_c: c }, signals] = [proof, publicSignals];
  return { ms, proof: { a: [a[0], a[1]], b: [b[0], b[1]], c: [c[0], c[1]] }, signals };
}

const CALIBRATION_ROUNDS = 30_000_000;

function calibrate(): number {
  const begun = performance.now();
  let state = 1;
  for (let round = 0; round < CALIBRATION_ROUNDS; round++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  // The result is looked at, so that the loop cannot be taken out as one that does nothing.
  if (state === 0) throw new Error('xorshift never reaches zero');
  return performance.now() - begun;
}

globalThis.provingPage = {
  prepare,
  bind,
  snarkjs: (fact) => snarkjsOn(fact, SAMPLES[fact](random).inputs),
  snarkjsOn,
  calibrate,
};
