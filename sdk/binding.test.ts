import { describe, expect, test } from 'vitest';
import { bindProof, loadCombiner } from './binding.ts';
import { bind } from './groth16.ts';
import { nobleCombiner } from './noble-combiner.ts';
import { ProverCurve } from './prover-curve.ts';
import { isBoundTo, PREPARATION } from './scripted-phone.ts';

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

describe('binding', () => {
  test('runs on WebAssembly where there is some, and on plain TypeScript elsewhere', async () => {
    expect(await loadCombiner()).toBeInstanceOf(ProverCurve);
    expect(await loadCombiner(null)).toBe(nobleCombiner);
  });

  test('makes a proof of the challenge, another one each time, sharing no group element', async () => {
    const proofs = [await bindProof(PREPARATION, 5n, random), await bindProof(PREPARATION, 5n, random)];
    for (const proof of proofs) {
      expect(isBoundTo(proof, 5n)).toBe(true);
      expect(isBoundTo(proof, 4n)).toBe(false);
    }
    expect(new Set(JSON.stringify(proofs).match(/\d+/g)).size).toBe(16);
  });

  test('is the same on either platform, given the same random bytes', async () => {
    const bytes = random(48);
    const [one, other] = [await loadCombiner(), nobleCombiner].map((combiner) =>
      bind(PREPARATION, 5n, combiner, () => bytes),
    );
    expect(one).toEqual(other);
  });
});
