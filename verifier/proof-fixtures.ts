import { randomBytes } from 'node:crypto';
import { FACT_IDS, type FactId, fieldFromBytes, parseProof, type WireProof } from '@akashi/circuits';
import { sampleInputs } from '../circuits/sample-inputs.ts';
import type { FactCheck } from './checker.ts';
import { parsePoints } from './proof.ts';
import { endProver, prove } from './prover-fixtures.ts';
import { loadVerificationKeys } from './verification-keys.ts';

// Real proofs of random witnesses, for whoever checks proofs in tests. Nothing that ships imports this file.

export const secret = () => fieldFromBytes(randomBytes(31));

export interface ProofSample {
  readonly proof: WireProof;
  readonly check: FactCheck;
}

/** A proof by snarkjs of every fact, and of `account` one with and one without the account revealed. */
export async function provenSamples() {
  const made = [];
  for (const fact of FACT_IDS) made.push({ fact, ...(await prove(fact, sampleInputs(fact, secret))) });
  const account = sampleInputs('account', secret);
  for (const reveal of [0n, 1n]) {
    made.push({ fact: 'account' as FactId, ...(await prove('account', { ...account, reveal })) });
  }
  return made;
}

/** {@link provenSamples}, ready to be checked. Ends the prover's threads. */
export async function proofSamples(): Promise<readonly ProofSample[]> {
  await loadVerificationKeys();
  const made = await provenSamples();
  await endProver();
  return made.map(({ fact, proof, signals }) => ({
    proof,
    check: { fact, signals, points: parsePoints(parseProof(proof)) },
  }));
}

/** The same proof for another challenge: well formed, and of nothing. */
export function spoiled(check: FactCheck): FactCheck {
  const last = check.signals.length - 1;
  return { ...check, signals: check.signals.with(last, (check.signals[last] ?? 0n) ^ 1n) };
}
