import type { CircuitInputs, FactId, WireProof } from '@akashi/circuits';
import type { Preparation, PreparedParts } from './groth16.ts';

export type ProvingStage = 'loading' | 'proving';

export interface ProveOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((stage: ProvingStage) => void) | undefined;
}

/** What a preparation is made from: all inputs of a circuit but the challenge. */
export type FixedInputs<F extends FactId> = Omit<CircuitInputs<F>, 'challenge'>;

export interface PrepareOptions extends ProveOptions {
  /** Parts of an earlier, interrupted call with the same inputs: they are not computed again. */
  readonly done?: Partial<PreparedParts> | undefined;
  /** Called with all parts so far, whenever there is one more. */
  readonly onPart?: ((parts: Partial<PreparedParts>) => void) | undefined;
}

/** Makes proofs: in a worker in browsers, in process in Node. */
export interface Prover {
  prove<F extends FactId>(fact: F, inputs: CircuitInputs<F>, options?: ProveOptions): Promise<WireProof>;
  /** All of a proof but its challenge; `bindProof` adds that in milliseconds (docs/protocol.md, section 3). */
  prepare<F extends FactId>(fact: F, inputs: FixedInputs<F>, options?: PrepareOptions): Promise<Preparation>;
  /** Ends what is running and frees what is held; a later call starts anew. */
  close(): void;
}
