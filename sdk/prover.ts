import type { CircuitInputs, FactId, WireProof } from '@akashi/circuits';

export type ProvingStage = 'loading' | 'proving';

export interface ProveOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((stage: ProvingStage) => void) | undefined;
}

/** Makes proofs: in a worker in browsers, in process in Node. */
export interface Prover {
  prove<F extends FactId>(fact: F, inputs: CircuitInputs<F>, options?: ProveOptions): Promise<WireProof>;
  /** Ends what is running and frees what is held; a later `prove` starts anew. */
  close(): void;
}
