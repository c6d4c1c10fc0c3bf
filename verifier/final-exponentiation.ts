import { type Address, EXTENSION_BYTES } from '@akashi/circuits/bn254';
import { type Curve, FP6_BYTES, FP12_BYTES } from './curve.ts';
import { CURVE_PARAMETER, createFrobenius, nonAdjacentForm } from './frobenius.ts';
import { createInversion } from './inversion.ts';

// From what Miller's loop leaves to the group of order r in Fp12, and powers there.

const PARAMETER = nonAdjacentForm(CURVE_PARAMETER).slice(1);

/**
 * f to the power of (p^6 - 1)(p^2 + 1), then of k (p^4 - p^2 + 1) / r with k = 2x (6x^2 + 3x + 1), in place: Fuentes-
 * Castaneda, Knapp, Rodriguez-Henriquez, "Faster hashing to G2" (2011). k is prime to r, so that nothing but what is one
 * already becomes one. The exponents in the comments are those of f behind the easy part.
 */
export function createFinalExponentiation(curve: Curve): (f: Address) => void {
  const { fp12_mul: multiply, fp12_conjugate: conjugate, fp12_sqrCyclotomic: square } = curve.arithmetic;
  const frobenius = createFrobenius(curve);
  const invert = createInversion12(curve);
  const power = createPowerOfParameter(curve);
  const element = () => curve.allocate(FP12_BYTES);
  const [f2x, f6x, f6xx, f12xxx, a, b, t] = [
    ...[element(), element(), element(), element()],
    ...[element(), element(), element()],
  ] as const;

  return (f) => {
    invert(t, f);
    conjugate(f, f);
    multiply(t, f, t);
    frobenius(f, t, 2);
    multiply(f, f, t);

    power(f2x, f);
    square(f2x, f2x);
    square(f6x, f2x);
    multiply(f6x, f6x, f2x);
    power(f6xx, f6x);
    square(t, f6xx);
    power(f12xxx, t);
    multiply(a, f6x, f6xx);
    multiply(a, a, f12xxx); // a = 12x^3 + 6x^2 + 6x
    conjugate(b, f2x);
    multiply(b, a, b); // b = a - 2x

    conjugate(t, f);
    multiply(t, t, b);
    frobenius(f12xxx, t, 3); // (b - 1) p^3
    multiply(f, f, f6xx);
    multiply(f, f, a); // a + 6x^2 + 1
    multiply(f, f, f12xxx);
    frobenius(t, b, 1);
    multiply(f, f, t); // + b p
    frobenius(t, a, 2);
    multiply(f, f, t); // + a p^2
  };
}

/** x to a power in the group of order r. @param exponent not negative */
export function createPower(curve: Curve): (z: Address, x: Address, exponent: bigint) => void {
  const { fp12_mul: multiply, fp12_sqrCyclotomic: square } = curve.arithmetic;
  const one = curve.allocate(16 * FP12_BYTES);
  curve.writeExtension(one, [1n, 0n]);
  const result = curve.allocate(FP12_BYTES);
  const at = (i: number) => one + i * FP12_BYTES;
  return (z, x, exponent) => {
    for (let i = 1; i < 16; i++) multiply(at(i), at(i - 1), x);
    curve.copy(result, one, FP12_BYTES);
    for (const digit of exponent.toString(16)) {
      for (let bit = 0; bit < 4; bit++) square(result, result);
      multiply(result, result, at(Number.parseInt(digit, 16)));
    }
    curve.copy(z, result, FP12_BYTES);
  };
}

/** x to the power of the curve's parameter, where the conjugate is the inverse. The addresses may not be equal. */
function createPowerOfParameter(curve: Curve): (z: Address, x: Address) => void {
  const { fp12_mul: multiply, fp12_conjugate: conjugate, fp12_sqrCyclotomic: square } = curve.arithmetic;
  const inverse = curve.allocate(FP12_BYTES);
  return (z, x) => {
    conjugate(inverse, x);
    curve.copy(z, x, FP12_BYTES);
    for (const digit of PARAMETER) {
      square(z, z);
      if (digit !== 0) multiply(z, z, digit === 1 ? x : inverse);
    }
  };
}

/** 1/x: the conjugate over the norm to Fp6, and 1 over that by its adjugate over an element of Fp2. */
function createInversion12(curve: Curve): (z: Address, x: Address) => void {
  const { fp12_norm, fp12_conjugate, fp6_adjugate, fp6_mul, fp2_mul } = curve.arithmetic;
  const inversion = createInversion(curve);
  const norm = curve.allocate(FP6_BYTES);
  const adjugate = curve.allocate(FP6_BYTES + EXTENSION_BYTES);
  const scale = adjugate + FP6_BYTES;
  return (z, x) => {
    fp12_norm(norm, x);
    fp6_adjugate(adjugate, norm);
    inversion.extension(scale, scale);
    for (let at = adjugate; at < scale; at += EXTENSION_BYTES) fp2_mul(at, at, scale);
    fp12_conjugate(z, x);
    fp6_mul(z, z, adjugate);
    fp6_mul(z + FP6_BYTES, z + FP6_BYTES, adjugate);
  };
}
