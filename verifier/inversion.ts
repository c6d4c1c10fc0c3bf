import { BASE_FIELD_ORDER } from '@akashi/circuits';
import { type Address, ELEMENT_BYTES } from '@akashi/circuits/bn254';
import type { Curve } from './curve.ts';

/** 1/x in Fp and Fp2, where 1/0 comes out as 0. */
export interface Inversion {
  /** Of elements of Fp, none of them 0, in place: one exponentiation for all. */
  elements(at: readonly Address[]): void;
  /** Of an element of Fp2; the addresses may be equal. */
  extension(z: Address, x: Address): void;
}

/** The most elements that are inverted at once. */
export const INVERSIONS_MAX = 128;

const WINDOW = 4;

export function createInversion(curve: Curve): Inversion {
  const { fp_mul: multiply, fp_sqr: square, fp_add: add, fp_sub: subtract } = curve.arithmetic;
  const digits = [...(BASE_FIELD_ORDER - 2n).toString(2 ** WINDOW)].map((digit) =>
    Number.parseInt(digit, 2 ** WINDOW),
  );
  const one = curve.allocate(2 ** WINDOW * ELEMENT_BYTES);
  curve.writeBase(one, 1n);
  const products = curve.allocate(INVERSIONS_MAX * ELEMENT_BYTES);
  const [result, norm, other, zero] = [
    curve.allocate(ELEMENT_BYTES),
    curve.allocate(ELEMENT_BYTES),
    curve.allocate(ELEMENT_BYTES),
    curve.allocate(ELEMENT_BYTES),
  ];

  /** x^(p - 2). */
  function invert(z: Address, x: Address): void {
    const power = (i: number) => one + i * ELEMENT_BYTES;
    for (let i = 1; i < 2 ** WINDOW; i++) multiply(power(i), power(i - 1), x);
    curve.copy(result, one, ELEMENT_BYTES);
    for (const digit of digits) {
      for (let bit = 0; bit < WINDOW; bit++) square(result, result);
      multiply(result, result, power(digit));
    }
    curve.copy(z, result, ELEMENT_BYTES);
  }

  return {
    // The inverse of the product of all, from which the others are divided out again (Montgomery's trick).
    elements(at) {
      const [first] = at;
      if (first === undefined) return;
      if (at.length > INVERSIONS_MAX) throw new TypeError('too many inversions at once');
      const upTo = (i: number) => products + i * ELEMENT_BYTES;
      curve.copy(upTo(0), first, ELEMENT_BYTES);
      for (const [i, x] of at.entries()) if (i > 0) multiply(upTo(i), upTo(i - 1), x);
      invert(other, upTo(at.length - 1));
      for (const [i, x] of [...at.entries()].reverse()) {
        if (i === 0) break;
        multiply(norm, other, upTo(i - 1));
        multiply(other, other, x);
        curve.copy(x, norm, ELEMENT_BYTES);
      }
      curve.copy(first, other, ELEMENT_BYTES);
    },
    // 1 / (a + b u) = (a - b u) / (a^2 + b^2)
    extension(z, x) {
      square(norm, x);
      square(other, x + ELEMENT_BYTES);
      add(norm, norm, other);
      invert(norm, norm);
      multiply(z, x, norm);
      multiply(z + ELEMENT_BYTES, x + ELEMENT_BYTES, norm);
      subtract(z + ELEMENT_BYTES, zero, z + ELEMENT_BYTES);
    },
  };
}
