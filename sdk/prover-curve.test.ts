import { readFile } from 'node:fs/promises';
import { FIELD_ORDER } from '@akashi/circuits';
import type { G1Point, G2Point } from '@akashi/circuits/bn254';
import { bn254 } from '@noble/curves/bn254.js';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { nobleCombiner } from './noble-combiner.ts';
import { proverModule } from './prover-build.ts';
import { ProverCurve } from './prover-curve.ts';

const scalar = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, FIELD_ORDER - 1n, 2n ** 128n, 2n ** 253n),
  fc.bigInt(0n, FIELD_ORDER - 1n),
);
const pause = async () => undefined;

let curve: ProverCurve;

beforeAll(async () => {
  curve = await ProverCurve.load();
});

function g1(multiple: bigint): G1Point {
  const { x, y } = bn254.G1.Point.BASE.multiply(multiple).toAffine();
  return [x, y];
}

function g2(multiple: bigint): G2Point {
  const { x, y } = bn254.G2.Point.BASE.multiply(multiple).toAffine();
  return [
    [x.c0, x.c1],
    [y.c0, y.c1],
  ];
}

function pack(coordinates: readonly bigint[]): Uint8Array {
  return Uint8Array.from(
    coordinates.flatMap((value) =>
      Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n)),
    ),
  );
}

test('the assembled arithmetic is that of its source', async () => {
  expect(await readFile(new URL('prover-wasm.ts', import.meta.url), 'utf8')).toBe(await proverModule());
});

test('scalars come back as they were written', () => {
  fc.assert(
    fc.property(fc.array(scalar, { minLength: 1, maxLength: 20 }), (scalars) => {
      const at = curve.allocate(36 * scalars.length);
      curve.writeScalars(at, scalars);
      expect(curve.readScalars(at, scalars.length)).toEqual(scalars);
      curve.release(at);
    }),
  );
});

describe('sums of multiples agree with @noble/curves', () => {
  // Equal, opposite and doubled points meet in the buckets: the cases that the addition formulas leave out.
  const points = [1n, 1n, 2n, FIELD_ORDER - 1n, 3n, 1n, 12_345_678_901_234_567_890n];

  test('in G1', async () => {
    const known = points.map(g1);
    await fc.assert(
      fc.asyncProperty(fc.array(scalar, { minLength: 7, maxLength: 7 }), async (scalars) => {
        const expected = nobleCombiner.combineG1(known, scalars);
        expect(curve.combineG1(known, scalars)).toEqual(expected);
        const at = curve.writePoints(pack(known.flat()));
        expect(await curve.multiexp(curve.g1, at, scalars, pause)).toEqual(expected);
        curve.release(at);
      }),
      { numRuns: 25 },
    );
  });

  test('in G2', async () => {
    const known = points.map(g2);
    await fc.assert(
      fc.asyncProperty(fc.array(scalar, { minLength: 7, maxLength: 7 }), async (scalars) => {
        const expected = nobleCombiner.combineG2(known, scalars);
        expect(curve.combineG2(known, scalars)).toEqual(expected);
        const at = curve.writePoints(pack(known.flat(2)));
        expect(await curve.multiexp(curve.g2, at, scalars, pause)).toEqual(expected);
        curve.release(at);
      }),
      { numRuns: 8 },
    );
  });

  test('at infinity, which has no coordinates', () => {
    expect(curve.combineG1([g1(5n)], [0n])).toBeUndefined();
    expect(curve.combineG1([g1(5n), g1(FIELD_ORDER - 5n)], [7n, 7n])).toBeUndefined();
    expect(nobleCombiner.combineG1([g1(5n), g1(FIELD_ORDER - 5n)], [7n, 7n])).toBeUndefined();
    expect(curve.combineG2([g2(5n), g2(FIELD_ORDER - 5n)], [7n, 7n])).toBeUndefined();
  });
});

test('memory is given back: a thousand sums leave it as it was', () => {
  const before = curve.allocate(0);
  const point = g1(9n);
  for (let i = 0; i < 1000; i++) curve.combineG1([point], [BigInt(i + 1)]);
  expect(curve.allocate(0)).toBe(before);
});
