import { ELEMENT_BYTES, EXTENSION_BYTES, FREE_AT, LIMB_BITS, LIMBS, ONE_AT } from './arithmetic-layout.ts';
import { BASE_FIELD_ORDER } from './field.ts';

// BN254 in the memory of an assembled arithmetic (arithmetic-source.ts): numbers in and out, and sums of multiples of
// points. The prover and the verifier each have an assembly of their own, with what they need besides. An address is a
// byte offset in the instance's memory. Nothing here checks its input.

export { ELEMENT_BYTES, EXTENSION_BYTES, LIMB_BITS, LIMBS } from './arithmetic-layout.ts';

export type Address = number;

/** Takes its result's address first; any may be equal. */
export type Binary = (z: Address, x: Address, y: Address) => void;
export type Unary = (z: Address, x: Address) => void;

/** Affine coordinates; infinity has none. */
export type G1Point = readonly [bigint, bigint];
export type G2Point = readonly [readonly [bigint, bigint], readonly [bigint, bigint]];

/** A point in memory is affine (x, y) or Jacobian (X, Y, Z), Z = 0 being infinity. */
export interface Group<Point> {
  /** Bytes of a coordinate in memory. */
  readonly bytes: number;
  readonly double: (p: Address) => void;
  readonly add: (p: Address, q: Address) => void;
  readonly addAffine: (p: Address, q: Address) => void;
  /** Of a point in either form. */
  readonly negate: (p: Address) => void;
  readonly toPoint: (elements: readonly bigint[]) => Point;
}

/** What every assembly exports. */
export interface Arithmetic {
  readonly fp_mul: Binary;
  readonly fp_sqr: Unary;
  readonly fp_add: Binary;
  readonly fp_sub: Binary;
  readonly fp_isZero: (x: Address) => number;
  readonly fp2_mul: Binary;
  readonly fp2_sqr: Unary;
  readonly g1_double: (p: Address) => void;
  readonly g1_add: Unary;
  readonly g1_addAffine: Unary;
  readonly g1_negate: (p: Address) => void;
  readonly g2_double: (p: Address) => void;
  readonly g2_add: Unary;
  readonly g2_addAffine: Unary;
  readonly g2_negate: (p: Address) => void;
}

/** R of the Montgomery form. */
export const MONTGOMERY = 1n << BigInt(LIMB_BITS * LIMBS);
const PAGE = 65_536;
/** Bits of a digit where few multiples are summed, and the largest one. */
const WINDOW = 4;
const HALF = 2 ** (WINDOW - 1);

/** An assembled arithmetic with its memory. */
export class Bn254<Exports extends Arithmetic = Arithmetic> {
  readonly arithmetic: Exports;
  readonly g1: Group<G1Point>;
  readonly g2: Group<G2Point>;
  readonly #memory: WebAssembly.Memory;
  readonly #square: Address;
  readonly #number: Address;
  #next: Address = FREE_AT;

  constructor(arithmetic: Exports, memory: WebAssembly.Memory) {
    this.arithmetic = arithmetic;
    this.#memory = memory;
    this.g1 = groupOf(arithmetic, 'g1', ELEMENT_BYTES, ([x, y]) => [some(x), some(y)]);
    this.g2 = groupOf(arithmetic, 'g2', EXTENSION_BYTES, ([x0, x1, y0, y1]) => [
      [some(x0), some(x1)],
      [some(y0), some(y1)],
    ]);
    this.writeLimbs(ONE_AT, MONTGOMERY % BASE_FIELD_ORDER);
    this.#square = this.allocate(ELEMENT_BYTES);
    this.writeLimbs(this.#square, MONTGOMERY ** 2n % BASE_FIELD_ORDER);
    this.#number = this.allocate(2 * ELEMENT_BYTES);
    this.writeLimbs(this.#number, 1n);
  }

  /** Zeroed memory until {@link release}; like a stack. */
  allocate(bytes: number): Address {
    const at = this.#next;
    this.#next += bytes;
    const missing = this.#next - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE));
    this.bytes(at, bytes).fill(0);
    return at;
  }

  /** Frees what was allocated since `address`, that included. */
  release(address: Address): void {
    this.#next = address;
  }

  /** A view, good until memory is allocated: growing gives it another buffer. */
  bytes(at: Address, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, at, length);
  }

  copy(to: Address, from: Address, bytes: number): void {
    new Uint8Array(this.#memory.buffer).copyWithin(to, from, from + bytes);
  }

  writeLimbs(at: Address, value: bigint): void {
    const limbs = new Uint32Array(this.#memory.buffer, at, LIMBS);
    for (let limb = 0, rest = value; limb < LIMBS; limb++, rest >>= BigInt(LIMB_BITS)) {
      limbs[limb] = Number(BigInt.asUintN(LIMB_BITS, rest));
    }
  }

  readLimbs(at: Address): bigint {
    const limbs = new Uint32Array(this.#memory.buffer, at, LIMBS);
    return limbs.reduceRight((value, limb) => (value << BigInt(LIMB_BITS)) | BigInt(limb), 0n);
  }

  /** @param value below the order of the base field */
  writeBase(at: Address, value: bigint): void {
    this.writeLimbs(at, value);
    this.toMontgomery(at);
  }

  /** From the limbs of a number to the element. */
  toMontgomery(at: Address): void {
    this.arithmetic.fp_mul(at, at, this.#square);
  }

  /** The number below the order that an element stands for. */
  readBase(at: Address): bigint {
    const to = this.#number + ELEMENT_BYTES;
    this.arithmetic.fp_mul(to, at, this.#number);
    return this.readLimbs(to) % BASE_FIELD_ORDER;
  }

  /**
   * The sum of `scalars[i]` times the affine point at `points[i]`, in Jacobian form at `to`: a table of the multiples of
   * each, and the doublings shared (Straus). For few points.
   * @param scalars not negative
   */
  sum<Point>(group: Group<Point>, to: Address, points: readonly Address[], scalars: readonly bigint[]): void {
    const jacobian = 3 * group.bytes;
    const negated = this.allocate(jacobian);
    const sum = this.allocate(jacobian);
    const tables = points.map((point) => this.#multiples(group, point));
    for (const window of signedDigits(scalars, WINDOW).toReversed()) {
      for (let bit = 0; bit < WINDOW; bit++) group.double(sum);
      for (const [i, digit] of window.entries()) {
        const multiple = (tables[i] ?? 0) + Math.abs(digit) * jacobian;
        if (digit > 0) group.add(sum, multiple);
        if (digit < 0) {
          this.copy(negated, multiple, jacobian);
          group.negate(negated);
          group.add(sum, negated);
        }
      }
    }
    this.copy(to, sum, jacobian);
    this.release(negated);
  }

  /** 0 to {@link HALF} times an affine point. */
  #multiples<Point>(group: Group<Point>, point: Address): Address {
    const jacobian = 3 * group.bytes;
    const table = this.allocate((HALF + 1) * jacobian);
    for (let multiple = 1; multiple <= HALF; multiple++) {
      const at = table + multiple * jacobian;
      this.copy(at, at - jacobian, jacobian);
      group.addAffine(at, point);
    }
    return table;
  }

  /** The point at a Jacobian place. `undefined` is infinity. */
  affine<Point>(group: Group<Point>, at: Address): Point | undefined {
    const degree = group.bytes / ELEMENT_BYTES;
    const coordinate = (i: number) =>
      Array.from({ length: degree }, (_, part) => this.readBase(at + i * group.bytes + part * ELEMENT_BYTES));
    const [x, y, z] = [coordinate(0), coordinate(1), coordinate(2)];
    if (z.every((part) => part === 0n)) return undefined;
    const inverse = invertBase(z);
    const square = multiplyBase(inverse, inverse);
    return group.toPoint([...multiplyBase(x, square), ...multiplyBase(y, multiplyBase(square, inverse))]);
  }
}

function groupOf<Point>(
  arithmetic: Arithmetic,
  name: 'g1' | 'g2',
  bytes: number,
  toPoint: Group<Point>['toPoint'],
): Group<Point> {
  return {
    bytes,
    double: arithmetic[`${name}_double`],
    add: arithmetic[`${name}_add`],
    addAffine: arithmetic[`${name}_addAffine`],
    negate: arithmetic[`${name}_negate`],
    toPoint,
  };
}

/**
 * Scalars as digits between -2^(width-1) and 2^(width-1), lowest window first: half as many multiples as unsigned
 * digits need, for a negation that costs one subtraction.
 */
export function signedDigits(scalars: readonly bigint[], width: 4 | 8): Int16Array[] {
  const texts = scalars.map((scalar) => scalar.toString(16));
  const bits = 4 * Math.max(0, ...texts.map(({ length }) => length));
  const windows = Array.from({ length: Math.floor(bits / width) + 1 }, () => new Int16Array(scalars.length));
  texts.forEach((text, i) => {
    const hex = text.padStart(windows.length * (width / 4), '0');
    let carry = 0;
    windows.forEach((window, k) => {
      const end = hex.length - k * (width / 4);
      const digit = Number.parseInt(hex.slice(end - width / 4, end), 16) + carry;
      carry = digit > 2 ** (width - 1) ? 1 : 0;
      window[i] = digit - carry * 2 ** width;
    });
  });
  return windows;
}

// Elements of Fp, as one part, or of Fp2 = Fp[u] / (u^2 + 1), as two, on bigints: for what happens once.

export function multiplyBase(x: readonly bigint[], y: readonly bigint[]): bigint[] {
  const [x0 = 0n, x1 = 0n] = x;
  const [y0 = 0n, y1 = 0n] = y;
  const product = [modulo(x0 * y0 - x1 * y1), modulo(x0 * y1 + x1 * y0)];
  return product.slice(0, x.length);
}

export function invertBase(x: readonly bigint[]): bigint[] {
  const [x0 = 0n, x1 = 0n] = x;
  const scale = invert(modulo(x0 * x0 + x1 * x1));
  return [modulo(x0 * scale), modulo(-x1 * scale)].slice(0, x.length);
}

export function powerBase(x: readonly bigint[], exponent: bigint): bigint[] {
  let result = [1n, 0n].slice(0, x.length);
  for (const bit of exponent.toString(2)) {
    result = multiplyBase(result, result);
    if (bit === '1') result = multiplyBase(result, x);
  }
  return result;
}

/** By the extended Euclidean algorithm. */
function invert(value: bigint): bigint {
  let [a, b, u, v] = [BASE_FIELD_ORDER, value, 0n, 1n];
  while (b > 0n) {
    const quotient = a / b;
    [a, b] = [b, a - quotient * b];
    [u, v] = [v, u - quotient * v];
  }
  return modulo(u);
}

function modulo(value: bigint): bigint {
  const rest = value % BASE_FIELD_ORDER;
  return rest < 0n ? rest + BASE_FIELD_ORDER : rest;
}

function some(value: bigint | undefined): bigint {
  if (value === undefined) throw new TypeError('a coordinate is missing');
  return value;
}
