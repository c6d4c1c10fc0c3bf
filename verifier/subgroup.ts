import { BASE_FIELD_ORDER } from '@akashi/circuits';
import { type Curve, FP_BYTES, FP2_BYTES, G2_BYTES } from './curve.ts';

// Whether a point of the twist is in G2, the subgroup of order r, by the endomorphism psi = (untwist, Frobenius, twist):
//
//   [x+1]Q + psi([x]Q) + psi^2([x]Q) = psi^3([2x]Q),    x the parameter of the curve (63 bits),
//
// after Scott, "A note on group membership tests" (2021), and Dai, Lin, Zhao, Zhou (2022). Why it is exact: on all of
// the twist psi^2 - [t]psi + [p] = 0, so the equation says (a + b psi)Q = 0 for known integers a and b, and then the
// norm N = a^2 + abt + b^2 p kills Q too. The order of the twist kills every point. subgroup.test.ts computes that
// the two have greatest common divisor r: so [r]Q = 0. The other way round, psi is multiplication by p in G2, and p
// is a root of the equation mod r. A third of the time of the multiplication by r (0.24 instead of 0.70 ms).
//
// The multiplication is made of doublings and additions, whose formulas hold on the whole twist. mcl's own
// multiplication of G2 is not used: it splits the scalar by this same endomorphism, which is right only where the
// point is in the subgroup already.
//
// Rejected: one check for a whole batch, of a random sum of its points. The cofactor has the factor 10069, so a point
// of that order would get through once in 10069 times.

/** The parameter x of BN254: p, r and t = p + 1 - r are polynomials in it. */
export const CURVE_PARAMETER = 4965661367192848881n;

/** @returns whether the point of the twist at `point`, affine (z = 1), has order r or is infinity */
export type SubgroupCheck = (point: number) => boolean;

export function createSubgroupCheck(curve: Curve): SubgroupCheck {
  const { arithmetic } = curve;
  const { _mclBnG2_add: add, _mclBnG2_dbl: double, _mclBnG2_isEqual: equal } = arithmetic;
  const psi = createPsi(curve);
  const digits = nonAdjacentForm(CURVE_PARAMETER);
  const [negative, multiple, left, right] = [
    curve.allocate(G2_BYTES),
    curve.allocate(G2_BYTES),
    curve.allocate(G2_BYTES),
    curve.allocate(G2_BYTES),
  ];

  return (point) => {
    arithmetic._mclBnG2_neg(negative, point);
    curve.copy(multiple, point, G2_BYTES);
    // The leading digit is the point itself.
    for (const digit of digits.slice(1)) {
      double(multiple, multiple);
      if (digit === 1) add(multiple, multiple, point);
      if (digit === -1) add(multiple, multiple, negative);
    }
    add(left, multiple, point);
    double(right, multiple);
    psi(multiple);
    add(left, left, multiple);
    psi(multiple);
    add(left, left, multiple);
    for (let power = 0; power < 3; power++) psi(right);
    return equal(left, right) === 1;
  };
}

/**
 * psi, in place: (x, y) to (conj(x) xi^((p-1)/3), conj(y) xi^((p-1)/2)) with xi = 9 + u. In projective coordinates
 * of either kind z is conjugated alone, because psi is a homomorphism of the field on each of them.
 */
function createPsi(curve: Curve): (point: number) => void {
  const { _mclBnFp_neg: negate, _mclBnFp2_mul: multiply } = curve.arithmetic;
  const [factorX, factorY] = [curve.allocate(FP2_BYTES), curve.allocate(FP2_BYTES)];
  writeExtension(curve, factorX, power([9n, 1n], (BASE_FIELD_ORDER - 1n) / 3n));
  writeExtension(curve, factorY, power([9n, 1n], (BASE_FIELD_ORDER - 1n) / 2n));
  return (point) => {
    for (let part = 0; part < 3; part++) {
      const imaginary = point + part * FP2_BYTES + FP_BYTES;
      negate(imaginary, imaginary);
    }
    multiply(point, point, factorX);
    multiply(point + FP2_BYTES, point + FP2_BYTES, factorY);
  };
}

type Extension = readonly [bigint, bigint];

function writeExtension(curve: Curve, to: number, [c0, c1]: Extension): void {
  curve.writeBase(to, c0);
  curve.writeBase(to + FP_BYTES, c1);
}

/** In Fp[u] with u^2 = -1. */
function power(base: Extension, exponent: bigint): Extension {
  const p = BASE_FIELD_ORDER;
  const product = ([a, b]: Extension, [c, d]: Extension): Extension => [
    (((a * c - b * d) % p) + p) % p,
    (a * d + b * c) % p,
  ];
  let result: Extension = [1n, 0n];
  for (const bit of exponent.toString(2)) {
    result = product(result, result);
    if (bit === '1') result = product(result, base);
  }
  return result;
}

/** Digits -1, 0 and 1, the highest first, no two beside each other other than 0: 24 of 63 are additions here. */
function nonAdjacentForm(value: bigint): readonly number[] {
  const digits: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 1n) {
    const digit = rest & 1n ? 2n - (rest & 3n) : 0n;
    digits.push(Number(digit));
    rest -= digit;
  }
  return digits.reverse();
}
