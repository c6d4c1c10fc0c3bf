import type { WireProof } from '@akashi/circuits';
import { need } from './chunk.ts';
import { bind, type Combiner, type Preparation, type Random } from './groth16.ts';

/** Few points times scalars: on WebAssembly, or without it (React Native's Hermes, a page whose policy forbids it). */
export async function loadCombiner(webAssembly: unknown = globalThis.WebAssembly ?? null): Promise<Combiner> {
  if (webAssembly !== null) {
    const { ProverCurve } = await need(() => import('./prover-curve.ts'));
    try {
      return await ProverCurve.load();
    } catch {
      // present, but not allowed to run
    }
  }
  const { nobleCombiner } = await need(() => import('./noble-combiner.ts'));
  return nobleCombiner;
}

// Compiled once: it holds nothing of any proof.
let combiner: Promise<Combiner> | undefined;

/** Loads what binding needs, if it is not there yet. @throws AkashiError `artifact_unavailable` */
export function readyCombiner(): Promise<Combiner> {
  combiner ??= loadCombiner().catch((error: unknown) => {
    // A page that was offline for a moment must not stay so.
    combiner = undefined;
    throw error;
  });
  return combiner;
}

/**
 * A fresh proof from a preparation, on the calling thread: a few scalar multiplications.
 * @throws AkashiError `proof_failed` for a preparation whose points are none
 */
export async function bindProof(
  preparation: Preparation,
  challenge: bigint,
  random: Random,
): Promise<WireProof> {
  return bind(preparation, challenge, await readyCombiner(), random);
}
