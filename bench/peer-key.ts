import { readFile } from 'node:fs/promises';
import type { FactId, WireProof } from '@akashi/circuits';
import { bn254 } from '@noble/curves/bn254.js';
import { artifactFile } from '../circuits/artifact.ts';
import { type ProofText, snarkjs, type VerificationKeyText } from '../circuits/snarkjs.ts';
import { type PointG1, type PointG2, pointG1, pointG2, pointsOf } from './noble-points.ts';

/** A verification key as snarkjs and noble take it. */
export interface FactKey {
  readonly text: VerificationKeyText;
  readonly alpha: PointG1;
  readonly beta: PointG2;
  readonly gamma: PointG2;
  readonly delta: PointG2;
  readonly ic: readonly PointG1[];
}

export async function peerKey(fact: FactId): Promise<FactKey> {
  const path = new URL(`../circuits/artifacts/${artifactFile(fact, 'vkey').name}`, import.meta.url);
  const text: VerificationKeyText = JSON.parse(await readFile(path, 'utf8'));
  const g1 = ([x = '', y = '']: readonly string[]) => pointG1(x, y);
  const g2 = ([x = [], y = []]: readonly (readonly string[])[]) =>
    pointG2([x[0] ?? '', x[1] ?? ''], [y[0] ?? '', y[1] ?? '']);
  return {
    text,
    alpha: g1(text.vk_alpha_1),
    beta: g2(text.vk_beta_2),
    gamma: g2(text.vk_gamma_2),
    delta: g2(text.vk_delta_2),
    // Tables of multiples: the sum of inputs is the slower half of what noble does otherwise.
    ic: text.IC.map((point) => g1(point).precompute(8)),
  };
}

/** What @noble/curves says: the product of the four pairings is one. */
export function nobleSays(key: FactKey, signals: readonly bigint[], proof: WireProof): boolean {
  const { a, b, c } = pointsOf(proof);
  const [constant, ...ic] = key.ic;
  if (constant === undefined) throw new TypeError('a key without points');
  const sum = ic.reduce((total, point, i) => {
    const signal = signals[i] ?? 0n;
    return signal === 0n ? total : total.add(point.multiply(signal));
  }, constant);
  const product = bn254.pairingBatch([
    { g1: a.negate(), g2: b },
    { g1: key.alpha, g2: key.beta },
    { g1: sum, g2: key.gamma },
    { g1: c, g2: key.delta },
  ]);
  return bn254.fields.Fp12.eql(product, bn254.fields.Fp12.ONE);
}

/** What snarkjs says. It is not asked of what is no proof: it takes numbers that are none and skips the subgroup. */
export function snarkjsSays(key: FactKey, signals: readonly bigint[], proof: WireProof): Promise<boolean> {
  return snarkjs.groth16.verify(key.text, signals.map(String), proofText(proof));
}

/** A proof as snarkjs writes it: projective coordinates. */
export function proofText({ a, b, c }: WireProof): ProofText {
  return {
    pi_a: [...a, '1'],
    pi_b: [...b, ['1', '0']],
    pi_c: [...c, '1'],
    protocol: 'groth16',
    curve: 'bn128',
  };
}
