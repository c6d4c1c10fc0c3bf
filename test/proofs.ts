import type { Prover } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';

/** One prover for all phones of a process: circuits and keys are read once. */
export const prover: Prover = inlineProver();
