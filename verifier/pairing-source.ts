import { BASE_FIELD_ORDER } from '@akashi/circuits';
import { ELEMENT_BYTES, EXTENSION_BYTES } from '@akashi/circuits/bn254';
import { field, group, quadraticExtension, Scratch, type Wat } from '../circuits/arithmetic-source.ts';
import { type Coefficient, Formula, type Sum } from './formula.ts';

// The arithmetic of the pairing as WebAssembly text, over that of the fields and groups (circuits/arithmetic-source.ts).
// `npm run build:arithmetic` assembles it into pairing-wasm.ts.
//
//   Fp2 = Fp[u] / (u^2 + 1),   Fp6 = Fp2[v] / (v^3 - xi),   Fp12 = Fp6[w] / (w^2 - v),   xi = 9 + u.

const XI: Coefficient = [9, 1];

/** An element of Fp6 or Fp12, or the first of its elements of Fp2. */
type Vector = readonly Sum[];
type Triple = readonly [Sum, Sum, Sum];

/** A triple whose elements are known to be there. */
function triple(vector: Vector, from = 0): Triple {
  const [a, b, c] = vector.slice(from, from + 3);
  if (a === undefined || b === undefined || c === undefined) throw new TypeError('three elements');
  return [a, b, c];
}

function map(x: Vector, y: Vector, combine: (x: Sum, y: Sum) => Sum): Triple {
  const [[x0, x1, x2], [y0, y1, y2]] = [triple(x), triple(y)];
  return [combine(x0, y0), combine(x1, y1), combine(x2, y2)];
}

const plus = (x: Vector, y: Vector): Triple => map(x, y, (a, b) => a.plus(b));
const minus = (x: Vector, y: Vector): Triple => map(x, y, (a, b) => a.minus(b));
/** Times v, whose cube is xi. */
const timesV = ([c0, c1, c2]: Triple): Triple => [c2.times(XI), c0, c1];

/** Fp6, by Karatsuba: 6 products for 9. */
function product6(f: Formula, [x0, x1, x2]: Triple, [y0, y1, y2]: Triple): Triple {
  const [v0, v1, v2] = [f.product(x0, y0), f.product(x1, y1), f.product(x2, y2)];
  const v12 = f.product(x1.plus(x2), y1.plus(y2)).minus(v1).minus(v2);
  const v01 = f.product(x0.plus(x1), y0.plus(y1)).minus(v0).minus(v1);
  const v02 = f.product(x0.plus(x2), y0.plus(y2)).minus(v0).minus(v2);
  return [v0.plus(v12.times(XI)), v01.plus(v2.times(XI)), v02.plus(v1)];
}

/** Fp6, the second factor being y0 + y1 v: 5 products. */
function product6Sparse(f: Formula, [x0, x1, x2]: Triple, y0: Sum, y1: Sum): Triple {
  const [v0, v1] = [f.product(x0, y0), f.product(x1, y1)];
  const v12 = f.product(x1.plus(x2), y1).minus(v1);
  const v01 = f.product(x0.plus(x1), y0.plus(y1)).minus(v0).minus(v1);
  const v02 = f.product(x0.plus(x2), y0).minus(v0);
  return [v0.plus(v12.times(XI)), v01, v02.plus(v1)];
}

const settle = (f: Formula, x: Vector): Triple => map(x, x, (a) => f.settled(a));

type Define = (f: Formula) => void;

const multiply12: Define = (f) => {
  const [x, y] = [f.given('x', 6), f.given('y', 6)];
  const [low, high] = [product6(f, triple(x), triple(y)), product6(f, triple(x, 3), triple(y, 3))];
  const both = product6(
    f,
    settle(f, plus(triple(x), triple(x, 3))),
    settle(f, plus(triple(y), triple(y, 3))),
  );
  f.result('z', [...plus(low, timesV(high)), ...minus(minus(both, low), high)]);
};

/** (x0 + x1 w)^2 by two products in Fp6. */
const square12: Define = (f) => {
  const x = f.given('x', 6);
  const [low, high] = [triple(x), triple(x, 3)];
  const cross = settle(f, product6(f, low, high));
  const both = product6(f, settle(f, plus(low, high)), settle(f, plus(low, timesV(high))));
  f.result('z', [...minus(minus(both, cross), timesV(cross)), ...plus(cross, cross)]);
};

/**
 * The square where x^(p^6 + 1) = 1 and x^(p^4 - p^2 + 1) = 1, so behind the easy part of the final exponentiation.
 * Granger, Scott, "Faster squaring in the cyclotomic subgroup of sixth degree extensions" (2010), section 3.2.
 */
const squareCyclotomic: Define = (f) => {
  const x = f.given('x', 6);
  const [[x0, x1, x2], [x3, x4, x5]] = [triple(x), triple(x, 3)];
  /** (a + b y)^2 in Fp4, y^2 = xi. */
  const square4 = (a: Sum, b: Sum): readonly [Sum, Sum] => {
    const [aa, bb] = [f.square(a), f.square(b)];
    return [aa.plus(bb.times(XI)), f.square(a.plus(b)).minus(aa).minus(bb)];
  };
  const [a0, a1] = square4(x0, x4);
  const [b0, b1] = square4(x3, x2);
  const [c0, c1] = square4(x1, x5);
  const less = (square: Sum, x: Sum) => square.times([3, 0]).minus(x.times([2, 0]));
  const more = (square: Sum, x: Sum) => square.times([3, 0]).plus(x.times([2, 0]));
  f.result('z', [
    ...[less(a0, x0), less(b0, x1), less(c0, x2)],
    ...[more(f.settled(c1.times(XI)), x3), more(a1, x4), more(b1, x5)],
  ]);
};

/** x times l0 + l1 w + l2 v w, where l0, l1, l2 are the line at `l` scaled by the three elements of Fp at `s`. */
const multiplyLine: Define = (f) => {
  const [x, l] = [f.given('x', 6), triple(f.given('l', 3))];
  const [l0, l1, l2] = [f.scaled(l[0], 's', 0), f.scaled(l[1], 's', 1), f.scaled(l[2], 's', 2)];
  const [low, high] = [triple(x), triple(x, 3)];
  const a = map(low, low, (element) => f.product(element, l0));
  const b = product6Sparse(f, high, l1, l2);
  const both = product6Sparse(f, settle(f, plus(low, high)), f.settled(l0.plus(l1)), l2);
  f.result('z', [...plus(a, timesV(b)), ...minus(minus(both, a), b)]);
};

/** The same where l0 is one: a prepared line has two elements. */
const multiplyPreparedLine: Define = (f) => {
  const x = f.given('x', 6);
  const [first, second] = f.given('l', 2);
  if (first === undefined || second === undefined) throw new TypeError('two elements');
  const [l1, l2] = [f.scaled(first, 's', 0), f.scaled(second, 's', 1)];
  const [low, high] = [triple(x), triple(x, 3)];
  const a = product6Sparse(f, low, l1, l2);
  const b = product6Sparse(f, high, l1, l2);
  f.result('z', [...plus(low, timesV(b)), ...plus(high, a)]);
};

// The steps of Miller's loop on the twist y^2 = x^3 + 3 / xi, the running point T in homogeneous coordinates, the line
// as its coefficients of y_P, of x_P w, and of v w. Costello, Lange, Naehrig, "Faster pairing computations on curves with
// high-degree twists" (2010); Aranha, Karabina, Longa, Gebotys, Lopez, "Faster explicit formulas for computing pairings
// over ordinary curves" (2011), section 4, with all of T times 4 to have no halves.

/** T becomes 2T; the line is the tangent at T. `b` is 3 times the twist's coefficient. */
const doubleStep: Define = (f) => {
  const [x, y, z] = triple(f.given('t', 3));
  const [b] = f.given('b', 1);
  if (b === undefined) throw new TypeError('a coefficient');
  const [yy, zz, xx] = [f.square(y), f.square(z), f.square(x)];
  const e = f.product(zz, b);
  const yz = f.square(y.plus(z)).minus(yy).minus(zz);
  const f3 = e.times([3, 0]);
  const half = f.square(yy.plus(f3));
  f.result('t', [
    f.product(f.product(x, y).times([2, 0]), yy.minus(f3)),
    half.minus(f.square(e).times([12, 0])),
    f.product(yy, yz).times([4, 0]),
  ]);
  f.result('l', [yz.times([-1, 0]), xx.times([3, 0]), e.minus(yy)]);
};

/** T becomes T + Q, Q affine at `p`; the line is the one through both. */
const addStep: Define = (f) => {
  const [x, y, z] = triple(f.given('t', 3));
  const [qx, qy] = f.given('p', 2);
  if (qx === undefined || qy === undefined) throw new TypeError('two coordinates');
  const o = f.settled(y.minus(f.product(qy, z)));
  const l = f.settled(x.minus(f.product(qx, z)));
  const d = f.square(l);
  const e = f.product(l, d);
  const g = f.product(x, d);
  const h = f.settled(e.plus(f.product(z, f.square(o))).minus(g.times([2, 0])));
  f.result('t', [f.product(l, h), f.product(g.minus(h), o).minus(f.product(y, e)), f.product(z, e)]);
  f.result('l', [l, o.times([-1, 0]), f.product(qx, o).minus(f.product(l, qy))]);
};

/** x0^2 - v x1^2 in Fp6: x times its conjugate. */
const norm12: Define = (f) => {
  const x = f.given('x', 6);
  const [low, high] = [triple(x), triple(x, 3)];
  f.result('z', minus(product6(f, low, low), timesV(product6(f, high, high))));
};

/** In Fp6: y with x y in Fp2, and that product as a fourth element. */
const adjugate6: Define = (f) => {
  const [x0, x1, x2] = triple(f.given('x', 3));
  const y0 = f.settled(f.square(x0).minus(f.product(x1, x2).times(XI)));
  const y1 = f.settled(f.square(x2).times(XI).minus(f.product(x0, x1)));
  const y2 = f.settled(f.square(x1).minus(f.product(x0, x2)));
  const product = f.product(x2, y1).plus(f.product(x1, y2)).times(XI).plus(f.product(x0, y0));
  f.result('z', [y0, y1, y2, product]);
};

const multiply6: Define = (f) => {
  f.result('z', product6(f, triple(f.given('x', 3)), triple(f.given('y', 3))));
};

/** x0 - x1 w. */
const conjugate12: Define = (f) => {
  const x = f.given('x', 6);
  f.result('z', [...triple(x), ...triple(x, 3).map((element) => element.times([-1, 0]))]);
};

const FUNCTIONS: Readonly<Record<string, readonly [define: Define, parameters: readonly string[]]>> = {
  fp12_mul: [multiply12, ['z', 'x', 'y']],
  fp12_sqr: [square12, ['z', 'x']],
  fp12_sqrCyclotomic: [squareCyclotomic, ['z', 'x']],
  fp12_mulLine: [multiplyLine, ['z', 'x', 'l', 's']],
  fp12_mulPreparedLine: [multiplyPreparedLine, ['z', 'x', 'l', 's']],
  fp12_conjugate: [conjugate12, ['z', 'x']],
  fp12_norm: [norm12, ['z', 'x']],
  fp6_mul: [multiply6, ['z', 'x', 'y']],
  fp6_adjugate: [adjugate6, ['z', 'x']],
  twist_double: [doubleStep, ['t', 'l', 'b']],
  twist_add: [addStep, ['t', 'l', 'p']],
};

export function pairingSource(): Wat {
  const scratch = new Scratch();
  const groups = [group('g1', 'fp', ELEMENT_BYTES, scratch), group('g2', 'fp2', EXTENSION_BYTES, scratch)];
  const functions = Object.entries(FUNCTIONS).map(([name, [define, parameters]]) => {
    const formula = new Formula(scratch.branch());
    define(formula);
    return formula.text(name, parameters);
  });
  return `(module
    (import "env" "memory" (memory 1))
    ${field('fp', BASE_FIELD_ORDER)}
    ${quadraticExtension()}
    ${groups.join('\n')}
    ${functions.join('\n')})`;
}
