import { BASE_FIELD_ORDER } from '@akashi/circuits';
import { type Address, ELEMENT_BYTES, EXTENSION_BYTES, powerBase } from '@akashi/circuits/bn254';
import { type Curve, XI } from './curve.ts';

// The map x to x^p: of Fp12, and on the points of the twist.

/** The parameter x of BN254: p, r and t = p + 1 - r are polynomials in it. */
export const CURVE_PARAMETER = 4965661367192848881n;

/** Places of the six elements of Fp2 in one of Fp12, by the power of w that each stands for. */
const POWERS_OF_W = [0, 3, 1, 4, 2, 5];

/** x to x^(p^times) in Fp12: (c w^i)^p = conj(c) xi^(i (p-1)/6) w^i. The two addresses may not be equal. */
export function createFrobenius(curve: Curve): (z: Address, x: Address, times: 1 | 2 | 3) => void {
  const zero = curve.allocate(ELEMENT_BYTES);
  const factors = ([1, 2, 3] as const).map((times) =>
    POWERS_OF_W.map((_, i) => factor(curve, BigInt(i) * (BASE_FIELD_ORDER ** BigInt(times) - 1n), 6n)),
  );
  return (z, x, times) => {
    for (const [i, place] of POWERS_OF_W.entries()) {
      const to = z + place * EXTENSION_BYTES;
      curve.copy(to, x + place * EXTENSION_BYTES, EXTENSION_BYTES);
      if (times % 2 === 1) conjugate(curve, to, zero);
      curve.arithmetic.fp2_mul(to, to, factors[times - 1]?.[i] ?? zero);
    }
  };
}

/**
 * psi = (untwist, Frobenius, twist), in place: (x, y) to (conj(x) xi^((p-1)/3), conj(y) xi^((p-1)/2)). The third coordinate
 * of a projective point of either kind is conjugated alone, because psi is a homomorphism of the field on each of them.
 */
export function createPsi(curve: Curve): (point: Address, coordinates: 2 | 3) => void {
  const zero = curve.allocate(ELEMENT_BYTES);
  const [factorX, factorY] = [
    factor(curve, BASE_FIELD_ORDER - 1n, 3n),
    factor(curve, BASE_FIELD_ORDER - 1n, 2n),
  ];
  return (point, coordinates) => {
    for (let part = 0; part < coordinates; part++) conjugate(curve, point + part * EXTENSION_BYTES, zero);
    curve.arithmetic.fp2_mul(point, point, factorX);
    curve.arithmetic.fp2_mul(point + EXTENSION_BYTES, point + EXTENSION_BYTES, factorY);
  };
}

/** Digits -1, 0 and 1, the highest first, no two beside each other other than 0: a third of them are not 0. */
export function nonAdjacentForm(value: bigint): readonly number[] {
  const digits: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 1n) {
    const digit = rest & 1n ? 2n - (rest & 3n) : 0n;
    digits.push(Number(digit));
    rest -= digit;
  }
  return digits.reverse();
}

function factor(curve: Curve, numerator: bigint, denominator: bigint): Address {
  if (numerator % denominator !== 0n) throw new TypeError('no whole power of xi');
  const at = curve.allocate(EXTENSION_BYTES);
  curve.writeExtension(at, powerBase(XI, numerator / denominator));
  return at;
}

function conjugate(curve: Curve, at: Address, zero: Address): void {
  curve.arithmetic.fp_sub(at + ELEMENT_BYTES, zero, at + ELEMENT_BYTES);
}
