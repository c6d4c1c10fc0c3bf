import { readFile } from 'node:fs/promises';
import { BASE_FIELD_ORDER, FIELD_ORDER } from '@akashi/circuits';
import { type Address, ELEMENT_BYTES, EXTENSION_BYTES, MONTGOMERY } from '@akashi/circuits/bn254';
import { bn254 } from '@noble/curves/bn254.js';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Curve, FP12_BYTES, G1_BYTES, G2_BYTES } from './curve.ts';
import { createEquation, POINT_BYTES } from './equation.ts';
import { createPower } from './final-exponentiation.ts';
import { CURVE_PARAMETER, createFrobenius } from './frobenius.ts';
import { createInversion } from './inversion.ts';
import { createPairing, type Pairing } from './pairing.ts';
import { pairingModule } from './pairing-build.ts';

// Everything is held against another implementation, function by function, then as a whole.
const { fields, G1, G2 } = bn254;
const { Fp2, Fp6, Fp12 } = fields;
type Fp2 = ReturnType<typeof Fp2.fromBigTuple>;
type Fp6 = Parameters<typeof Fp6.mul>[0];
type Fp12 = Parameters<typeof Fp12.mul>[0];

const [p, r, x] = [BASE_FIELD_ORDER, FIELD_ORDER, CURVE_PARAMETER];

let curve: Curve;
let pairing: Pairing;

beforeAll(async () => {
  curve = await Curve.load();
  pairing = createPairing(curve);
});

test('the assembled arithmetic is that of its source', async () => {
  expect(await readFile(new URL('pairing-wasm.ts', import.meta.url), 'utf8')).toBe(await pairingModule());
});

describe('the arithmetic agrees with @noble/curves', () => {
  // As they may lie in memory: below twice the order, not only below it.
  const limbs = fc.oneof(fc.constantFrom(0n, 1n, p - 1n, p, p + 1n, 2n * p - 1n), fc.bigInt(0n, 2n * p - 1n));
  const element12 = fc.array(limbs, { minLength: 12, maxLength: 12 });
  const fromMontgomery = (value: bigint) => fields.Fp.mul(value % p, fields.Fp.inv(MONTGOMERY % p));

  function put(values: readonly bigint[]): Address {
    const at = curve.allocate(values.length * ELEMENT_BYTES);
    values.forEach((value, i) => {
      curve.writeLimbs(at + i * ELEMENT_BYTES, value);
    });
    return at;
  }

  function get(at: Address, count: number): bigint[] {
    return Array.from({ length: count }, (_, i) => {
      const from = at + i * ELEMENT_BYTES;
      // No function may leave more than the next one takes.
      expect(curve.readLimbs(from)).toBeLessThan(2n * p);
      return curve.readBase(from);
    });
  }

  const extension = (values: readonly bigint[], i: number): Fp2 =>
    Fp2.fromBigTuple([values[2 * i] ?? 0n, values[2 * i + 1] ?? 0n]);
  const fp6 = (values: readonly bigint[], i = 0): Fp6 => ({
    c0: extension(values, i),
    c1: extension(values, i + 1),
    c2: extension(values, i + 2),
  });
  const fp12 = (values: readonly bigint[]): Fp12 => ({ c0: fp6(values), c1: fp6(values, 3) });
  const flat2 = ({ c0, c1 }: Fp2) => [c0, c1];
  const flat6 = ({ c0, c1, c2 }: Fp6) => [c0, c1, c2].flatMap(flat2);
  const flat12 = ({ c0, c1 }: Fp12) => [...flat6(c0), ...flat6(c1)];

  /** Runs `check` with operands in memory, and as numbers; memory is given back. */
  function hold(
    check: (at: readonly [Address, Address, Address], of: readonly [bigint[], bigint[]]) => void,
  ) {
    fc.assert(
      fc.property(element12, element12, (first, second) => {
        const at = [put(first), put(second), curve.allocate(FP12_BYTES)] as const;
        check(at, [first.map(fromMontgomery), second.map(fromMontgomery)]);
        curve.release(at[0]);
      }),
      { numRuns: 200 },
    );
  }

  test('in Fp2, with factors as large as they may be', () => {
    const large = fc.oneof(fc.constantFrom(6n * p - 1n, 0n, p), fc.bigInt(0n, 6n * p - 1n));
    fc.assert(
      fc.property(fc.tuple(large, large), fc.tuple(large, large), (first, second) => {
        const [a, b, z] = [put(first), put(second), put([0n, 0n])];
        const [m, n] = [first, second].map((pair) => Fp2.fromBigTuple(asPair(pair.map(fromMontgomery))));
        if (m === undefined || n === undefined) throw new TypeError('two operands');
        curve.arithmetic.fp2_mul(z, a, b);
        expect(get(z, 2)).toEqual(flat2(Fp2.mul(m, n)));
        curve.arithmetic.fp2_sqr(z, a);
        expect(get(z, 2)).toEqual(flat2(Fp2.sqr(m)));
        curve.release(a);
      }),
      { numRuns: 1000 },
    );
  });

  test('in Fp6', () => {
    hold(([a, b, z], [m, n]) => {
      curve.arithmetic.fp6_mul(z, a, b);
      expect(get(z, 6)).toEqual(flat6(Fp6.mul(fp6(m), fp6(n))));
      curve.arithmetic.fp6_adjugate(z, a);
      const [adjugate, product] = [fp6(get(z, 6)), extension(get(z, 8), 3)];
      expect(flat6(Fp6.mul(fp6(m), adjugate))).toEqual([...flat2(product), 0n, 0n, 0n, 0n]);
    });
  });

  test('in Fp12, results over operands included', () => {
    hold(([a, b, z], [m, n]) => {
      curve.arithmetic.fp12_mul(z, a, b);
      expect(get(z, 12)).toEqual(flat12(Fp12.mul(fp12(m), fp12(n))));
      curve.arithmetic.fp12_sqr(z, a);
      expect(get(z, 12)).toEqual(flat12(Fp12.sqr(fp12(m))));
      curve.arithmetic.fp12_conjugate(z, a);
      expect(get(z, 12)).toEqual(flat12(Fp12.conjugate(fp12(m))));
      curve.arithmetic.fp12_norm(z, a);
      const norm = Fp12.mul(fp12(m), Fp12.conjugate(fp12(m)));
      expect(get(z, 6)).toEqual(flat6(norm.c0));
      curve.arithmetic.fp12_mul(a, a, a);
      expect(get(a, 12)).toEqual(flat12(Fp12.sqr(fp12(m))));
    });
  });

  test('in products with lines', () => {
    const zero = Fp2.ZERO;
    hold(([a, b, z], [m, n]) => {
      // Three elements of the second operand are the line, three coordinates behind them scale it.
      const scales = b + 3 * EXTENSION_BYTES;
      const [s0 = 0n, s1 = 0n, s2 = 0n] = n.slice(6);
      const scaled = (i: number, by: bigint) => Fp2.mul(extension(n, i), by);
      curve.arithmetic.fp12_mulLine(z, a, b, scales);
      const c0 = { c0: scaled(0, s0), c1: zero, c2: zero };
      const line = { c0, c1: { c0: scaled(1, s1), c1: scaled(2, s2), c2: zero } };
      expect(get(z, 12)).toEqual(flat12(Fp12.mul(fp12(m), line)));
      curve.arithmetic.fp12_mulPreparedLine(z, a, b, scales);
      const one = { c0: Fp2.ONE, c1: zero, c2: zero };
      const prepared = { c0: one, c1: { c0: scaled(0, s0), c1: scaled(1, s1), c2: zero } };
      expect(get(z, 12)).toEqual(flat12(Fp12.mul(fp12(m), prepared)));
    });
  });

  test('in powers of p, and squares of what they leave', () => {
    const frobenius = createFrobenius(curve);
    hold(([a, , z], [m]) => {
      for (const times of [1, 2, 3] as const) {
        frobenius(z, a, times);
        expect(get(z, 12)).toEqual(flat12(Fp12.frobeniusMap(fp12(m), times)));
      }
    });
    const f = Fp12.pow(fp12(Array.from({ length: 12 }, (_, i) => BigInt(i + 2))), p ** 2n + 1n);
    const cyclotomic = Fp12.div(Fp12.conjugate(f), f);
    const at = curve.allocate(FP12_BYTES);
    flat12(cyclotomic).forEach((value, i) => {
      curve.writeBase(at + i * ELEMENT_BYTES, value);
    });
    curve.arithmetic.fp12_sqrCyclotomic(at, at);
    expect(get(at, 12)).toEqual(flat12(Fp12.sqr(cyclotomic)));
  });

  test('in inverses, one and many', () => {
    const inversion = createInversion(curve);
    const values = [1n, 2n, p - 1n, 12_345n, p - 12_345n];
    for (let count = 1; count <= values.length; count++) {
      const at = curve.allocate(count * ELEMENT_BYTES);
      const places = values.slice(0, count).map((value, i) => {
        curve.writeBase(at + i * ELEMENT_BYTES, value);
        return at + i * ELEMENT_BYTES;
      });
      inversion.elements(places);
      expect(get(at, count)).toEqual(values.slice(0, count).map((value) => fields.Fp.inv(value)));
    }
    hold(([a, , z], [m]) => {
      if (m[0] === 0n && m[1] === 0n) return;
      inversion.extension(z, a);
      expect(get(z, 2)).toEqual(flat2(Fp2.inv(extension(m, 0))));
    });
  });

  test('in pairings, computed on the way and prepared', () => {
    const power = createPower(curve);
    for (const [a, b] of [
      [1n, 1n],
      [2n, r - 1n],
      [r - 3n, 77n],
      [2n ** 200n + 5n, 2n ** 131n - 9n],
    ] as const) {
      const expected = flat12(bn254.pairing(G1.Point.BASE.multiply(a), G2.Point.BASE.multiply(b)));
      const to = curve.allocate(FP12_BYTES);
      pairing.miller(to, [{ scales: onTheWay(a), q: putG2(b) }], []);
      pairing.finalExponentiation(to);
      expect(get(to, 12)).toEqual(expected);
      pairing.miller(to, [], [{ scales: forPrepared(a), lines: pairing.prepare(putG2(b)) }]);
      pairing.finalExponentiation(to);
      expect(get(to, 12)).toEqual(expected);
      power(to, to, 2n ** 140n - 11n);
      expect(get(to, 12)).toEqual(flat12(Fp12.pow(fp12(expected), 2n ** 140n - 11n)));
      power(to, to, r);
      expect(get(to, 12)).toEqual(flat12(Fp12.ONE));
    }
  });
});

function asPair([a = 0n, b = 0n]: readonly bigint[]): [bigint, bigint] {
  return [a, b];
}

function putG1(multiple: bigint): Address {
  const at = curve.allocate(G1_BYTES);
  const { x, y } = G1.Point.BASE.multiply(multiple).toAffine();
  curve.writeG1(at, [x, y]);
  return at;
}

function putG2(multiple: bigint): Address {
  const at = curve.allocate(G2_BYTES);
  const { x, y } = G2.Point.BASE.multiply(multiple).toAffine();
  curve.writeTwist(at, [
    [x.c0, x.c1],
    [y.c0, y.c1],
  ]);
  return at;
}

/** y, x and 1. */
function onTheWay(multiple: bigint): Address {
  const point = putG1(multiple);
  const at = curve.allocate(3 * ELEMENT_BYTES);
  curve.copy(at, point + ELEMENT_BYTES, ELEMENT_BYTES);
  curve.copy(at + ELEMENT_BYTES, point, ELEMENT_BYTES);
  curve.writeBase(at + 2 * ELEMENT_BYTES, 1n);
  return at;
}

/** x / y and 1 / y. */
function forPrepared(multiple: bigint): Address {
  const point = putG1(multiple);
  createInversion(curve).elements([point + ELEMENT_BYTES]);
  curve.arithmetic.fp_mul(point, point, point + ELEMENT_BYTES);
  return point;
}

test('products of pairings are one exactly where their exponents add up to zero', () => {
  const lines = pairing.prepare(putG2(11n));
  const to = curve.allocate(FP12_BYTES);
  const isOne = (exponents: readonly [bigint, bigint, bigint]) => {
    const [first, second, third] = exponents;
    const pairs = [
      { scales: onTheWay(first), q: putG2(5n) },
      { scales: onTheWay(second), q: putG2(7n) },
    ];
    pairing.miller(to, pairs, [{ scales: forPrepared(third), lines }]);
    pairing.finalExponentiation(to);
    return curve.readBase(to) === 1n && curve.isZero(to + ELEMENT_BYTES, FP12_BYTES - ELEMENT_BYTES);
  };
  // 5a + 7b + 11c = 0
  expect(isOne([r - 5n, 2n, 1n])).toBe(true);
  expect(isOne([3n, 1n, r - 2n])).toBe(true);
  expect(isOne([3n, 1n, 2n])).toBe(false);
  expect(isOne([r - 5n, 2n, 2n])).toBe(false);
  expect(isOne([r - 4n, 2n, 1n])).toBe(false);
});

test('the final exponentiation raises to a multiple of (p^12 - 1) / r that is prime to r', () => {
  const a = 12n * x ** 3n + 6n * x ** 2n + 6n * x;
  const b = a - 2n * x;
  const written = a + 6n * x ** 2n + 1n + b * p + a * p ** 2n + (b - 1n) * p ** 3n;
  const k = 2n * x * (6n * x ** 2n + 3n * x + 1n);
  expect((p ** 4n - p ** 2n + 1n) % r).toBe(0n);
  expect(written).toBe((k * (p ** 4n - p ** 2n + 1n)) / r);
  expect(k % r).not.toBe(0n);
  expect(36n * x ** 4n + 36n * x ** 3n + 24n * x ** 2n + 6n * x + 1n).toBe(p);
});

// Keys and proofs whose discrete logarithms are known, so that any point may be where it is wanted.
describe('the equation', () => {
  const [alpha, beta, gamma, delta] = [3n, 5n, 7n, 11n];

  function claim(
    ic: readonly [bigint, bigint],
    signal: bigint,
    [a, b, c]: readonly [bigint, bigint, bigint],
  ) {
    const alphaBeta = curve.allocate(FP12_BYTES);
    pairing.miller(alphaBeta, [{ scales: onTheWay(alpha), q: putG2(beta) }], []);
    pairing.finalExponentiation(alphaBeta);
    const points = curve.allocate(POINT_BYTES);
    curve.copy(points, putG1(a), G1_BYTES);
    curve.copy(points + G1_BYTES, putG2(b), G2_BYTES);
    curve.copy(points + G1_BYTES + G2_BYTES, putG1(c), G1_BYTES);
    const start = putG1(ic[0]);
    putG1(ic[1]);
    const key = { signals: 1, ic: start, alphaBeta, gamma: gammaLines, delta: deltaLines };
    return { key, signals: [signal], points: curve.bytes(points, POINT_BYTES).slice() };
  }

  let gammaLines: Address;
  let deltaLines: Address;
  beforeAll(() => {
    gammaLines = pairing.prepare(putG2(gamma));
    deltaLines = pairing.prepare(putG2(delta));
  });
  const random = (length: number) => new Uint8Array(length).fill(7);

  test('holds where it should, and nowhere beside', () => {
    const equation = createEquation(curve, pairing);
    // 15 + 7 (2 + 4s) + 11c = ab, with s = 3 and c = 1
    const good = claim([2n, 4n], 3n, [4n, 31n, 1n]);
    expect(15n + 7n * 14n + 11n).toBe(4n * 31n);
    expect(equation([good], random)).toBe(true);
    expect(equation([claim([2n, 4n], 3n, [5n, 31n, 1n])], random)).toBe(false);
    expect(equation([claim([2n, 4n], 4n, [4n, 31n, 1n])], random)).toBe(false);
    expect(equation([good, good, good], random)).toBe(true);
    expect(equation([good, claim([2n, 4n], 3n, [4n, 31n, 2n]), good], random)).toBe(false);
  });

  test('leaves out a sum of inputs that is infinity', () => {
    const equation = createEquation(curve, pairing);
    // IC_1 = -IC_0, s = 1: L is infinity. 15 + 11 = 2 * 13
    const good = claim([9n, r - 9n], 1n, [2n, 13n, 1n]);
    expect(equation([good], random)).toBe(true);
    expect(equation([good, good], random)).toBe(true);
    expect(equation([claim([9n, r - 9n], 2n, [2n, 13n, 1n])], random)).toBe(false);
  });
});
