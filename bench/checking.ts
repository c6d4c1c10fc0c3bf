import { readFile } from 'node:fs/promises';
import {
  FACT_IDS,
  type FactId,
  type Proof,
  parseProof,
  signalsToArray,
  type WireProof,
} from '@akashi/circuits';
import type { Prover } from '@akashi/sdk/holder';
import { artifactFile } from '../circuits/artifact.ts';
import { type ProofText, snarkjs, type VerificationKeyText } from '../circuits/snarkjs.ts';
import { verifyProof } from '../verifier/proof.ts';
import type { VerificationKeys } from '../verifier/verification-keys.ts';
import { median, rounded } from './quantile.ts';
import type { Results } from './results.ts';
import { type Random, SAMPLES } from './samples.ts';

// The verifier's check of one proof, parsing of its points included, beside snarkjs's of the same proof. The two take
// turns, so that whatever else the machine does meets both.

const WARM_UP = 10;

/** @param runs of each, for each fact */
export async function measureChecking(
  keys: VerificationKeys,
  prover: Prover,
  runs: number,
  random: Random,
): Promise<Results['checking']> {
  const measured: Results['checking'] = [];
  for (const fact of FACT_IDS) measured.push(await measureFact(fact, keys, prover, runs, random));
  return measured;
}

async function measureFact<F extends FactId>(
  fact: F,
  keys: VerificationKeys,
  prover: Prover,
  runs: number,
  random: Random,
): Promise<Results['checking'][number]> {
  const { inputs, signals } = SAMPLES[fact](random);
  const wire = await prover.prove(fact, inputs);
  const [proof, values] = [parseProof(wire), signalsToArray(fact, signals)];
  const path = new URL(`../circuits/artifacts/${artifactFile(fact, 'vkey').name}`, import.meta.url);
  const text: VerificationKeyText = JSON.parse(await readFile(path, 'utf8'));
  const ours = () => verifyProof(keys[fact], values, proof);
  const theirs = () => snarkjs.groth16.verify(text, values.map(String), proofText(wire));

  if (verifyProof(keys[fact], values, moved(proof))) throw new Error(`${fact}: a proof of nothing holds`);
  const times = { ours: [] as number[], theirs: [] as number[] };
  for (let run = -WARM_UP; run < runs; run++) {
    const [first, second] = [await timed(ours), await timed(theirs)];
    if (!first.holds || !second.holds) throw new Error(`${fact}: the proof does not hold`);
    if (run < 0) continue;
    times.ours.push(first.ms);
    times.theirs.push(second.ms);
  }
  return { fact, runs, verifyProof: rounded(median(times.ours)), snarkjs: rounded(median(times.theirs)) };
}

async function timed(check: () => boolean | Promise<boolean>): Promise<{ holds: boolean; ms: number }> {
  const begun = performance.now();
  const holds = await check();
  return { holds, ms: performance.now() - begun };
}

/** Points of the right groups that prove nothing: what is timed must be able to say no. */
function moved({ a, b, c }: Proof): Proof {
  return { a: c, b, c: a };
}

function proofText({ a, b, c }: WireProof): ProofText {
  return {
    pi_a: [...a, '1'],
    pi_b: [...b, ['1', '0']],
    pi_c: [...c, '1'],
    protocol: 'groth16',
    curve: 'bn128',
  };
}
