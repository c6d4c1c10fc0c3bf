import { randomBytes } from 'node:crypto';
import type { CircuitInputs, FactId, WireProof } from '@akashi/circuits';
import type { Prover } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { bindProof } from '../sdk/binding.ts';

/** One prover for all phones of a process: circuits and keys are read once. */
export const prover: Prover = inlineProver();

const preparations = new Map<string, ReturnType<Prover['prepare']>>();

/** The same proof as `prover.prove` makes, of what phones without the SDK prove again and again: only the challenge is new. */
export async function prove<F extends FactId>(fact: F, inputs: CircuitInputs<F>): Promise<WireProof> {
  const { challenge, ...fixed } = inputs as CircuitInputs<F> & { readonly challenge: bigint };
  const name = `${fact} ${Object.entries(fixed)}`;
  const preparation = preparations.get(name) ?? prover.prepare(fact, fixed);
  preparations.set(name, preparation);
  return bindProof(await preparation, challenge, randomBytes);
}
