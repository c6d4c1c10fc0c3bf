import { randomBytes } from 'node:crypto';
import {
  type CircuitInputs,
  type FactId,
  fieldFromBytes,
  parseProof,
  type WireProof,
} from '@akashi/circuits';
import { accountsTree, holderCommitment } from '@akashi/circuits/poseidon';
import type { FactCheck } from './checker.ts';
import { parsePoints } from './proof.ts';
import { endProver, prove } from './prover-fixtures.ts';
import { loadVerificationKeys } from './verification-keys.ts';

// Real proofs of random witnesses, for whoever checks proofs in tests. Nothing that ships imports this file.

export const secret = () => fieldFromBytes(randomBytes(31));

export function pinInputs(): CircuitInputs<'pin'> {
  return { challenge: secret(), pinKey: secret(), holderSecret: secret() };
}

export function accountInputs(reveal: bigint): CircuitInputs<'account'> {
  const holderSecret = secret();
  const accountKeys = [secret(), secret(), secret()];
  const { paths } = accountsTree(accountKeys, holderCommitment(holderSecret));
  return {
    ...{ challenge: secret(), scope: secret(), reveal, holderSecret },
    ...{ accountKey: accountKeys[1] ?? 0n, index: 1n, siblings: paths[1] ?? [] },
  };
}

export interface ProofSample {
  readonly proof: WireProof;
  readonly check: FactCheck;
}

/** A proof of `pin`, and one of `account` with and without the account revealed. Ends the prover's threads. */
export async function proofSamples(): Promise<readonly ProofSample[]> {
  await loadVerificationKeys();
  const made = [
    { fact: 'pin', ...(await prove('pin', pinInputs())) },
    { fact: 'account', ...(await prove('account', accountInputs(0n))) },
    { fact: 'account', ...(await prove('account', accountInputs(1n))) },
  ] as const satisfies readonly { readonly fact: FactId }[];
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
