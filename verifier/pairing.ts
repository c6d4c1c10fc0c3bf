import { BASE_FIELD_ORDER } from '@akashi/circuits';
import { type Address, EXTENSION_BYTES } from '@akashi/circuits/bn254';
import { type Curve, FP12_BYTES, G2_BYTES, TWIST_COEFFICIENT } from './curve.ts';
import { createFinalExponentiation } from './final-exponentiation.ts';
import { CURVE_PARAMETER, createPsi, nonAdjacentForm } from './frobenius.ts';
import { createInversion } from './inversion.ts';

// The optimal ate pairing of BN254 (Vercauteren, "Optimal pairings", 2010), with x the parameter of the curve:
//
//   e(P, Q) = (f(Q, P, 6x + 2) * l([6x + 2]Q, pi(Q))(P) * l([6x + 2]Q + pi(Q), -pi^2(Q))(P)) ^ (k (p^12 - 1) / r)
//
// where k is prime to r (final-exponentiation.ts). Products of many pairings share the squarings of Miller's loop and the
// final exponentiation. The points of G2 that stand in keys have their lines computed beforehand, each divided by its
// coefficient of y_P. Nothing here runs in constant time, and nothing here is secret.

/** P beside a point of G2 whose lines are computed as they are needed. */
export interface Pair {
  /** y_P, x_P and 1, all times the same element of Fp. */
  readonly scales: Address;
  /** Affine, in G2. */
  readonly q: Address;
}

/** P beside a point of G2 whose lines are prepared. */
export interface PreparedPair {
  /** x_P / y_P and 1 / y_P. */
  readonly scales: Address;
  readonly lines: Address;
}

export interface Pairing {
  /** The lines of an affine point of G2, for good. */
  prepare(q: Address): Address;
  /** The product of the pairings, before the final exponentiation. */
  miller(to: Address, pairs: readonly Pair[], prepared: readonly PreparedPair[]): void;
  /** In place. */
  finalExponentiation(f: Address): void;
}

const LOOP = nonAdjacentForm(6n * CURVE_PARAMETER + 2n).slice(1);
/** A line for each doubling and each addition, and two for the ends. */
const LINES = LOOP.length + LOOP.filter((digit) => digit !== 0).length + 2;

const LINE_BYTES = 3 * EXTENSION_BYTES;
const PREPARED_LINE_BYTES = 2 * EXTENSION_BYTES;
const RUNNING_BYTES = 3 * EXTENSION_BYTES;

/** A point of G2 on its way through the loop: itself, its negative, the running point, and the points at the ends. */
interface Walker {
  readonly q: Address;
  readonly negative: Address;
  readonly running: Address;
  readonly end: Address;
}

export function createPairing(curve: Curve): Pairing {
  const { arithmetic } = curve;
  const line = curve.allocate(LINE_BYTES);
  const b = curve.allocate(EXTENSION_BYTES);
  curve.writeExtension(
    b,
    TWIST_COEFFICIENT.map((part) => (3n * part) % BASE_FIELD_ORDER),
  );
  const zero = curve.allocate(FP12_BYTES);
  const psi = createPsi(curve);
  const inversion = createInversion(curve);
  const walkers: Omit<Walker, 'q'>[] = [];

  function negateY(point: Address): void {
    curve.subtract(point + EXTENSION_BYTES, zero, point + EXTENSION_BYTES, EXTENSION_BYTES);
  }

  /** Puts points at the start of the loop. The places of their walkers are kept for the next ones. */
  function start(points: readonly Address[]): readonly Walker[] {
    return points.map((q, i) => {
      const places = walkers[i] ?? {
        negative: curve.allocate(G2_BYTES),
        running: curve.allocate(RUNNING_BYTES),
        end: curve.allocate(G2_BYTES),
      };
      walkers[i] = places;
      curve.copy(places.running, q, G2_BYTES);
      curve.writeExtension(places.running + G2_BYTES, [1n, 0n]);
      curve.copy(places.negative, q, G2_BYTES);
      negateY(places.negative);
      curve.copy(places.end, q, G2_BYTES);
      return { ...places, q };
    });
  }

  /** The steps of the loop, in order: each moves a walker on and leaves its line in `line`. */
  function steps(): readonly { readonly squares: boolean; readonly move: (walker: Walker) => void }[] {
    const double = {
      squares: true,
      move: ({ running }: Walker) => arithmetic.twist_double(running, line, b),
    };
    const add = (to: 'q' | 'negative') => ({
      squares: false,
      move: (walker: Walker) => arithmetic.twist_add(walker.running, line, walker[to]),
    });
    /** pi(Q), then -pi^2(Q). */
    const end = (negated: boolean) => ({
      squares: false,
      move: ({ running, end }: Walker) => {
        psi(end, 2);
        if (negated) negateY(end);
        arithmetic.twist_add(running, line, end);
      },
    });
    const loop = LOOP.flatMap((digit) =>
      digit === 0 ? [double] : [double, add(digit === 1 ? 'q' : 'negative')],
    );
    return [...loop, end(false), end(true)];
  }
  const STEPS = steps();

  return {
    prepare(q) {
      const lines = curve.allocate(LINES * PREPARED_LINE_BYTES);
      const inverse = curve.allocate(EXTENSION_BYTES);
      const [walker] = start([q]);
      if (walker === undefined) throw new TypeError('one point');
      for (const [i, { move }] of STEPS.entries()) {
        move(walker);
        const to = lines + i * PREPARED_LINE_BYTES;
        inversion.extension(inverse, line);
        arithmetic.fp2_mul(to, line + EXTENSION_BYTES, inverse);
        arithmetic.fp2_mul(to + EXTENSION_BYTES, line + 2 * EXTENSION_BYTES, inverse);
      }
      return lines;
    },
    miller(to, pairs, prepared) {
      curve.copy(to, zero, FP12_BYTES);
      curve.writeExtension(to, [1n, 0n]);
      const walking = start(pairs.map(({ q }) => q)).map((walker, i) => ({ walker, pair: pairs[i] }));
      for (const [i, { squares, move }] of STEPS.entries()) {
        if (squares && i > 0) arithmetic.fp12_sqr(to, to);
        for (const { walker, pair } of walking) {
          move(walker);
          if (pair !== undefined) arithmetic.fp12_mulLine(to, to, line, pair.scales);
        }
        for (const { scales, lines } of prepared) {
          arithmetic.fp12_mulPreparedLine(to, to, lines + i * PREPARED_LINE_BYTES, scales);
        }
      }
    },
    finalExponentiation: createFinalExponentiation(curve),
  };
}
