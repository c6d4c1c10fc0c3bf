import { FIELD_ORDER } from '@akashi/circuits';
import { type Address, type Curve, FR_BYTES, G1_BYTES, G2_BYTES, GT_BYTES } from './curve.ts';
import type { Random } from './token.ts';

// The equation of Groth16, for one proof or for many at once. Proof (A, B, C) holds for the signals s under its key when
//
//   e(A, B) = e(alpha, beta) * e(L, gamma) * e(C, delta),    L = IC_0 + sum s_i IC_i.
//
// For many, each equation is raised to a coefficient of its own and all are multiplied. What does not depend on a
// proof's B comes together: per key one point for delta and one power of e(alpha, beta), per different gamma one point
// (the ceremony's gamma is the generator in every key, so one for all). So n proofs cost n Miller loops, a few over
// prepared lines, one final exponentiation. The coefficients are 128 random bits that nobody knows before the proofs
// are fixed, the first is 1: if any equation is wrong, the product is right with probability at most 2^-128.
//
// Rejected, after measuring (one core of an EPYC, ms): gamma and delta in the vector of Miller loops instead of
// prepared lines (0.95 a pair instead of 0.75); G1_mulEach for the coefficients (0.14 a point, like G1_mul); coefficients
// a + b*lambda with a and b of 64 bits, short under the endomorphism (mcl's multiplication does not become shorter).

/** A key as the equation needs it: points on the heap, the lines of gamma and delta prepared. */
export interface PreparedKey {
  /** How many public signals it takes. */
  readonly signals: number;
  /** IC_0, IC_1, ..., affine, beside each other. */
  readonly ic: Address;
  readonly alphaBeta: Address;
  /** Keys with the same gamma share its lines. */
  readonly gamma: Address;
  readonly delta: Address;
}

/** A, B and C one after the other as they lie on mcl's heap, checked: see parsePoints in proof.ts. */
export type PointBytes = Uint8Array;

export const POINT_BYTES = G1_BYTES + G2_BYTES + G1_BYTES;

/** One proof to be held against its key. */
export interface Claim {
  readonly key: PreparedKey;
  /** In registry order; as many as the key takes, each below the order of the scalar field. */
  readonly signals: readonly bigint[];
  readonly points: PointBytes;
}

/** The most claims in one equation: more would save less than 1% of the time of each. */
export const CLAIMS_MAX = 64;

const COEFFICIENT_BYTES = 16;

/**
 * @param claims 1 to {@link CLAIMS_MAX}
 * @param random unpredictable: the coefficients come from it
 * @returns whether all of them hold
 */
export type Equation = (claims: readonly Claim[], random: Random) => boolean;

/** A claim with its coefficient and the addresses of its A and C. */
interface Weighted extends Claim {
  readonly coefficient: bigint;
  readonly a: Address;
  readonly c: Address;
}

export function createEquation(curve: Curve): Equation {
  const { arithmetic } = curve;
  const a = curve.allocate(CLAIMS_MAX * G1_BYTES);
  const b = curve.allocate(CLAIMS_MAX * G2_BYTES);
  const c = curve.allocate(CLAIMS_MAX * G1_BYTES);
  const scalar = curve.allocate(FR_BYTES);
  const [left, right, factor] = [
    curve.allocate(GT_BYTES),
    curve.allocate(GT_BYTES),
    curve.allocate(GT_BYTES),
  ];
  const sums = createSums(curve);

  function place({ points, ...claim }: Claim, i: number, coefficient: bigint): Weighted {
    const at = { a: a + i * G1_BYTES, b: b + i * G2_BYTES, c: c + i * G1_BYTES };
    curve.write(at.a, points.subarray(0, G1_BYTES));
    curve.write(at.b, points.subarray(G1_BYTES, G1_BYTES + G2_BYTES));
    curve.write(at.c, points.subarray(G1_BYTES + G2_BYTES));
    if (coefficient !== 1n) {
      curve.writeScalar(scalar, coefficient);
      arithmetic._mclBnG1_mul(at.a, at.a, scalar);
    }
    return { ...claim, points, coefficient, a: at.a, c: at.c };
  }

  /** `left`: the product of e(A, B). `right`: that of e(alpha, beta). Without the final exponentiation on the left. */
  function begin(groups: readonly (readonly Weighted[])[], count: number): void {
    if (count === 1) arithmetic._mclBn_millerLoop(left, a, b);
    else arithmetic._mclBn_millerLoopVec(left, a, b, count);
    for (const [i, [first, ...rest]] of groups.entries()) {
      if (first === undefined) continue;
      const exponent = rest.reduce((sum, { coefficient }) => sum + coefficient, first.coefficient);
      const value = i === 0 ? right : factor;
      if (exponent === 1n) curve.copy(value, first.key.alphaBeta, GT_BYTES);
      else {
        curve.writeScalar(scalar, exponent % FIELD_ORDER);
        arithmetic._mclBnGT_pow(value, first.key.alphaBeta, scalar);
      }
      if (i > 0) arithmetic._mclBnGT_mul(right, right, factor);
    }
  }

  /** Multiplies `left` by e(point, lines) for each of them, two at a time: two share their squarings. */
  function multiply(terms: readonly (readonly [lines: Address, point: Address])[]): void {
    for (let i = 0; i < terms.length; i += 2) {
      const [first, second] = terms.slice(i, i + 2);
      if (first === undefined) continue;
      const [lines, point] = first;
      if (second === undefined) arithmetic._mclBn_precomputedMillerLoop(factor, point, lines);
      else arithmetic._mclBn_precomputedMillerLoop2(factor, point, lines, second[1], second[0]);
      arithmetic._mclBnGT_mul(left, left, factor);
    }
  }

  return (claims, random) => {
    if (claims.length === 0 || claims.length > CLAIMS_MAX) throw new TypeError('1 to 64 claims');
    const weighted = claims.map((claim, i) => place(claim, i, i === 0 ? 1n : coefficientOf(random)));
    const groups = byKey(weighted);
    begin(groups, claims.length);
    multiply(sums(groups));
    arithmetic._mclBn_finalExp(left, left);
    return arithmetic._mclBnGT_isEqual(left, right) === 1;
  };
}

function byKey(claims: readonly Weighted[]): readonly (readonly Weighted[])[] {
  const groups = new Map<PreparedKey, Weighted[]>();
  for (const claim of claims) {
    const group = groups.get(claim.key);
    if (group === undefined) groups.set(claim.key, [claim]);
    else group.push(claim);
  }
  return [...groups.values()];
}

/** The points that meet gamma and delta, negated, by the lines they meet. */
function createSums(curve: Curve) {
  const { arithmetic } = curve;
  const points = curve.allocate(CLAIMS_MAX * G1_BYTES);
  const scalars = curve.allocate(CLAIMS_MAX * FR_BYTES);
  const results = curve.allocate(2 * CLAIMS_MAX * G1_BYTES);

  function weigh(to: Address, from: Address, weights: readonly bigint[]): void {
    for (const [i, weight] of weights.entries()) curve.writeScalar(scalars + i * FR_BYTES, weight);
    arithmetic._mclBnG1_mulVec(to, from, scalars, weights.length);
  }

  /** L of a key's claims, each times its coefficient. */
  function inputs(to: Address, key: PreparedKey, group: readonly Weighted[]): void {
    const constant = group.reduce((sum, { coefficient }) => sum + coefficient, 0n) % FIELD_ORDER;
    const weights = Array.from({ length: key.signals }, (_, i) =>
      group.reduce((sum, { coefficient, signals }) => sum + coefficient * (signals[i] ?? 0n), 0n),
    ).map((weight) => weight % FIELD_ORDER);
    if (constant === 1n) {
      weigh(to, key.ic + G1_BYTES, weights);
      arithmetic._mclBnG1_add(to, to, key.ic);
    } else {
      weigh(to, key.ic, [constant, ...weights]);
    }
  }

  function openings(to: Address, group: readonly Weighted[]): void {
    for (const [i, { c }] of group.entries()) curve.copy(points + i * G1_BYTES, c, G1_BYTES);
    const weights = group.map(({ coefficient }) => coefficient);
    if (weights.length === 1 && weights[0] === 1n) curve.copy(to, points, G1_BYTES);
    else weigh(to, points, weights);
  }

  return (groups: readonly (readonly Weighted[])[]) => {
    const terms = new Map<Address, Address>();
    let next = results;
    for (const group of groups) {
      const key = group[0]?.key;
      if (key === undefined) continue;
      const [l, c] = [next, next + G1_BYTES];
      next += 2 * G1_BYTES;
      inputs(l, key, group);
      openings(c, group);
      for (const [lines, point] of [[key.gamma, l] as const, [key.delta, c] as const]) {
        const before = terms.get(lines);
        if (before === undefined) terms.set(lines, point);
        else arithmetic._mclBnG1_add(before, before, point);
      }
    }
    for (const point of terms.values()) arithmetic._mclBnG1_neg(point, point);
    return [...terms];
  };
}

function coefficientOf(random: Random): bigint {
  const bytes = random(COEFFICIENT_BYTES);
  if (bytes.length !== COEFFICIENT_BYTES) throw new TypeError('16 random bytes were asked for');
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}
