import { BASE_FIELD_ORDER, FIELD_ORDER } from '@akashi/circuits';
import { bn254 } from '@noble/curves/bn254.js';
import { beforeAll, expect, test } from 'vitest';
import { type Curve, G2_BYTES, startCurve } from './curve.ts';
import { CURVE_PARAMETER } from './frobenius.ts';
import { createSubgroupCheck, type SubgroupCheck } from './subgroup.ts';

// The points are made by another implementation of the curve.
const { G2, fields } = bn254;
type Point = InstanceType<typeof G2.Point>;

const x = CURVE_PARAMETER;
const [p, r] = [BASE_FIELD_ORDER, FIELD_ORDER];
const t = 6n * x * x + 1n;
/** The order of the twist is r times this. */
const COFACTOR = 2n * p - r;
const COFACTOR_PRIMES = [10069n, 5864401n, 1875725156269n];

let curve: Curve;
let address: number;
let inSubgroup: SubgroupCheck;

beforeAll(async () => {
  curve = await startCurve();
  address = curve.allocate(G2_BYTES);
  inSubgroup = createSubgroupCheck(curve);
});

function says(point: Point): boolean {
  const { x, y } = point.toAffine();
  curve.writeTwist(address, [
    [x.c0, x.c1],
    [y.c0, y.c1],
  ]);
  return inSubgroup(address);
}

/** Points of the twist by their x, whatever their order. */
function twistPoints(count: number): Point[] {
  const points: Point[] = [];
  const b = fields.Fp2.div(fields.Fp2.fromBigTuple([3n, 0n]), fields.Fp2.fromBigTuple([9n, 1n]));
  for (let i = 1n; points.length < count; i++) {
    const abscissa = fields.Fp2.fromBigTuple([i, 1n]);
    const square = fields.Fp2.add(fields.Fp2.pow(abscissa, 3n), b);
    try {
      points.push(G2.Point.fromAffine({ x: abscissa, y: fields.Fp2.sqrt(square) }));
    } catch {
      // Not a square: no point has this x.
    }
  }
  return points;
}

/** By doublings and additions: the library's own multiplication takes scalars below r only. */
function times(point: Point, scalar: bigint): Point {
  let result = G2.Point.ZERO;
  for (const bit of scalar.toString(2)) {
    result = result.double();
    if (bit === '1') result = result.add(point);
  }
  return result;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b);
}

test('the equation means order r: its norm and the order of the twist have no more than r in common', () => {
  expect(p + 1n - t).toBe(r);
  // psi^2 = t psi - p and psi^3 = (t^2 - p) psi - t p, in (x+1) + x psi + x psi^2 - 2x psi^3 = a + b psi.
  const a = x + 1n - x * p + 2n * x * t * p;
  const b = x + x * t - 2n * x * (t * t - p);
  const norm = a * a + a * b * t + b * b * p;
  expect(greatestCommonDivisor(norm, r * COFACTOR)).toBe(r);
  // And in G2, where psi is p: the equation holds.
  expect((x + 1n + x * p + x * p ** 2n - 2n * x * p ** 3n) % r).toBe(0n);
});

test('points of the subgroup are in it', () => {
  for (let i = 0; i < 32; i++) {
    const scalar = fields.Fr.create(BigInt(i + 1) ** 71n);
    expect(says(G2.Point.BASE.multiply(scalar))).toBe(true);
  }
  expect(says(G2.Point.BASE.negate())).toBe(true);
});

test('points of the twist outside of it are not, nor when a good point is added', () => {
  for (const point of twistPoints(12)) {
    expect(times(point, r).equals(G2.Point.ZERO)).toBe(false);
    expect(says(point)).toBe(false);
    expect(says(point.add(G2.Point.BASE))).toBe(false);
    expect(says(times(point, COFACTOR))).toBe(true);
  }
});

test.each(COFACTOR_PRIMES)(
  'points of the small order %s are not, nor when a good point is added',
  (prime) => {
    expect(COFACTOR % prime).toBe(0n);
    let tried = 0;
    for (const point of twistPoints(6)) {
      const small = times(point, (COFACTOR / prime) * r);
      if (small.equals(G2.Point.ZERO)) continue;
      expect(times(small, prime).equals(G2.Point.ZERO)).toBe(true);
      for (const multiple of [small, small.double(), small.negate(), times(small, prime / 2n)]) {
        expect(says(multiple)).toBe(false);
        expect(says(multiple.add(G2.Point.BASE.multiply(7n)))).toBe(false);
      }
      tried++;
    }
    expect(tried).toBeGreaterThan(3);
  },
);

test('says what the multiplication by r says, point by point', () => {
  for (const [i, point] of twistPoints(24).entries()) {
    const candidate = i % 2 === 0 ? point : times(point, COFACTOR);
    expect(says(candidate)).toBe(times(candidate, r).equals(G2.Point.ZERO));
  }
});
