import { ELEMENT_BYTES, FREE_AT, LIMB_BITS, LIMBS, ONE_AT } from './arithmetic-layout.ts';
import { BASE_FIELD_ORDER } from './field.ts';

// The arithmetic of BN254 as WebAssembly text, in parts: the prover and the verifier each assemble what they need of it
// (`npm run build:arithmetic`).
//
// A field element is 9 limbs of 29 bits, little-endian, one 32-bit word each, in Montgomery form with R = 2^261, and
// below twice the order: the seven spare bits make the final subtraction of a multiplication unnecessary, and let
// products be summed in 64 bits without a carry between (at most 18 products below 2^58, so below 2^63). Limbs of
// 32 bits were tried first and are slower: each product then needs its carry.
// None of it runs in constant time: the prover works for the owner of the secrets, on the owner's device.

const SCRATCH_AT = 256;

export const MASK = (1n << BigInt(LIMB_BITS)) - 1n;

export type Wat = string;

/** Hands out fixed places for intermediate values: no function here calls itself. */
export class Scratch {
  #next: number;

  constructor(from = SCRATCH_AT) {
    this.#next = from;
  }

  /** The same place for each function that runs alone. */
  branch(): Scratch {
    return new Scratch(this.#next);
  }

  take(bytes: number): number {
    const at = this.#next;
    this.#next += bytes;
    if (this.#next > FREE_AT) throw new RangeError('scratch space is used up');
    return at;
  }
}

/** `mul`, `sqr`, `add`, `sub` (z, x, y are addresses; any may be equal) and `isZero`. */
export function field(name: string, order: bigint): Wat {
  return [multiply, square, add, subtract, isZero].map((part) => part(name, order)).join('\n');
}

/** Montgomery multiplication. */
function multiply(name: string, order: bigint): Wat {
  return `(func $${name}_mul (export "${name}_mul") (param $z i32) (param $px i32) (param $py i32)
    ${locals('y', 'i64')} ${locals('t', 'i64')} (local $limb i64) (local $q i64) (local $c i64)
    ${each(LIMBS, (i) => loadLimb(`y${i}`, 'py', i))}
    ${multiplyRows(
      (i) => `(i64.load32_u offset=${4 * i} (local.get $px))`,
      (j) => `(local.get $y${j})`,
      order,
    )}
    ${storeCarried((j) => `$t${j}`)})`;
}

/**
 * Adds x times y to the columns $t, one limb of x at a time. The quotient digit makes the lowest column divisible by 2^29;
 * its carry is the only one until the end.
 */
function multiplyRows(x: (i: number) => Wat, y: (j: number) => Wat, order: bigint): Wat {
  const p = limbs(order);
  return each(
    LIMBS,
    (i) => `
    (local.set $limb ${x(i)})
    (local.set $t0 (i64.add (local.get $t0) (i64.mul (local.get $limb) ${y(0)})))
    ${quotient('$t0', order)}
    (local.set $t1 (i64.add (local.get $t1) (i64.shr_u
      (i64.add (local.get $t0) (i64.mul (local.get $q) (i64.const ${p[0]}))) (i64.const ${LIMB_BITS}))))
    ${each(
      LIMBS - 1,
      (j) => `
      (local.set $t${j} (i64.add (local.get $t${j + 1}) (i64.add
        (i64.mul (local.get $limb) ${y(j + 1)}) (i64.mul (local.get $q) (i64.const ${p[j + 1]})))))`,
    )}
    (local.set $t${LIMBS - 1} (i64.const 0))`,
  );
}

/** The same with the 36 cross products taken once and doubled: by columns first, reduced afterwards. */
function square(name: string, order: bigint): Wat {
  return `(func $${name}_sqr (export "${name}_sqr") (param $z i32) (param $px i32)
    ${locals('x', 'i64')} ${locals('t', 'i64', 2 * LIMBS)} (local $q i64) (local $c i64)
    ${each(LIMBS, (i) => loadLimb(`x${i}`, 'px', i))}
    ${each(COLUMNS, (k) => `(local.set $t${k} ${squareColumn('x', k)})`)}
    ${reduceColumns(order)}
    ${storeCarried((j) => `$t${j + LIMBS}`)})`;
}

/** How many columns the product of two elements has, before carries make one more. */
const COLUMNS = 2 * LIMBS - 1;

function squareColumn(x: string, k: number): Wat {
  const cross = range(LIMBS)
    .filter((i) => i < k - i && k - i < LIMBS)
    .map((i) => `(i64.mul (local.get $${x}${i}) (local.get $${x}${k - i}))`);
  const doubled = cross.length === 0 ? [] : [`(i64.shl ${cross.reduce(sum)} (i64.const 1))`];
  const own = k % 2 === 0 ? [`(i64.mul (local.get $${x}${k / 2}) (local.get $${x}${k / 2}))`] : [];
  return [...doubled, ...own].reduce(sum);
}

/** Adds multiples of the order to the columns $t until the lower half is zero; they may be negative. */
function reduceColumns(order: bigint): Wat {
  const p = limbs(order);
  return each(
    LIMBS,
    (i) => `
    ${quotient(`$t${i}`, order)}
    ${each(LIMBS, (j) => `(local.set $t${i + j} ${sum(`(local.get $t${i + j})`, `(i64.mul (local.get $q) (i64.const ${p[j]}))`)})`)}
    (local.set $t${i + 1} ${sum(`(local.get $t${i + 1})`, `(i64.shr_s (local.get $t${i}) (i64.const ${LIMB_BITS}))`)})`,
  );
}

/** x + y, less 2p where that is not negative. */
function add(name: string, order: bigint): Wat {
  const twice = limbs(2n * order);
  return `(func $${name}_add (export "${name}_add") (param $z i32) (param $px i32) (param $py i32)
    ${locals('s', 'i32')} ${locals('d', 'i32')} (local $c i32) (local $mask i32)
    ${carried('s', (i) => `(i32.add (i32.load offset=${4 * i} (local.get $px)) (i32.load offset=${4 * i} (local.get $py)))`)}
    ${carried('d', (i) => `(i32.sub (local.get $s${i}) (i32.const ${twice[i]}))`)}
    (local.set $mask (i32.shr_s (local.get $d${LIMBS - 1}) (i32.const 31)))
    ${storeSelected('d', 's')})`;
}

/** x - y, plus 2p where that is negative. */
function subtract(name: string, order: bigint): Wat {
  const twice = limbs(2n * order);
  return `(func $${name}_sub (export "${name}_sub") (param $z i32) (param $px i32) (param $py i32)
    ${locals('d', 'i32')} ${locals('s', 'i32')} (local $c i32) (local $mask i32)
    ${carried('d', (i) => `(i32.sub (i32.load offset=${4 * i} (local.get $px)) (i32.load offset=${4 * i} (local.get $py)))`)}
    ${carried('s', (i) => `(i32.add (local.get $d${i}) (i32.const ${twice[i]}))`)}
    (local.set $mask (i32.shr_s (local.get $d${LIMBS - 1}) (i32.const 31)))
    ${storeSelected('d', 's')})`;
}

/** Zero has two forms below 2p: 0 and p. */
function isZero(name: string, order: bigint): Wat {
  const p = limbs(order);
  const load = (i: number): Wat => `(i32.load offset=${4 * i} (local.get $px))`;
  const or = (a: Wat, b: Wat): Wat => `(i32.or ${a} ${b})`;
  return `(func $${name}_isZero (export "${name}_isZero") (param $px i32) (result i32)
    (i32.or
      (i32.eqz ${range(LIMBS).map(load).reduce(or)})
      (i32.eqz ${range(LIMBS)
        .map((i) => `(i32.xor ${load(i)} (i32.const ${p[i]}))`)
        .reduce(or)})))`;
}

/**
 * Fp2 = Fp[u] / (u^2 + 1); c0 and c1 follow each other in memory. Factors may be as large as 6p. A product takes its three
 * products of coordinates (Karatsuba) in columns, and each coordinate is reduced once: with p / R below 1/168 it comes out
 * below (1 + 1/2 + 36/168)p. A square is two products, (x0 + x1)(x0 - x1 + 6p) and 2 x0 x1: below (1 + 144/168)p.
 */
export function quadraticExtension(): Wat {
  // x0 y0 - x1 y1 may be as low as -36 p^2, which is above -p R / 2.
  const offset = limbs(BASE_FIELD_ORDER << BigInt(LIMB_BITS * LIMBS - 1), 2 * LIMBS);
  const lift = limbs(6n * BASE_FIELD_ORDER);
  const load = (name: string): Wat =>
    ['l', 'h'].map((half, at) => each(LIMBS, (i) => loadLimb(`${name}${half}${i}`, name, i, at))).join('\n');
  const addHalves = (name: string): Wat =>
    each(LIMBS, (i) => set(`${name}l${i}`, `(i64.add ${get(`${name}l${i}`)} ${get(`${name}h${i}`)})`));
  const pair = (name: string): Wat => `${locals(`${name}l`, 'i64')} ${locals(`${name}h`, 'i64')}`;
  const column = (x: string, y: string, k: number): Wat =>
    range(LIMBS)
      .filter((i) => i <= k && k - i < LIMBS)
      .map((i) => `(i64.mul ${get(`${x}${i}`)} ${get(`${y}${k - i}`)})`)
      .reduce(sum);
  return `
  (func $fp2_mul (export "fp2_mul") (param $z i32) (param $x i32) (param $y i32) ${pair('x')} ${pair('y')}
    ${locals('a', 'i64', COLUMNS)} ${locals('b', 'i64', COLUMNS)} ${locals('t', 'i64', 2 * LIMBS)}
    (local $q i64) (local $c i64)
    ${load('x')} ${load('y')}
    ${each(COLUMNS, (k) => `${set(`a${k}`, column('xl', 'yl', k))} ${set(`b${k}`, column('xh', 'yh', k))}`)}
    ${each(COLUMNS, (k) => set(`t${k}`, `(i64.sub (i64.add ${get(`a${k}`)} (i64.const ${offset[k]})) ${get(`b${k}`)})`))}
    ${set(`t${COLUMNS}`, `(i64.const ${offset[COLUMNS]})`)}
    ${reduceColumns(BASE_FIELD_ORDER)} ${storeCarried((j) => `$t${j + LIMBS}`)}
    ${addHalves('x')} ${addHalves('y')}
    ${each(COLUMNS, (k) => set(`t${k}`, `(i64.sub ${column('xl', 'yl', k)} (i64.add ${get(`a${k}`)} ${get(`b${k}`)}))`))}
    ${set(`t${COLUMNS}`, '(i64.const 0)')}
    ${reduceColumns(BASE_FIELD_ORDER)} ${storeCarried((j) => `$t${j + LIMBS}`, ELEMENT_BYTES)})
  (func $fp2_sqr (export "fp2_sqr") (param $z i32) (param $x i32) ${pair('x')} ${locals('y', 'i64')}
    ${locals('t', 'i64')} (local $limb i64) (local $q i64) (local $c i64)
    ${load('x')}
    ${carried('y', (i) => `(i64.sub (i64.add ${get(`xl${i}`)} (i64.const ${lift[i]})) ${get(`xh${i}`)})`, 'i64')}
    ${multiplyRows(
      (i) => `(i64.add ${get(`xl${i}`)} ${get(`xh${i}`)})`,
      (j) => get(`y${j}`),
      BASE_FIELD_ORDER,
    )}
    ${storeCarried((j) => `$t${j}`)}
    ${each(LIMBS, (j) => set(`t${j}`, '(i64.const 0)'))}
    ${multiplyRows(
      (i) => `(i64.shl ${get(`xl${i}`)} (i64.const 1))`,
      (j) => get(`xh${j}`),
      BASE_FIELD_ORDER,
    )}
    ${storeCarried((j) => `$t${j}`, ELEMENT_BYTES)})
  (func $fp2_add (param $z i32) (param $x i32) (param $y i32)
    (call $fp_add (local.get $z) (local.get $x) (local.get $y))
    (call $fp_add ${after('z')} ${after('x')} ${after('y')}))
  (func $fp2_sub (param $z i32) (param $x i32) (param $y i32)
    (call $fp_sub (local.get $z) (local.get $x) (local.get $y))
    (call $fp_sub ${after('z')} ${after('x')} ${after('y')}))
  (func $fp2_isZero (param $x i32) (result i32)
    (i32.and (call $fp_isZero (local.get $x)) (call $fp_isZero ${after('x')})))`;
}

function get(local: string): Wat {
  return `(local.get $${local})`;
}

function set(local: string, value: Wat): Wat {
  return `(local.set $${local} ${value})`;
}

/** Limb `i` of the element that is `element` elements behind what a parameter points to. */
function loadLimb(to: string, parameter: string, i: number, element = 0): Wat {
  return set(to, `(i64.load32_u offset=${4 * i + element * ELEMENT_BYTES} ${get(parameter)})`);
}

function after(name: string): Wat {
  return `(i32.add (local.get $${name}) (i32.const ${ELEMENT_BYTES}))`;
}

/**
 * Points of y^2 = x^3 + b in Jacobian coordinates X, Y, Z; infinity is Z = 0. Formulas of the Explicit-Formulas
 * Database (hyperelliptic.org/EFD, a = 0): dbl-2009-l, madd-2007-bl, add-2007-bl; equal and opposite points apart.
 */
export function group(name: string, over: string, bytes: number, scratch: Scratch): Wat {
  const take = (): Wat => `(i32.const ${scratch.take(bytes)})`;
  const [z1z1, z2z2, u1, u2, s1, s2, h, hh, i, j, r, v] = [
    take(),
    take(),
    take(),
    take(),
    take(),
    take(),
    take(),
    take(),
    take(),
    take(),
    take(),
    take(),
  ];
  const at = (point: string, coordinate: number): Wat =>
    `(i32.add (local.get $${point}) (i32.const ${coordinate * bytes}))`;
  const [x1, y1, z1] = [at('p', 0), at('p', 1), at('p', 2)];
  const [x2, y2, z2] = [at('q', 0), at('q', 1), at('q', 2)];
  const f = (operation: string, ...operands: (Wat | undefined)[]): Wat =>
    `(call $${over}_${operation} ${operands.join(' ')})`;
  const isInfinity = (z: Wat): Wat => `(call $${over}_isZero ${z})`;
  const sameX = `
    (if (call $${over}_isZero ${h}) (then
      (if (call $${over}_isZero ${r})
        (then (call $${name}_double (local.get $p)))
        (else (memory.fill (local.get $p) (i32.const 0) (i32.const ${3 * bytes}))))
      (return)))`;
  // With u, s the coordinates of p over the common denominator: h = u2 - u, r = s2 - s.
  const sumFrom = (u: Wat | undefined, s: Wat | undefined): Wat => `
    ${f('sqr', hh, h)} ${f('add', i, hh, hh)} ${f('add', i, i, i)} ${f('mul', j, h, i)} ${f('add', r, r, r)} ${f('mul', v, u, i)}
    ${f('mul', s1, s, j)} ${f('add', s1, s1, s1)}
    ${f('sqr', x1, r)} ${f('sub', x1, x1, j)} ${f('sub', x1, x1, v)} ${f('sub', x1, x1, v)}
    ${f('sub', v, v, x1)} ${f('mul', y1, r, v)} ${f('sub', y1, y1, s1)}`;
  return `
  (func $${name}_double (export "${name}_double") (param $p i32)
    ${f('sqr', u1, x1)} ${f('sqr', s1, y1)} ${f('sqr', hh, s1)}
    ${f('add', v, x1, s1)} ${f('sqr', v, v)} ${f('sub', v, v, u1)} ${f('sub', v, v, hh)} ${f('add', v, v, v)}
    ${f('add', r, u1, u1)} ${f('add', r, r, u1)} ${f('mul', z1, y1, z1)} ${f('add', z1, z1, z1)}
    ${f('sqr', x1, r)} ${f('sub', x1, x1, v)} ${f('sub', x1, x1, v)}
    ${f('add', hh, hh, hh)} ${f('add', hh, hh, hh)} ${f('add', hh, hh, hh)}
    ${f('sub', v, v, x1)} ${f('mul', y1, r, v)} ${f('sub', y1, y1, hh)})
  (func $${name}_addAffine (export "${name}_addAffine") (param $p i32) (param $q i32)
    (if ${isInfinity(z1)} (then
      (memory.copy (local.get $p) (local.get $q) (i32.const ${2 * bytes}))
      (memory.copy ${z1} (i32.const ${ONE_AT}) (i32.const ${bytes})) (return)))
    ${f('sqr', z1z1, z1)} ${f('mul', u2, x2, z1z1)} ${f('mul', s2, z1, z1z1)} ${f('mul', s2, s2, y2)}
    ${f('sub', h, u2, x1)} ${f('sub', r, s2, y1)} ${sameX}
    ${f('add', z1, z1, h)} ${f('sqr', z1, z1)} ${f('sub', z1, z1, z1z1)}
    ${sumFrom(x1, y1)} ${f('sub', z1, z1, hh)})
  (func $${name}_add (export "${name}_add") (param $p i32) (param $q i32)
    (if ${isInfinity(z2)} (then (return)))
    (if ${isInfinity(z1)} (then (memory.copy (local.get $p) (local.get $q) (i32.const ${3 * bytes})) (return)))
    ${f('sqr', z1z1, z1)} ${f('sqr', z2z2, z2)} ${f('mul', u1, x1, z2z2)} ${f('mul', u2, x2, z1z1)}
    ${f('mul', s1, y1, z2)} ${f('mul', s1, s1, z2z2)} ${f('mul', s2, y2, z1)} ${f('mul', s2, s2, z1z1)}
    ${f('sub', h, u2, u1)} ${f('sub', r, s2, s1)} ${sameX}
    ${f('add', z1, z1, z2)} ${f('sqr', z1, z1)} ${f('sub', z1, z1, z1z1)} ${f('sub', z1, z1, z2z2)} ${f('mul', z1, z1, h)}
    ${sumFrom(u1, s1)})
  (func (export "${name}_negate") (param $p i32)
    (local $zero i32) (local.set $zero ${u1}) (memory.fill (local.get $zero) (i32.const 0) (i32.const ${bytes}))
    ${f('sub', y1, '(local.get $zero)', y1)})`;
}

function quotient(column: string, order: bigint): Wat {
  const radix = 1n << BigInt(LIMB_BITS);
  const negatedInverse = radix - inverseModulo(order, radix);
  return `(local.set $q (i64.and (i64.mul (i64.and (local.get ${column}) (i64.const ${MASK})) (i64.const ${negatedInverse})) (i64.const ${MASK})))`;
}

/** Columns of up to 63 bits to limbs at $z. */
function storeCarried(column: (limb: number) => string, offset = 0): Wat {
  return `(local.set $c (i64.const 0)) ${each(
    LIMBS,
    (j) => `
    (local.set $c (i64.add (local.get $c) (local.get ${column(j)})))
    (i64.store32 offset=${4 * j + offset} (local.get $z) ${j < LIMBS - 1 ? `(i64.and (local.get $c) (i64.const ${MASK}))` : '(local.get $c)'})
    (local.set $c (i64.shr_s (local.get $c) (i64.const ${LIMB_BITS})))`,
  )}`;
}

/** Signed limbs, of a type that holds them, to limbs; the sign stays in the highest. */
function carried(to: string, limb: (i: number) => Wat, type: 'i32' | 'i64' = 'i32'): Wat {
  return `(local.set $c (${type}.const 0)) ${each(
    LIMBS,
    (i) => `
    (local.set $c (${type}.add (local.get $c) ${limb(i)}))
    (local.set $${to}${i} ${i < LIMBS - 1 ? `(${type}.and (local.get $c) (${type}.const ${MASK}))` : '(local.get $c)'})
    (local.set $c (${type}.shr_s (local.get $c) (${type}.const ${LIMB_BITS})))`,
  )}`;
}

/** Stores the one where $mask is 0, the other where it is all ones. */
function storeSelected(one: string, other: string): Wat {
  return each(
    LIMBS,
    (i) => `(i32.store offset=${4 * i} (local.get $z) (i32.xor (local.get $${one}${i})
    (i32.and (i32.xor (local.get $${one}${i}) (local.get $${other}${i})) (local.get $mask))))`,
  );
}

export function limbs(value: bigint, count = LIMBS): bigint[] {
  return range(count).map((i) => (value >> BigInt(LIMB_BITS * i)) & MASK);
}

/** Newton's iteration: each step doubles the bits that are right. */
function inverseModulo(odd: bigint, powerOfTwo: bigint): bigint {
  let inverse = 1n;
  for (let bits = 1; bits < LIMB_BITS; bits *= 2) inverse = (inverse * (2n - odd * inverse)) % powerOfTwo;
  return (inverse + powerOfTwo) % powerOfTwo;
}

function sum(a: Wat, b: Wat): Wat {
  return `(i64.add ${a} ${b})`;
}

export function locals(name: string, type: 'i32' | 'i64', count = LIMBS): Wat {
  return each(count, (i) => `(local $${name}${i} ${type})`);
}

export function each(count: number, part: (i: number) => Wat): Wat {
  return range(count).map(part).join('\n');
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
