import { FACT_IDS, type FactId, parseProof, signalsToArray } from '@akashi/circuits';
import type { Prover } from '@akashi/sdk/holder';
import { loadCombiner } from '../sdk/binding.ts';
import { bind, type Combiner } from '../sdk/groth16.ts';
import { verifyProof } from '../verifier/proof.ts';
import type { VerificationKeys } from '../verifier/verification-keys.ts';
import { median, rounded } from './quantile.ts';
import { lateBound, type Random, SAMPLES } from './samples.ts';

// Binding where there is no WebAssembly, as in React Native's Hermes: here in Node, which compiles what Hermes interprets.

const WARM_UP = 6;

/** Median of `runs`, the facts by turns. @throws Error when a proof does not hold */
export async function measurePlainBinding(
  keys: VerificationKeys,
  prover: Prover,
  runs: number,
  random: Random,
): Promise<number> {
  const combiner = await loadCombiner(null);
  const bindings: (() => number)[] = [];
  for (const fact of FACT_IDS) bindings.push(await binding(fact, keys, prover, combiner, random));
  const times: number[] = [];
  for (let run = -WARM_UP; run < runs; run++) {
    const ms = bindings[(run + WARM_UP) % bindings.length]?.();
    if (run >= 0 && ms !== undefined) times.push(ms);
  }
  return rounded(median(times));
}

async function binding<F extends FactId>(
  fact: F,
  keys: VerificationKeys,
  prover: Prover,
  combiner: Combiner,
  random: Random,
): Promise<() => number> {
  const { inputs, signals } = SAMPLES[fact](random);
  const { challenge, fixed } = lateBound(inputs);
  const preparation = await prover.prepare(fact, fixed);
  const values = signalsToArray(fact, signals);
  return () => {
    const begun = performance.now();
    const proof = bind(preparation, challenge, combiner, random);
    const ms = performance.now() - begun;
    if (!verifyProof(keys[fact], values, parseProof(proof)))
      throw new Error(`${fact}: a proof does not hold`);
    return ms;
  };
}
