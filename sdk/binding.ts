import type { WireProof } from '@akashi/circuits';
import { bind, type Combiner, type Preparation, type Random } from './groth16.ts';

/** Few points times scalars: on WebAssembly, or without it (React Native's Hermes, a page whose policy forbids it). */
export async function loadCombiner(webAssembly: unknown = globalThis.WebAssembly ?? null): Promise<Combiner> {
  if (webAssembly !== null) {
    try {
      const { Bn254 } = await import('./bn254.ts');
      return await Bn254.load();
    } catch {
      // present, but not allowed to run
    }
  }
  const { nobleCombiner } = await import('./noble-combiner.ts');
  return nobleCombiner;
}

// Compiled once: it holds nothing of any proof.
let combiner: Promise<Combiner> | undefined;

/**
 * A fresh proof from a preparation, on the calling thread: a few scalar multiplications.
 * @throws AkashiError `proof_failed` for a preparation whose points are none
 */
export async function bindProof(
  preparation: Preparation,
  challenge: bigint,
  random: Random,
): Promise<WireProof> {
  combiner ??= loadCombiner();
  return bind(preparation, challenge, await combiner, random);
}
