import { AkashiError, BASE_FIELD_ORDER, type Proof } from '@akashi/circuits';
import {
  type Address,
  type Arithmetic,
  type Binary,
  Bn254,
  ELEMENT_BYTES,
  EXTENSION_BYTES,
  invertBase,
  multiplyBase,
  type Unary,
} from '@akashi/circuits/bn254';
import { PAIRING_WASM } from './pairing-wasm.ts';

// BN254 in the memory of the pairing's arithmetic (pairing-source.ts). What is written here is checked here: every number
// against its field, every point against its curve. Membership of G2 is in subgroup.ts, the pairing in pairing.ts.
//
// Rejected: mcl-wasm, which this replaced. Three times slower (a product in Fp2 takes it 0.45 µs, us 0.16), 200 kB gzip,
// and its raw functions are not documented.

/** Affine points in memory: two coordinates. */
export const G1_BYTES = 2 * ELEMENT_BYTES;
export const G2_BYTES = 2 * EXTENSION_BYTES;
/** Elements of Fp6 and Fp12: three and six of Fp2. */
export const FP6_BYTES = 3 * EXTENSION_BYTES;
export const FP12_BYTES = 2 * FP6_BYTES;

/** The functions of pairing-source.ts, where they are described. */
export interface PairingArithmetic extends Arithmetic {
  readonly fp6_mul: Binary;
  readonly fp6_adjugate: Unary;
  readonly fp12_mul: Binary;
  readonly fp12_sqr: Unary;
  readonly fp12_sqrCyclotomic: Unary;
  readonly fp12_conjugate: Unary;
  readonly fp12_norm: Unary;
  readonly fp12_mulLine: (z: Address, x: Address, line: Address, scales: Address) => void;
  readonly fp12_mulPreparedLine: (z: Address, x: Address, line: Address, scales: Address) => void;
  readonly twist_double: (t: Address, line: Address, b: Address) => void;
  readonly twist_add: (t: Address, line: Address, p: Address) => void;
}

export type Extension = Proof['b'][0];

/** xi = 9 + u, by which the towers are built and the curve is twisted. */
export const XI: Extension = [9n, 1n];
/** The twist is y^2 = x^3 + 3 / xi. */
export const TWIST_COEFFICIENT = multiplyBase([3n, 0n], invertBase(XI));

let started: Promise<Curve> | undefined;

/** The curve, once per process: a check uses its memory from end to end, and nothing awaits meanwhile. */
export function startCurve(): Promise<Curve> {
  started ??= Curve.load();
  return started;
}

export class Curve extends Bn254<PairingArithmetic> {
  readonly #coefficients: { readonly g1: Address; readonly twist: Address };
  readonly #left: Address;
  readonly #right: Address;

  private constructor(arithmetic: PairingArithmetic, memory: WebAssembly.Memory) {
    super(arithmetic, memory);
    this.#coefficients = { g1: this.allocate(ELEMENT_BYTES), twist: this.allocate(EXTENSION_BYTES) };
    this.writeBase(this.#coefficients.g1, 3n);
    this.writeExtension(this.#coefficients.twist, TWIST_COEFFICIENT);
    this.#left = this.allocate(EXTENSION_BYTES);
    this.#right = this.allocate(EXTENSION_BYTES);
  }

  static async load(): Promise<Curve> {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const bytes = Buffer.from(PAIRING_WASM, 'base64');
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
    return new Curve(instance.exports as unknown as PairingArithmetic, memory);
  }

  writeExtension(at: Address, [c0 = 0n, c1 = 0n]: readonly bigint[]): void {
    this.writeBase(at, c0);
    this.writeBase(at + ELEMENT_BYTES, c1);
  }

  /**
   * An affine point. Coordinates cannot name infinity: (0, 0) is on neither curve. All of the curve is the group: its
   * cofactor is 1.
   * @throws AkashiError `malformed`: a number not below the order of the field, or not a point of the curve
   */
  writeG1(at: Address, [x, y]: Proof['a']): void {
    const { fp_mul, fp_sqr } = this.arithmetic;
    this.#writeCoordinates(at, [x, y]);
    if (!this.#satisfies(at, this.#coefficients.g1, ELEMENT_BYTES, fp_mul, fp_sqr))
      throw new AkashiError('malformed');
  }

  /** The same for the twist. Whether a point of it is in G2 is another question (subgroup.ts). */
  writeTwist(at: Address, [x, y]: Proof['b']): void {
    const { fp2_mul, fp2_sqr } = this.arithmetic;
    this.#writeCoordinates(at, [...x, ...y]);
    if (!this.#satisfies(at, this.#coefficients.twist, EXTENSION_BYTES, fp2_mul, fp2_sqr)) {
      throw new AkashiError('malformed');
    }
  }

  isZero(at: Address, bytes: number): boolean {
    for (let part = 0; part < bytes; part += ELEMENT_BYTES) {
      if (this.arithmetic.fp_isZero(at + part) !== 1) return false;
    }
    return true;
  }

  /** Element by element of the base field: z = x - y. */
  subtract(z: Address, x: Address, y: Address, bytes: number): void {
    for (let part = 0; part < bytes; part += ELEMENT_BYTES) {
      this.arithmetic.fp_sub(z + part, x + part, y + part);
    }
  }

  #writeCoordinates(at: Address, coordinates: readonly bigint[]): void {
    for (const [i, value] of coordinates.entries()) {
      if (value < 0n || value >= BASE_FIELD_ORDER) throw new AkashiError('malformed');
      this.writeBase(at + i * ELEMENT_BYTES, value);
    }
  }

  /** Whether y^2 = x^3 + b. */
  #satisfies(at: Address, b: Address, bytes: number, multiply: Binary, square: Unary): boolean {
    const [left, right] = [this.#left, this.#right];
    square(left, at + bytes);
    square(right, at);
    multiply(right, right, at);
    this.subtract(left, left, right, bytes);
    this.subtract(left, left, b, bytes);
    return this.isZero(left, bytes);
  }
}
