import { AkashiError, FACT_IDS, type FactId, parseProof, signalsToArray } from '@akashi/circuits';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { type FactKey, nobleSays, peerKey, snarkjsSays } from '../../bench/peer-key.ts';
import { type Random, SAMPLES } from '../../bench/samples.ts';
import {
  type ProofCheck,
  parsePoints,
  verifyBatch,
  verifyPoints,
  verifyProof,
} from '../../verifier/proof.ts';
import { prove } from '../../verifier/prover-fixtures.ts';
import { loadVerificationKeys } from '../../verifier/verification-keys.ts';
import { type CaseClass, caseMaker, genuineProofs, type OracleCase, seededRandom } from './cases.ts';
import { isWellFormed } from './points.ts';

// The engine held against snarkjs and @noble/curves, and our prover against snarkjs's: a few in `npm test`, many
// thousands by `npm run soak:oracle`.

const CLASSES = ['valid', 'mutated', 'malformed'] as const satisfies readonly CaseClass[];
/** Cases that the engine is also asked about together. */
const BATCH = 32;

/** What was asked and what came of it; every list but `counts` is of disagreements. */
export interface OracleReport {
  readonly counts: Readonly<Record<CaseClass, number>>;
  readonly disagreements: readonly string[];
}

export interface CompareOptions {
  /** For the coefficients of batches. */
  readonly random: Random;
  /** Asks noble about every so many of the well-formed proofs; snarkjs is asked about all. By default all. */
  readonly nobleEvery?: number;
  readonly say?: (line: string) => void;
}

/** @param perClass how many cases of each class */
export async function compareVerifiers(
  seed: string,
  perClass: number,
  { random, nobleEvery = 1, say = () => {} }: CompareOptions,
): Promise<OracleReport> {
  const keys = await loadVerificationKeys();
  const oracles = Object.fromEntries(
    await Promise.all(FACT_IDS.map(async (fact) => [fact, await peerKey(fact)] as const)),
  ) as Record<FactId, FactKey>;
  const source = seededRandom(seed);
  const make = caseMaker(await genuineProofs(source, 4), oracles, source);
  const disagreements: string[] = [];
  const counts = { valid: 0, mutated: 0, malformed: 0 };
  let together: { readonly check: ProofCheck; readonly holds: boolean; readonly about: string }[] = [];

  function askTogether(): void {
    const verdicts = verifyBatch(
      together.map(({ check }) => check),
      random,
    );
    for (const [i, { holds, about }] of together.entries()) {
      if (verdicts[i] !== holds) disagreements.push(`${about}: ${verdicts[i]} in a batch, ${holds} alone`);
    }
    together = [];
  }

  /** What the engine says, and an answer for the batch where it takes the proof. */
  async function judge(item: OracleCase, index: number): Promise<void> {
    const { fact, signals, proof } = item;
    const about = `${seed}/${item.class}/${index} ${item.name} (${fact})`;
    const key = keys[fact];
    const formed = isWellFormed(proof);
    if (formed !== (item.class !== 'malformed')) disagreements.push(`${about}: the case is not of its class`);
    let points: ProofCheck['points'];
    try {
      points = parsePoints(parseProof(proof));
    } catch (error) {
      if (!(error instanceof AkashiError && error.code === 'malformed')) throw error;
      if (formed) disagreements.push(`${about}: refused as malformed`);
      return;
    }
    if (!formed) {
      disagreements.push(`${about}: taken for a proof`);
      return;
    }
    const wire = proof as Parameters<typeof snarkjsSays>[2];
    const holds = verifyPoints(key, signals, points);
    const expected = item.class === 'valid';
    const others = { snarkjs: await snarkjsSays(oracles[fact], signals, wire), noble: expected };
    if (index % nobleEvery === 0) others.noble = nobleSays(oracles[fact], signals, wire);
    if (holds !== expected || others.snarkjs !== expected || others.noble !== expected) {
      disagreements.push(`${about}: engine ${holds}, ${JSON.stringify(others)}`);
    }
    together.push({ check: { key, signals, points }, holds, about });
    if (together.length === BATCH) askTogether();
  }

  for (let i = 0; i < perClass; i++) {
    for (const wanted of CLASSES) {
      const item = make(wanted, i);
      await judge(item, i);
      counts[wanted]++;
    }
    if ((i + 1) % 100 === 0)
      say(`${i + 1} of ${perClass} of each class, ${disagreements.length} disagreements`);
  }
  askTogether();
  return { counts, disagreements };
}

/** Proofs of the same random witnesses by our prover and by snarkjs's, under the engine and under snarkjs. */
export async function compareProvers(
  seed: string,
  perFact: number,
  {
    facts = FACT_IDS,
    say = () => {},
  }: { readonly facts?: readonly FactId[]; readonly say?: (line: string) => void } = {},
): Promise<{ readonly proofs: number; readonly disagreements: readonly string[] }> {
  const keys = await loadVerificationKeys();
  const random = seededRandom(seed);
  const prover = inlineProver({ random });
  const disagreements: string[] = [];
  let proofs = 0;

  async function compare<F extends FactId>(fact: F, about: string): Promise<void> {
    const { inputs, signals } = SAMPLES[fact](random);
    const values = signalsToArray(fact, signals);
    const oracle = await peerKey(fact);
    const made = { ours: await prover.prove(fact, inputs), theirs: (await prove(fact, inputs)).proof };
    for (const [name, proof] of Object.entries(made)) {
      const engine = verifyProof(keys[fact], values, parseProof(proof));
      const snarkjs = await snarkjsSays(oracle, values, proof);
      proofs++;
      if (!engine || !snarkjs) disagreements.push(`${about} ${name}: engine ${engine}, snarkjs ${snarkjs}`);
    }
  }

  for (let i = 0; i < perFact; i++) {
    for (const fact of facts) await compare(fact, `${seed}/${fact}/${i}`);
    if ((i + 1) % 50 === 0) say(`${i + 1} of ${perFact} witnesses of each fact`);
  }
  prover.close();
  return { proofs, disagreements };
}
