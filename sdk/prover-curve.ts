import { FIELD_ORDER } from '@akashi/circuits';
import {
  type Address,
  type Arithmetic,
  type Binary,
  Bn254,
  ELEMENT_BYTES,
  type G1Point,
  type G2Point,
  type Group,
  LIMB_BITS,
  LIMBS,
  MONTGOMERY,
  signedDigits,
} from '@akashi/circuits/bn254';
import { PROVER_WASM } from './prover-wasm.ts';

// What the prover computes over its assembled arithmetic: scalars, sums of multiples of many points.

/** Waits where a long computation may be paused; rejects where it shall end. */
export type Pause = () => Promise<void>;

export interface FieldOperations {
  readonly multiply: Binary;
  readonly add: Binary;
  readonly subtract: Binary;
}

interface ProverArithmetic extends Arithmetic {
  readonly fr_mul: Binary;
  readonly fr_add: Binary;
  readonly fr_sub: Binary;
}

/** Bits of a digit in a multi-exponentiation: of 7, 8 and 9 the fastest at 2,000 points, and good at 250. */
const WINDOW = 8;
const LIMB_MASK = 2 ** LIMB_BITS - 1;

export class ProverCurve extends Bn254<ProverArithmetic> {
  readonly fr: FieldOperations;
  readonly #scalarSquare: Address;

  private constructor(arithmetic: ProverArithmetic, memory: WebAssembly.Memory) {
    super(arithmetic, memory);
    this.fr = { multiply: arithmetic.fr_mul, add: arithmetic.fr_add, subtract: arithmetic.fr_sub };
    this.#scalarSquare = this.allocate(ELEMENT_BYTES);
    this.writeLimbs(this.#scalarSquare, MONTGOMERY ** 2n % FIELD_ORDER);
  }

  static async load(): Promise<ProverCurve> {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const bytes = Uint8Array.from(atob(PROVER_WASM), (char) => char.charCodeAt(0));
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
    return new ProverCurve(instance.exports as unknown as ProverArithmetic, memory);
  }

  /** Field elements of the scalar field into memory, one after the other. */
  writeScalars(at: Address, scalars: readonly bigint[]): void {
    scalars.forEach((scalar, i) => {
      const to = at + i * ELEMENT_BYTES;
      this.writeLimbs(to, scalar);
      this.fr.multiply(to, to, this.#scalarSquare);
    });
  }

  readScalars(at: Address, count: number): bigint[] {
    const one = this.allocate(2 * ELEMENT_BYTES);
    this.writeLimbs(one, 1n);
    const scalars = Array.from({ length: count }, (_, i) => {
      this.fr.multiply(one + ELEMENT_BYTES, at + i * ELEMENT_BYTES, one);
      return this.readLimbs(one + ELEMENT_BYTES) % FIELD_ORDER;
    });
    this.release(one);
    return scalars;
  }

  /** Affine points, each coordinate as 32 bytes little-endian, into fresh memory. */
  writePoints(packed: Uint8Array): Address {
    const count = packed.length / 32;
    const at = this.allocate(count * ELEMENT_BYTES);
    const words = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    for (let i = 0; i < count; i++) {
      const to = at + i * ELEMENT_BYTES;
      const limbs = this.#words(to, LIMBS);
      for (let limb = 0; limb < LIMBS; limb++) {
        const bit = limb * LIMB_BITS;
        const word = 32 * i + 4 * (bit >> 5);
        const low = words.getUint32(word, true) >>> (bit & 31);
        const high =
          bit >> 5 < 7 && (bit & 31) > 3 ? words.getUint32(word + 4, true) << (32 - (bit & 31)) : 0;
        limbs[limb] = (low | high) & LIMB_MASK;
      }
      this.toMontgomery(to);
    }
    return at;
  }

  /** Puts `count` elements (a power of two) into the order of their reversed indices. */
  reverseBits(at: Address, count: number): void {
    const words = this.#words(at, count * LIMBS);
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
    const point = this.affine(group, sum);
    this.release(sum);
    return point;
  }

  combineG1(points: readonly G1Point[], scalars: readonly bigint[]): G1Point | undefined {
    return this.#combine(this.g1, points.flat(), scalars);
  }

  combineG2(points: readonly G2Point[], scalars: readonly bigint[]): G2Point | undefined {
    return this.#combine(this.g2, points.flat(2), scalars);
  }

  #combine<Point>(
    group: Group<Point>,
    coordinates: readonly bigint[],
    scalars: readonly bigint[],
  ): Point | undefined {
    const start = this.writePoints(packCoordinates(coordinates));
    const points = scalars.map((_, i) => start + i * 2 * group.bytes);
    const sum = this.allocate(3 * group.bytes);
    this.sum(group, sum, points, scalars);
    const point = this.affine(group, sum);
    this.release(start);
    return point;
  }

  /** Buckets 1 to `half`: the points whose digit has this absolute value, added up. */
  #fillBuckets<Point>(group: Group<Point>, points: Address, digits: Int16Array, half: number): Address {
    const [affine, jacobian] = [2 * group.bytes, 3 * group.bytes];
    const buckets = this.allocate((half + 1) * jacobian);
    const negated = this.allocate(affine);
    digits.forEach((digit, i) => {
      const point = points + i * affine;
      if (digit > 0) group.addAffine(buckets + digit * jacobian, point);
      if (digit < 0) {
        this.copy(negated, point, affine);
        group.negate(negated);
        group.addAffine(buckets - digit * jacobian, negated);
      }
    });
    return buckets;
  }

  #words(at: Address, count: number): Uint32Array {
    const { buffer, byteOffset } = this.bytes(at, 4 * count);
    return new Uint32Array(buffer, byteOffset, count);
  }
}

/** Coordinates as {@link ProverCurve.writePoints} takes them. */
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
