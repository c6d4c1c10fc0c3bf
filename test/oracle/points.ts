import { BASE_FIELD_ORDER, FIELD_ORDER, type WireProof } from '@akashi/circuits';
import { bn254 } from '@noble/curves/bn254.js';
import { type PointG2, pointsOf } from '../../bench/noble-points.ts';

// Points that are none of the group, and what a well-formed proof is, by @noble/curves.

const { G2, fields } = bn254;

/** A point of the twist outside of G2, by its x. @param from where to look: other numbers find other points */
export function outsideSubgroup(from: bigint): PointG2 {
  for (let c0 = from % BASE_FIELD_ORDER; ; c0++) {
    const x = fields.Fp2.fromBigTuple([c0, 1n]);
    try {
      const right = fields.Fp2.add(fields.Fp2.mul(fields.Fp2.sqr(x), x), G2.Point.CURVE().b);
      const point = G2.Point.fromAffine({ x, y: fields.Fp2.sqrt(right) });
      if (!point.isTorsionFree()) return point;
    } catch {
      // No square root: no point has this x.
    }
  }
}

/** A point whose order is a small factor of the cofactor of the twist. */
export function smallOrder(prime: bigint, from: bigint): PointG2 {
  const rest = ((2n * BASE_FIELD_ORDER - FIELD_ORDER) / prime) * FIELD_ORDER;
  for (let start = from; ; start += 1000n) {
    let point = G2.Point.ZERO;
    const any = outsideSubgroup(start);
    for (const bit of rest.toString(2)) {
      point = point.double();
      if (bit === '1') point = point.add(any);
    }
    if (!point.equals(G2.Point.ZERO)) return point;
  }
}

/** Whether a proof is what docs/protocol.md (section 3) calls one: by the text of its numbers, and by noble. */
export function isWellFormed(proof: unknown): boolean {
  if (!hasProofShape(proof)) return false;
  const { a, b, c } = proof;
  const coordinates = [...a, ...b.flat(), ...c];
  const canonical = (text: string) =>
    /^[0-9]{1,77}$/.test(text) && String(BigInt(text)) === text && BigInt(text) < BASE_FIELD_ORDER;
  if (!coordinates.every(canonical)) return false;
  try {
    const points = pointsOf(proof);
    // To noble (0, 0) is a name of infinity.
    if ([points.a, points.b, points.c].some((point) => point.is0())) return false;
    for (const point of [points.a, points.b, points.c]) point.assertValidity();
    return points.b.isTorsionFree();
  } catch {
    return false;
  }
}

function hasProofShape(proof: unknown): proof is WireProof {
  if (typeof proof !== 'object' || proof === null) return false;
  const { a, b, c, ...others } = proof as Record<string, unknown>;
  const pair = (value: unknown) =>
    Array.isArray(value) && value.length === 2 && value.every((item) => typeof item === 'string');
  return (
    Object.keys(others).length === 0 &&
    pair(a) &&
    pair(c) &&
    Array.isArray(b) &&
    b.length === 2 &&
    b.every(pair)
  );
}
