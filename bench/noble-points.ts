import type { WireProof } from '@akashi/circuits';
import { bn254 } from '@noble/curves/bn254.js';

// Points of BN254 by @noble/curves, which shares no code with the engine, and the wire form of proofs.

const { G1, G2, fields } = bn254;
export type PointG1 = InstanceType<typeof G1.Point>;
export type PointG2 = InstanceType<typeof G2.Point>;

export const BASE_G1 = G1.Point.BASE;
export const BASE_G2 = G2.Point.BASE;

export interface ProofValues {
  readonly a: PointG1;
  readonly b: PointG2;
  readonly c: PointG1;
}

export function wireG1(point: PointG1): [string, string] {
  const { x, y } = point.toAffine();
  return [x.toString(), y.toString()];
}

export function wireG2(point: PointG2): [[string, string], [string, string]] {
  const { x, y } = point.toAffine();
  return [
    [x.c0.toString(), x.c1.toString()],
    [y.c0.toString(), y.c1.toString()],
  ];
}

export function wireProof({ a, b, c }: ProofValues): WireProof {
  return { a: wireG1(a), b: wireG2(b), c: wireG1(c) };
}

/** The point with these coordinates, on the curve or not. */
export function pointG1(x: string, y: string): PointG1 {
  return G1.Point.fromAffine({ x: BigInt(x), y: BigInt(y) });
}

/** The point with these coordinates, on the twist or not. */
export function pointG2([x0, x1]: readonly [string, string], [y0, y1]: readonly [string, string]): PointG2 {
  const element = (c0: string, c1: string) => fields.Fp2.fromBigTuple([BigInt(c0), BigInt(c1)]);
  return G2.Point.fromAffine({ x: element(x0, x1), y: element(y0, y1) });
}

export function pointsOf({ a, b, c }: WireProof): ProofValues {
  return { a: pointG1(a[0], a[1]), b: pointG2(b[0], b[1]), c: pointG1(c[0], c[1]) };
}
