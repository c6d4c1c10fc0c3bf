import {
  AkashiError,
  type CircuitInputs,
  computeWitness,
  decodeProvingKey,
  FACTS,
  type FactId,
  FIELD_ORDER,
  type ProvingKey,
  signalNames,
  type WireProof,
} from '@akashi/circuits';
import type { LoadArtifact } from './artifact.ts';
import { bind, type Preparation, prepare } from './groth16.ts';
import type { PrepareOptions, ProveOptions } from './prover.ts';
import { ProverCurve } from './prover-curve.ts';
import { queue } from './queue.ts';

// Makes proofs in whatever thread it is called: worker and in-process provers run this same code.

/** Inputs of a circuit by name, public and private. */
export type NamedInputs = Readonly<Record<string, bigint | readonly bigint[]>>;

/**
 * Whether the inputs satisfy the circuit is the caller's to make sure of: for most others there comes a proof that does
 * not verify. Both throw AkashiError `artifact_*`, `proof_failed`, `aborted`; TypeError for inputs that are not those of the fact.
 */
export interface Proving {
  prove(fact: FactId, inputs: NamedInputs, options: ProveOptions): Promise<WireProof>;
  /** @param inputs without a challenge */
  prepare(fact: FactId, inputs: NamedInputs, options: PrepareOptions): Promise<Preparation>;
}

export interface ProvingOptions {
  readonly load: LoadArtifact;
  /** Cryptographically secure. */
  readonly random: (length: number) => Uint8Array;
}

/** One after the other: the curve's memory is one stack. */
export function openProving({ load, random }: ProvingOptions): Proving {
  const keys = new Map<FactId, ProvingKey>();
  const inTurn = queue();
  let curve: Promise<ProverCurve> | undefined;

  const keyOf = async (fact: FactId, signal: AbortSignal | undefined): Promise<ProvingKey> => {
    const key = keys.get(fact) ?? decodeProvingKey(await load(fact, signal));
    keys.set(fact, key);
    return key;
  };
  const prepareFor = async <F extends FactId>(
    fact: F,
    inputs: CircuitInputs<F>,
    { signal, onProgress, done, onPart }: PrepareOptions,
  ): Promise<{ readonly preparation: Preparation; readonly curve: ProverCurve }> => {
    onProgress?.('loading');
    curve ??= ProverCurve.load();
    const [loaded, key] = await Promise.all([curve, keyOf(fact, signal)]);
    onProgress?.('proving');
    const pause = breather(signal);
    await pause();
    // Made for challenge 0; the real one comes in when it is bound.
    const witness = computeWitness(fact, { ...inputs, challenge: 0n });
    const challengeSignal = (signalNames(fact) as readonly string[]).indexOf('challenge') + 1;
    const preparation = await prepare(loaded, key, witness, challengeSignal, {
      pause,
      ...(done && { done }),
      ...(onPart && { onPart }),
    });
    return { preparation, curve: loaded };
  };

  return {
    prove: (fact, inputs, options) =>
      inTurn(async () => {
        if (!areInputsOf(fact, inputs)) throw new TypeError('not the inputs of this fact');
        return orProofFailed(async () => {
          const { preparation, curve: combiner } = await prepareFor(fact, inputs, options);
          return bind(preparation, inputs.challenge, combiner, random);
        });
      }),
    prepare: (fact, inputs, options) =>
      inTurn(async () => {
        const fixed = { ...inputs, challenge: 0n };
        // A challenge that came along would be left out in silence.
        if (Object.hasOwn(inputs, 'challenge') || !areInputsOf(fact, fixed))
          throw new TypeError('not the inputs of this fact');
        return orProofFailed(async () => (await prepareFor(fact, fixed, options)).preparation);
      }),
  };
}

async function orProofFailed<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw cause instanceof AkashiError ? cause : new AkashiError('proof_failed', { cause });
  }
}

/** Exactly the registered inputs, each a field element or as many as the registry says. */
function areInputsOf<F extends FactId>(
  fact: F,
  inputs: NamedInputs,
): inputs is CircuitInputs<F> & { readonly challenge: bigint } & NamedInputs {
  const { inputs: publicInputs, privateInputs } = FACTS[fact];
  const lengths = new Map<string, number>([
    ...publicInputs.map((name) => [name, 1] as const),
    ...Object.entries(privateInputs),
  ]);
  const isElement = (value: unknown) => typeof value === 'bigint' && value >= 0n && value < FIELD_ORDER;
  const fits = ([name, value]: readonly [string, bigint | readonly bigint[]]) => {
    const length = lengths.get(name);
    return length === 1
      ? isElement(value)
      : Array.isArray(value) && value.length === length && value.every(isElement);
  };
  const given = Object.entries(inputs);
  return given.length === lengths.size && given.every(fits);
}

/** Lets other tasks of the thread run now and then, and ends the proof of a caller who stopped. */
function breather(signal: AbortSignal | undefined): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last > 30) {
      await new Promise((resolve) => setTimeout(resolve));
      last = performance.now();
    }
    if (signal?.aborted) throw new AkashiError('aborted', { cause: signal.reason });
  };
}
