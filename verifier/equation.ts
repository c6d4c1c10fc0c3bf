import { FIELD_ORDER } from '@akashi/circuits';
import { type Address, ELEMENT_BYTES } from '@akashi/circuits/bn254';
import { type Curve, FP12_BYTES, G1_BYTES, G2_BYTES } from './curve.ts';
import { createPower } from './final-exponentiation.ts';
import { createInversion } from './inversion.ts';
import type { Pair, Pairing, PreparedPair } from './pairing.ts';
import type { Random } from './token.ts';

// The equation of Groth16, for one proof or for many at once. Proof (A, B, C) holds for the signals s under its key when
//
//   e(A, B) = e(alpha, beta) * e(L, gamma) * e(C, delta),    L = IC_0 + sum s_i IC_i.
//
// For many, each equation is raised to a coefficient of its own and all are multiplied. What does not depend on a
// proof's B comes together: one point for each different gamma and delta, one power for each different e(alpha, beta).
// (The ceremony's alpha, beta and gamma are the same in every key.) So n proofs cost n walks through Miller's loop, a few
// over prepared lines, one final exponentiation. The coefficients are 128 random bits that nobody knows before the proofs
// are fixed, the first is 1: if any equation is wrong, the product is right with probability at most 2^-128.

/**
 * A key as the equation needs it: points in memory, the lines of gamma and delta prepared. What keys have in common has one
 * address in all of them: that is how the equation finds it.
 */
export interface PreparedKey {
  /** How many public signals it takes. */
  readonly signals: number;
  /** IC_0, IC_1, ..., affine, beside each other. */
  readonly ic: Address;
  readonly alphaBeta: Address;
  readonly gamma: Address;
  readonly delta: Address;
}

/** A, B and C one after the other as they lie in the curve's memory, checked: see parsePoints in proof.ts. */
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

/** A claim with its coefficient and its place among the claims. */
interface Weighted extends Claim {
  readonly coefficient: bigint;
  readonly place: number;
}

/** Points of G1, each times a number, that meet the same lines. */
interface Multiples {
  readonly lines: Address;
  readonly points: Address[];
  readonly scalars: bigint[];
}

const JACOBIAN_BYTES = 3 * ELEMENT_BYTES;

export function createEquation(curve: Curve, pairing: Pairing): Equation {
  const places = curve.allocate(CLAIMS_MAX * POINT_BYTES);
  const weighted = curve.allocate(JACOBIAN_BYTES);
  const scales = curve.allocate(CLAIMS_MAX * JACOBIAN_BYTES);
  const [left, right, factor] = [
    curve.allocate(FP12_BYTES),
    curve.allocate(FP12_BYTES),
    curve.allocate(FP12_BYTES),
  ];
  const power = createPower(curve);
  const lineScales = createLineScales(curve);
  const at = (place: number) => {
    const a = places + place * POINT_BYTES;
    return { a, b: a + G1_BYTES, c: a + G1_BYTES + G2_BYTES };
  };

  /** The pair of A times its coefficient, and B. */
  function pairOf({ place, points, coefficient }: Weighted): Pair {
    const { a, b } = at(place);
    curve.bytes(a, POINT_BYTES).set(points);
    const to = scales + place * JACOBIAN_BYTES;
    if (coefficient === 1n) {
      curve.copy(to, a + ELEMENT_BYTES, ELEMENT_BYTES);
      curve.copy(to + ELEMENT_BYTES, a, ELEMENT_BYTES);
      curve.writeBase(to + 2 * ELEMENT_BYTES, 1n);
    } else {
      curve.sum(curve.g1, weighted, [a], [coefficient]);
      scalesOf(curve, to, weighted);
    }
    return { scales: to, q: b };
  }

  /** The product of e(alpha, beta), each to the sum of its coefficients, in `right`. */
  function constants(claims: readonly Weighted[]): void {
    const exponents = new Map<Address, bigint>();
    for (const { key, coefficient } of claims) {
      exponents.set(key.alphaBeta, (exponents.get(key.alphaBeta) ?? 0n) + coefficient);
    }
    for (const [i, [base, exponent]] of [...exponents].entries()) {
      const to = i === 0 ? right : factor;
      if (exponent === 1n) curve.copy(to, base, FP12_BYTES);
      else power(to, base, exponent);
      if (i > 0) curve.arithmetic.fp12_mul(right, right, factor);
    }
  }

  return (claims, random) => {
    if (claims.length === 0 || claims.length > CLAIMS_MAX) throw new TypeError('1 to 64 claims');
    const all = claims.map((claim, place): Weighted => {
      return { ...claim, place, coefficient: place === 0 ? 1n : coefficientOf(random) };
    });
    const pairs = all.map(pairOf);
    const multiples = multiplesOf(all, (place) => at(place).c);
    constants(all);
    pairing.miller(left, pairs, lineScales(multiples));
    pairing.finalExponentiation(left);
    curve.subtract(left, left, right, FP12_BYTES);
    return curve.isZero(left, FP12_BYTES);
  };
}

/** L and C of all claims, by the lines they meet. */
function multiplesOf(claims: readonly Weighted[], c: (place: number) => Address): readonly Multiples[] {
  const byLines = new Map<Address, Multiples>();
  const add = (lines: Address, point: Address, scalar: bigint) => {
    const before = byLines.get(lines) ?? { lines, points: [], scalars: [] };
    byLines.set(lines, before);
    const i = before.points.indexOf(point);
    if (i === -1) {
      before.points.push(point);
      before.scalars.push(scalar);
    } else {
      before.scalars[i] = ((before.scalars[i] ?? 0n) + scalar) % FIELD_ORDER;
    }
  };
  for (const { key, coefficient, signals, place } of claims) {
    for (const [i, signal] of [1n, ...signals].entries()) {
      add(key.gamma, key.ic + i * G1_BYTES, (coefficient * signal) % FIELD_ORDER);
    }
    add(key.delta, c(place), coefficient);
  }
  return [...byLines.values()];
}

/** What a Jacobian point scales a line by: Y, X Z and Z^3, which are y, x and 1 times Z^3. */
function scalesOf(curve: Curve, to: Address, point: Address): void {
  const { fp_mul: multiply, fp_sqr: square } = curve.arithmetic;
  const [x, y, z] = [point, point + ELEMENT_BYTES, point + 2 * ELEMENT_BYTES];
  square(to + 2 * ELEMENT_BYTES, z);
  multiply(to + 2 * ELEMENT_BYTES, to + 2 * ELEMENT_BYTES, z);
  curve.copy(to, y, ELEMENT_BYTES);
  multiply(to + ELEMENT_BYTES, x, z);
}

/** The negated sums of multiples, as prepared lines take them: x / y and 1 / y. Infinity pairs to one and is left out. */
function createLineScales(curve: Curve) {
  const inversion = createInversion(curve);
  const { fp_mul: multiply } = curve.arithmetic;
  // More different lines than claims and one gamma for each there cannot be.
  const scales = curve.allocate(2 * CLAIMS_MAX * JACOBIAN_BYTES);
  const sum = curve.allocate(JACOBIAN_BYTES);

  return (multiples: readonly Multiples[]): readonly PreparedPair[] => {
    const pairs: PreparedPair[] = [];
    for (const { lines, points, scalars } of multiples) {
      const to = scales + pairs.length * JACOBIAN_BYTES;
      curve.sum(curve.g1, sum, points, scalars);
      if (curve.isZero(sum + 2 * ELEMENT_BYTES, ELEMENT_BYTES)) continue;
      curve.g1.negate(sum);
      scalesOf(curve, to, sum);
      pairs.push({ lines, scales: to + ELEMENT_BYTES });
    }
    inversion.elements(pairs.map(({ scales }) => scales - ELEMENT_BYTES));
    for (const { scales } of pairs) {
      const inverse = scales - ELEMENT_BYTES;
      multiply(scales, scales, inverse);
      multiply(scales + ELEMENT_BYTES, scales + ELEMENT_BYTES, inverse);
    }
    return pairs;
  };
}

function coefficientOf(random: Random): bigint {
  const bytes = random(COEFFICIENT_BYTES);
  if (bytes.length !== COEFFICIENT_BYTES) throw new TypeError('16 random bytes were asked for');
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}
