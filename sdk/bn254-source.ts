import { BASE_FIELD_ORDER, FIELD_ORDER } from '@akashi/circuits';
import { ELEMENT_BYTES, FREE_AT, LIMB_BITS, LIMBS, ONE_AT } from './bn254-layout.ts';

// The arithmetic of BN254 as WebAssembly text. `npm run build:arithmetic` assembles it into bn254-wasm.ts.
//
// A field element is 9 limbs of 29 bits, little-endian, one 32-bit word each, in Montgomery form with R = 2^261, and
// below twice the order: the seven spare bits make the final subtraction of a multiplication unnecessary, and let
// products be summed in 64 bits without a carry between (at most 18 products below 2^58, so below 2^63). Limbs of
// 32 bits were tried first and are slower: each product then needs its carry.
// None of it runs in constant time: the prover works for the owner of the secrets, on the owner's device.

const SCRATCH_AT = 256;

const MASK = (1n << BigInt(LIMB_BITS)) - 1n;

type Wat = string;

export function bn254Source(): Wat {
  const scratch = new Scratch();
  return `(module
    (import "env" "memory" (memory 1))
    ${field('fp', BASE_FIELD_ORDER)}
    ${field('fr', FIELD_ORDER)}
    ${quadraticExtension(scratch)}
    ${group('g1', 'fp', ELEMENT_BYTES, scratch)}
    ${group('g2', 'fp2', 2 * ELEMENT_BYTES, scratch)})`;
}

/** Hands out fixed places for intermediate values: no function here calls itself. */
class Scratch {
  #next = SCRATCH_AT;

  take(bytes: number): Wat {
    const at = this.#next;
    this.#next += bytes;
    if (this.#next > FREE_AT) throw new RangeError('scratch space is used up');
    return `(i32.const ${at})`;
  }
}

/** `mul`, `sqr`, `add`, `sub` (z, x, y are addresses; any may be equal) and `isZero`. */
function field(name: string, order: bigint): Wat {
  return [multiply, square, add, subtract, isZero].map((part) => part(name, order)).join('\n');
}

/**
 * Montgomery multiplication, one limb of x at a time. The quotient digit makes the lowest column divisible by 2^29;
 * its carry is the only one until the end.
 */
function multiply(name: string, order: bigint): Wat {
  const p = limbs(order);
  const row = (i: number): Wat => `
    (local.set $x (i64.load32_u offset=${4 * i} (local.get $px)))
    (local.set $t0 (i64.add (local.get $t0) (i64.mul (local.get $x) (local.get $y0))))
    ${quotient('$t0', order)}
    (local.set $t1 (i64.add (local.get $t1) (i64.shr_u
      (i64.add (local.get $t0) (i64.mul (local.get $q) (i64.const ${p[0]}))) (i64.const ${LIMB_BITS}))))
    ${each(
      LIMBS - 1,
      (j) => `
      (local.set $t${j} (i64.add (local.get $t${j + 1}) (i64.add
        (i64.mul (local.get $x) (local.get $y${j + 1})) (i64.mul (local.get $q) (i64.const ${p[j + 1]})))))`,
    )}
    (local.set $t${LIMBS - 1} (i64.const 0))`;
  return `(func $${name}_mul (export "${name}_mul") (param $z i32) (param $px i32) (param $py i32)
    ${locals('y', 'i64')} ${locals('t', 'i64')} (local $x i64) (local $q i64) (local $c i64)
    ${each(LIMBS, (i) => `(local.set $y${i} (i64.load32_u offset=${4 * i} (local.get $py)))`)}
    ${each(LIMBS, row)}
    ${storeCarried((j) => `$t${j}`)})`;
}

/** The same with the 36 cross products taken once and doubled: by columns first, reduced afterwards. */
function square(name: string, order: bigint): Wat {
  const p = limbs(order);
  const column = (k: number): Wat => {
    const cross = range(LIMBS)
      .filter((i) => i < k - i && k - i < LIMBS)
      .map((i) => `(i64.mul (local.get $x${i}) (local.get $x${k - i}))`);
    const doubled = cross.length === 0 ? [] : [`(i64.shl ${cross.reduce(sum)} (i64.const 1))`];
    const own = k % 2 === 0 ? [`(i64.mul (local.get $x${k / 2}) (local.get $x${k / 2}))`] : [];
    return `(local.set $t${k} ${[...doubled, ...own].reduce(sum)})`;
  };
  const reduction = (i: number): Wat => `
    ${quotient(`$t${i}`, order)}
    ${each(LIMBS, (j) => `(local.set $t${i + j} ${sum(`(local.get $t${i + j})`, `(i64.mul (local.get $q) (i64.const ${p[j]}))`)})`)}
    (local.set $t${i + 1} ${sum(`(local.get $t${i + 1})`, `(i64.shr_u (local.get $t${i}) (i64.const ${LIMB_BITS}))`)})`;
  return `(func $${name}_sqr (export "${name}_sqr") (param $z i32) (param $px i32)
    ${locals('x', 'i64')} ${locals('t', 'i64', 2 * LIMBS)} (local $q i64) (local $c i64)
    ${each(LIMBS, (i) => `(local.set $x${i} (i64.load32_u offset=${4 * i} (local.get $px)))`)}
    ${each(2 * LIMBS - 1, column)}
    ${each(LIMBS, reduction)}
    ${storeCarried((j) => `$t${j + LIMBS}`)})`;
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

/** Fp2 = Fp[u] / (u^2 + 1); c0 and c1 follow each other in memory. */
function quadraticExtension(scratch: Scratch): Wat {
  const [a, b, s, t, m] = [1, 2, 3, 4, 5].map(() => scratch.take(ELEMENT_BYTES));
  const c0 = (of: string): Wat => `(local.get $${of})`;
  const c1 = (of: string): Wat => `(i32.add (local.get $${of}) (i32.const ${ELEMENT_BYTES}))`;
  const fp = (operation: string, ...operands: (Wat | undefined)[]): Wat =>
    `(call $fp_${operation} ${operands.join(' ')})`;
  return `
  (func $fp2_mul (export "fp2_mul") (param $z i32) (param $x i32) (param $y i32)
    ${fp('add', s, c0('x'), c1('x'))} ${fp('add', t, c0('y'), c1('y'))} ${fp('mul', m, s, t)}
    ${fp('mul', a, c0('x'), c0('y'))} ${fp('mul', b, c1('x'), c1('y'))}
    ${fp('sub', c0('z'), a, b)} ${fp('sub', m, m, a)} ${fp('sub', c1('z'), m, b)})
  (func $fp2_sqr (export "fp2_sqr") (param $z i32) (param $x i32)
    ${fp('add', s, c0('x'), c1('x'))} ${fp('sub', t, c0('x'), c1('x'))} ${fp('mul', m, c0('x'), c1('x'))}
    ${fp('mul', c0('z'), s, t)} ${fp('add', c1('z'), m, m)})
  (func $fp2_add (param $z i32) (param $x i32) (param $y i32)
    ${fp('add', c0('z'), c0('x'), c0('y'))} ${fp('add', c1('z'), c1('x'), c1('y'))})
  (func $fp2_sub (param $z i32) (param $x i32) (param $y i32)
    ${fp('sub', c0('z'), c0('x'), c0('y'))} ${fp('sub', c1('z'), c1('x'), c1('y'))})
  (func $fp2_isZero (param $x i32) (result i32)
    (i32.and (call $fp_isZero ${c0('x')}) (call $fp_isZero ${c1('x')})))`;
}

/**
 * Points of y^2 = x^3 + b in Jacobian coordinates X, Y, Z; infinity is Z = 0. Formulas of the Explicit-Formulas
 * Database (hyperelliptic.org/EFD, a = 0): dbl-2009-l, madd-2007-bl, add-2007-bl; equal and opposite points apart.
 */
function group(name: string, over: string, bytes: number, scratch: Scratch): Wat {
  const take = (): Wat => scratch.take(bytes);
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
function storeCarried(column: (limb: number) => string): Wat {
  return each(
    LIMBS,
    (j) => `
    (local.set $c (i64.add (local.get $c) (local.get ${column(j)})))
    (i64.store32 offset=${4 * j} (local.get $z) ${j < LIMBS - 1 ? `(i64.and (local.get $c) (i64.const ${MASK}))` : '(local.get $c)'})
    (local.set $c (i64.shr_u (local.get $c) (i64.const ${LIMB_BITS})))`,
  );
}

/** Signed limbs to limbs; the sign stays in the highest. */
function carried(to: string, limb: (i: number) => Wat): Wat {
  return `(local.set $c (i32.const 0)) ${each(
    LIMBS,
    (i) => `
    (local.set $c (i32.add (local.get $c) ${limb(i)}))
    (local.set $${to}${i} ${i < LIMBS - 1 ? `(i32.and (local.get $c) (i32.const ${MASK}))` : '(local.get $c)'})
    (local.set $c (i32.shr_s (local.get $c) (i32.const ${LIMB_BITS})))`,
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

function limbs(value: bigint): bigint[] {
  return range(LIMBS).map((i) => (value >> BigInt(LIMB_BITS * i)) & MASK);
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

function locals(name: string, type: 'i32' | 'i64', count = LIMBS): Wat {
  return each(count, (i) => `(local $${name}${i} ${type})`);
}

function each(count: number, part: (i: number) => Wat): Wat {
  return range(count).map(part).join('\n');
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
