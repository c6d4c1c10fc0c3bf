import { BASE_FIELD_ORDER, FIELD_ORDER } from '@akashi/circuits';
import { ELEMENT_BYTES, FREE_AT, LIMB_BITS, LIMBS, ONE_AT } from './bn254-layout.ts';
import { BN254_WASM } from './bn254-wasm.ts';

// Points and scalars of BN254 over the assembled arithmetic (bn254-source.ts). An address is a byte offset in the
// instance's memory; a point there is affine (x, y) or Jacobian (X, Y, Z), Z = 0 being infinity.

export type Address = number;

/** Affine coordinates; infinity has none. */
export type G1Point = readonly [bigint, bigint];
export type G2Point = readonly [readonly [bigint, bigint], readonly [bigint, bigint]];

/** Waits where a long computation may be paused; rejects where it shall end. */
export type Pause = () => Promise<void>;

export interface Group<Point> {
  /** Bytes of a coordinate in memory. */
  readonly bytes: number;
  readonly double: (p: Address) => void;
  readonly add: (p: Address, q: Address) => void;
  readonly addAffine: (p: Address, q: Address) => void;
  readonly negate: (p: Address) => void;
  readonly toPoint: (elements: readonly bigint[]) => Point;
}

type Multiply = (z: Address, x: Address, y: Address) => void;

export interface FieldOperations {
  readonly multiply: Multiply;
  readonly add: Multiply;
  readonly subtract: Multiply;
}

interface Exports extends Record<string, unknown> {
  readonly fp_mul: Multiply;
  readonly fr_mul: Multiply;
  readonly fr_add: Multiply;
  readonly fr_sub: Multiply;
}

const MONTGOMERY = 1n << BigInt(LIMB_BITS * LIMBS);
const SCALAR_BITS = 254;
/** Bits of a digit in a multi-exponentiation: of 7, 8 and 9 the fastest at 2,000 points, and good at 250. */
const WINDOW = 8;
const LIMB_MASK = 2 ** LIMB_BITS - 1;
const PAGE = 65_536;

export class Bn254 {
  readonly g1: Group<G1Point>;
  readonly g2: Group<G2Point>;
  readonly fr: FieldOperations;
  readonly #memory: WebAssembly.Memory;
  readonly #fpMultiply: Multiply;
  readonly #squares: { readonly fp: Address; readonly fr: Address };
  #next: Address = FREE_AT;

  private constructor(exports: Exports, memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#fpMultiply = exports.fp_mul;
    this.fr = { multiply: exports.fr_mul, add: exports.fr_add, subtract: exports.fr_sub };
    this.g1 = { ...groupOf(exports, 'g1'), bytes: ELEMENT_BYTES, toPoint: ([x, y]) => [some(x), some(y)] };
    this.g2 = {
      ...groupOf(exports, 'g2'),
      bytes: 2 * ELEMENT_BYTES,
      toPoint: ([x0, x1, y0, y1]) => [
        [some(x0), some(x1)],
        [some(y0), some(y1)],
      ],
    };
    this.#writeLimbs(ONE_AT, MONTGOMERY % BASE_FIELD_ORDER);
    this.#squares = { fp: this.allocate(ELEMENT_BYTES), fr: this.allocate(ELEMENT_BYTES) };
    this.#writeLimbs(this.#squares.fp, MONTGOMERY ** 2n % BASE_FIELD_ORDER);
    this.#writeLimbs(this.#squares.fr, MONTGOMERY ** 2n % FIELD_ORDER);
  }

  static async load(): Promise<Bn254> {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const bytes = Uint8Array.from(atob(BN254_WASM), (char) => char.charCodeAt(0));
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
    return new Bn254(instance.exports as Exports, memory);
  }

  /** Zeroed memory until {@link release}; like a stack. */
  allocate(bytes: number): Address {
    const at = this.#next;
    this.#next += bytes;
    const missing = this.#next - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE));
    this.#bytes(at, bytes).fill(0);
    return at;
  }

  /** Frees what was allocated since `address`, that included. */
  release(address: Address): void {
    this.#next = address;
  }

  /** Field elements of the scalar field into memory, one after the other. */
  writeScalars(at: Address, scalars: readonly bigint[]): void {
    scalars.forEach((scalar, i) => {
      const to = at + i * ELEMENT_BYTES;
      this.#writeLimbs(to, scalar);
      this.fr.multiply(to, to, this.#squares.fr);
    });
  }

  readScalars(at: Address, count: number): bigint[] {
    const one = this.allocate(2 * ELEMENT_BYTES);
    this.#writeLimbs(one, 1n);
    const scalars = Array.from({ length: count }, (_, i) => {
      this.fr.multiply(one + ELEMENT_BYTES, at + i * ELEMENT_BYTES, one);
      return this.#readLimbs(one + ELEMENT_BYTES) % FIELD_ORDER;
    });
    this.release(one);
    return scalars;
  }

  /** Affine points, each coordinate as 32 bytes little-endian, into fresh memory. */
  writePoints(packed: Uint8Array): Address {
    const count = packed.length / 32;
    const at = this.allocate(count * ELEMENT_BYTES);
    const words = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    const memory = new Uint32Array(this.#memory.buffer);
    for (let i = 0; i < count; i++) {
      const to = at + i * ELEMENT_BYTES;
      for (let limb = 0; limb < LIMBS; limb++) {
        const bit = limb * LIMB_BITS;
        const word = 32 * i + 4 * (bit >> 5);
        const low = words.getUint32(word, true) >>> (bit & 31);
        const high =
          bit >> 5 < 7 && (bit & 31) > 3 ? words.getUint32(word + 4, true) << (32 - (bit & 31)) : 0;
        memory[to / 4 + limb] = (low | high) & LIMB_MASK;
      }
      this.#fpMultiply(to, to, this.#squares.fp);
    }
    return at;
  }

  /** Puts `count` elements (a power of two) into the order of their reversed indices. */
  reverseBits(at: Address, count: number): void {
    const words = new Uint32Array(this.#memory.buffer, at, count * LIMBS);
    const bits = Math.log2(count);
    for (let i = 0; i < count; i++) {
      let reversed = 0;
      for (let bit = 0; bit < bits; bit++) reversed |= ((i >> bit) & 1) << (bits - 1 - bit);
      if (reversed <= i) continue;
      const kept = words.slice(i * LIMBS, (i + 1) * LIMBS);
      words.copyWithin(i * LIMBS, reversed * LIMBS, (reversed + 1) * LIMBS);
      words.set(kept, reversed * LIMBS);
    }
  }

  /**
   * The sum of `scalars[i] * points[i]`, by buckets over signed digits (Pippenger). `undefined` is infinity.
   * @param points address of affine points, one for each scalar
   */
  async multiexp<Point>(
    group: Group<Point>,
    points: Address,
    scalars: readonly bigint[],
    pause: Pause,
  ): Promise<Point | undefined> {
    const digits = signedDigits(scalars, WINDOW);
    const jacobian = 3 * group.bytes;
    const half = 2 ** (WINDOW - 1);
    const sum = this.allocate(jacobian);
    for (const window of digits.toReversed()) {
      await pause();
      for (let bit = 0; bit < WINDOW; bit++) group.double(sum);
      const buckets = this.#fillBuckets(group, points, window, half);
      const running = this.allocate(jacobian);
      const total = this.allocate(jacobian);
      for (let digit = half; digit > 0; digit--) {
        group.add(running, buckets + digit * jacobian);
        group.add(total, running);
      }
      group.add(sum, total);
      this.release(buckets);
    }
    const point = this.#affine(group, sum);
    this.release(sum);
    return point;
  }

  combineG1(points: readonly G1Point[], scalars: readonly bigint[]): G1Point | undefined {
    return this.#combine(this.g1, points.flat(), scalars);
  }

  combineG2(points: readonly G2Point[], scalars: readonly bigint[]): G2Point | undefined {
    return this.#combine(this.g2, points.flat(2), scalars);
  }

  /** A sum of few points: a table of the multiples of each, and the doublings shared (Straus). */
  #combine<Point>(
    group: Group<Point>,
    coordinates: readonly bigint[],
    scalars: readonly bigint[],
  ): Point | undefined {
    const jacobian = 3 * group.bytes;
    const half = 8;
    const start = this.writePoints(packCoordinates(coordinates));
    const negated = this.allocate(jacobian);
    const sum = this.allocate(jacobian);
    const tables = scalars.map((_, i) => {
      const table = this.allocate((half + 1) * jacobian);
      for (let multiple = 1; multiple <= half; multiple++) {
        const at = table + multiple * jacobian;
        group.add(at, at - jacobian);
        group.addAffine(at, start + i * 2 * group.bytes);
      }
      return table;
    });
    for (const window of signedDigits(scalars, 4).toReversed()) {
      for (let bit = 0; bit < 4; bit++) group.double(sum);
      window.forEach((digit, i) => {
        const multiple = (tables[i] ?? 0) + Math.abs(digit) * jacobian;
        if (digit > 0) group.add(sum, multiple);
        if (digit < 0) {
          this.#bytes(negated, jacobian).set(this.#bytes(multiple, jacobian));
          group.negate(negated);
          group.add(sum, negated);
        }
      });
    }
    const point = this.#affine(group, sum);
    this.release(start);
    return point;
  }

  /** Buckets 1 to `half`: the points whose digit has this absolute value, added up. */
  #fillBuckets<Point>(group: Group<Point>, points: Address, digits: Int16Array, half: number): Address {
    const [affine, jacobian] = [2 * group.bytes, 3 * group.bytes];
    const buckets = this.allocate((half + 1) * jacobian);
    const negated = this.allocate(affine);
    const memory = new Uint8Array(this.#memory.buffer);
    digits.forEach((digit, i) => {
      const point = points + i * affine;
      if (digit > 0) group.addAffine(buckets + digit * jacobian, point);
      if (digit < 0) {
        memory.copyWithin(negated, point, point + affine);
        group.negate(negated);
        group.addAffine(buckets - digit * jacobian, negated);
      }
    });
    return buckets;
  }

  #affine<Point>(group: Group<Point>, at: Address): Point | undefined {
    const degree = group.bytes / ELEMENT_BYTES;
    const [x, y, z] = [0, 1, 2].map((i) => this.#readBase(at + i * group.bytes, degree));
    if (x === undefined || y === undefined || z === undefined)
      throw new TypeError('a point has three coordinates');
    if (z.every((part) => part === 0n)) return undefined;
    const inverse = invertBase(z);
    const square = multiplyBase(inverse, inverse);
    return group.toPoint([...multiplyBase(x, square), ...multiplyBase(y, multiplyBase(square, inverse))]);
  }

  #readBase(at: Address, degree: number): bigint[] {
    const one = this.allocate(2 * ELEMENT_BYTES);
    this.#writeLimbs(one, 1n);
    const parts = Array.from({ length: degree }, (_, i) => {
      this.#fpMultiply(one + ELEMENT_BYTES, at + i * ELEMENT_BYTES, one);
      return this.#readLimbs(one + ELEMENT_BYTES) % BASE_FIELD_ORDER;
    });
    this.release(one);
    return parts;
  }

  #writeLimbs(at: Address, value: bigint): void {
    const memory = new Uint32Array(this.#memory.buffer, at, LIMBS);
    for (let limb = 0, rest = value; limb < LIMBS; limb++, rest >>= BigInt(LIMB_BITS)) {
      memory[limb] = Number(BigInt.asUintN(LIMB_BITS, rest));
    }
  }

  #readLimbs(at: Address): bigint {
    let value = 0n;
    for (const limb of new Uint32Array(this.#memory.buffer, at, LIMBS).toReversed()) {
      value = (value << BigInt(LIMB_BITS)) | BigInt(limb);
    }
    return value;
  }

  #bytes(at: Address, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, at, length);
  }
}

function groupOf(exports: Exports, name: 'g1' | 'g2') {
  const operation = (suffix: string) => exports[`${name}_${suffix}`] as (p: Address, q?: Address) => void;
  return {
    double: operation('double'),
    add: operation('add'),
    addAffine: operation('addAffine'),
    negate: operation('negate'),
  };
}

/**
 * Scalars as digits between -2^(width-1) and 2^(width-1), lowest window first: half as many buckets as unsigned
 * digits need, for a negation that costs one subtraction.
 */
function signedDigits(scalars: readonly bigint[], width: 4 | 8): Int16Array[] {
  const windows = Array.from(
    { length: Math.ceil((SCALAR_BITS + 1) / width) },
    () => new Int16Array(scalars.length),
  );
  scalars.forEach((scalar, i) => {
    const hex = scalar.toString(16).padStart(windows.length * (width / 4), '0');
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

// Elements of Fp, as one part, or of Fp2 = Fp[u] / (u^2 + 1), as two: once a multi-exponentiation, on bigints.

function multiplyBase(x: readonly bigint[], y: readonly bigint[]): bigint[] {
  const [x0 = 0n, x1 = 0n] = x;
  const [y0 = 0n, y1 = 0n] = y;
  const product = [modulo(x0 * y0 - x1 * y1), modulo(x0 * y1 + x1 * y0)];
  return product.slice(0, x.length);
}

function invertBase(x: readonly bigint[]): bigint[] {
  const [x0 = 0n, x1 = 0n] = x;
  const scale = invert(modulo(x0 * x0 + x1 * x1));
  return [modulo(x0 * scale), modulo(-x1 * scale)].slice(0, x.length);
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

/** Coordinates as {@link Bn254.writePoints} takes them. */
function packCoordinates(coordinates: readonly bigint[]): Uint8Array {
  const packed = new Uint8Array(32 * coordinates.length);
  const words = new DataView(packed.buffer);
  coordinates.forEach((coordinate, i) => {
    for (let word = 0; word < 4; word++) {
      words.setBigUint64(32 * i + 8 * word, BigInt.asUintN(64, coordinate >> BigInt(64 * word)), true);
    }
  });
  return packed;
}
