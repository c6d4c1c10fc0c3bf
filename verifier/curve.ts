import { AkashiError, BASE_FIELD_ORDER, FIELD_ORDER, type Proof } from '@akashi/circuits';
import mcl from 'mcl-wasm';

// BN254 on mcl's own heap. mcl-wasm's classes copy every operand in and every result out and read numbers as decimal
// text, and they do not offer the Miller loop over many pairs; the functions of its WebAssembly, which it exports as
// `mod`, take addresses. Measured on one proof: reading its numbers 0.6 ms by setStr, 0.03 ms from bytes.
//
// These functions check nothing. What is written here is checked here: every number against its field, every point
// against its curve. Membership of G2 is in subgroup.ts.

/** Where something lies on mcl's heap. */
export type Address = number;

/** The functions of mcl's WebAssembly that are used; the first argument takes the result. */
export interface Arithmetic {
  _malloc(bytes: number): Address;
  _mclBnFp_deserialize(to: Address, bytes: Address, length: number): number;
  _mclBnFp_neg(to: Address, x: Address): void;
  _mclBnFp2_mul(to: Address, x: Address, y: Address): void;
  _mclBnFr_deserialize(to: Address, bytes: Address, length: number): number;
  _mclBnG1_add(to: Address, x: Address, y: Address): void;
  _mclBnG1_isValid(x: Address): number;
  _mclBnG1_mul(to: Address, x: Address, scalar: Address): void;
  _mclBnG1_mulVec(to: Address, points: Address, scalars: Address, count: number): void;
  _mclBnG1_neg(to: Address, x: Address): void;
  _mclBnG2_add(to: Address, x: Address, y: Address): void;
  _mclBnG2_dbl(to: Address, x: Address): void;
  _mclBnG2_isEqual(x: Address, y: Address): number;
  _mclBnG2_isValid(x: Address): number;
  _mclBnG2_neg(to: Address, x: Address): void;
  _mclBnGT_isEqual(x: Address, y: Address): number;
  _mclBnGT_mul(to: Address, x: Address, y: Address): void;
  _mclBnGT_pow(to: Address, x: Address, scalar: Address): void;
  _mclBn_finalExp(to: Address, x: Address): void;
  _mclBn_getUint64NumToPrecompute(): number;
  _mclBn_millerLoop(to: Address, x: Address, y: Address): void;
  _mclBn_millerLoopVec(to: Address, x: Address, y: Address, count: number): void;
  _mclBn_pairing(to: Address, x: Address, y: Address): void;
  _mclBn_precomputeG2(to: Address, y: Address): void;
  _mclBn_precomputedMillerLoop(to: Address, x: Address, lines: Address): void;
  _mclBn_precomputedMillerLoop2(to: Address, x: Address, lines: Address, x2: Address, lines2: Address): void;
}

const FUNCTIONS = [
  ...(['_malloc', '_mclBnFp_deserialize', '_mclBnFp_neg', '_mclBnFp2_mul', '_mclBnFr_deserialize'] as const),
  ...(['_mclBnG1_add', '_mclBnG1_isValid', '_mclBnG1_mul', '_mclBnG1_mulVec', '_mclBnG1_neg'] as const),
  ...(['_mclBnG2_add', '_mclBnG2_dbl', '_mclBnG2_isEqual', '_mclBnG2_isValid', '_mclBnG2_neg'] as const),
  ...(['_mclBnGT_isEqual', '_mclBnGT_mul', '_mclBnGT_pow', '_mclBn_finalExp', '_mclBn_pairing'] as const),
  ...(['_mclBn_millerLoop', '_mclBn_millerLoopVec', '_mclBn_getUint64NumToPrecompute'] as const),
  ...(['_mclBn_precomputeG2', '_mclBn_precomputedMillerLoop', '_mclBn_precomputedMillerLoop2'] as const),
] satisfies readonly (keyof Arithmetic)[];

// mcl is built for fields of up to 384 bits: an element of the base field takes 48 bytes, of which ours use 32.
export const FP_BYTES = 48;
export const FP2_BYTES = 2 * FP_BYTES;
export const FR_BYTES = 32;
/** x, y, z, each of the base field. */
export const G1_BYTES = 3 * FP_BYTES;
/** x, y, z, each of its quadratic extension. */
export const G2_BYTES = 3 * FP2_BYTES;
export const GT_BYTES = 12 * FP_BYTES;

const INTEGER_BYTES = 32;

/** The heap, and the ways in and out of it. */
export interface Curve {
  readonly arithmetic: Arithmetic;
  /** Memory that is never given back: for what lives as long as the process. */
  allocate(bytes: number): Address;
  /** @throws AkashiError `malformed`: not below the order of the base field */
  writeBase(to: Address, value: bigint): void;
  /** @throws AkashiError `malformed`: not below the order of the scalar field */
  writeScalar(to: Address, value: bigint): void;
  /** @throws AkashiError `malformed`: not a point of the curve. Its group is all of the curve: the cofactor is 1 */
  writeG1(to: Address, point: Proof['a']): void;
  /** @throws AkashiError `malformed`: not a point of the twist. Whether it is in G2 is another question */
  writeTwist(to: Address, point: Proof['b']): void;
  copy(to: Address, from: Address, bytes: number): void;
  /** What lies at an address, for another heap of the same curve. */
  read(from: Address, bytes: number): Uint8Array;
  write(to: Address, bytes: Uint8Array): void;
}

let started: Promise<Curve> | undefined;

/** The curve, once per process: mcl keeps it in module state. */
export function startCurve(): Promise<Curve> {
  started ??= mcl.init(mcl.BN_SNARK1).then(() => {
    // mcl would check the order within isValid, by a multiplication by r; subgroup.ts does it in a third of the time.
    mcl.verifyOrderG2(false);
    return openCurve(arithmeticOf(mcl));
  });
  return started;
}

function arithmeticOf(module: object): Arithmetic {
  const candidate: unknown = Reflect.get(module, 'mod');
  if (!isArithmetic(candidate)) throw new TypeError('mcl-wasm does not have the functions it had');
  return candidate;
}

function isArithmetic(value: unknown): value is Arithmetic {
  return (
    typeof value === 'object' &&
    value !== null &&
    FUNCTIONS.every((name) => typeof Reflect.get(value, name) === 'function')
  );
}

function openCurve(arithmetic: Arithmetic): Curve {
  // The memory may grow, and its buffer is another one then: a view is made where it is used.
  const bytesAt = (at: Address, length: number) => new Uint8Array(mcl.getMemory().buffer, at, length);

  function allocate(bytes: number): Address {
    const at = arithmetic._malloc(bytes);
    if (at === 0) throw new RangeError('no memory for the curve');
    bytesAt(at, bytes).fill(0);
    return at;
  }

  const integer = allocate(INTEGER_BYTES);

  function writeInteger(value: bigint): void {
    const words = new DataView(mcl.getMemory().buffer, integer, INTEGER_BYTES);
    for (let i = 0; i < 4; i++) words.setBigUint64(8 * i, BigInt.asUintN(64, value >> BigInt(64 * i)), true);
  }

  function writeBase(to: Address, value: bigint): void {
    if (value < 0n || value >= BASE_FIELD_ORDER) throw new AkashiError('malformed');
    writeInteger(value);
    if (arithmetic._mclBnFp_deserialize(to, integer, INTEGER_BYTES) === 0) throw new AkashiError('malformed');
  }

  function writeScalar(to: Address, value: bigint): void {
    if (value < 0n || value >= FIELD_ORDER) throw new AkashiError('malformed');
    writeInteger(value);
    if (arithmetic._mclBnFr_deserialize(to, integer, INTEGER_BYTES) === 0) throw new AkashiError('malformed');
  }

  function writeExtension(to: Address, [c0, c1]: Proof['b'][0]): void {
    writeBase(to, c0);
    writeBase(to + FP_BYTES, c1);
  }

  return {
    arithmetic,
    allocate,
    writeBase,
    writeScalar,
    // Affine coordinates cannot name infinity: (0, 0) is on neither curve.
    writeG1(to, [x, y]) {
      writeBase(to, x);
      writeBase(to + FP_BYTES, y);
      writeBase(to + 2 * FP_BYTES, 1n);
      if (arithmetic._mclBnG1_isValid(to) !== 1) throw new AkashiError('malformed');
    },
    writeTwist(to, [x, y]) {
      writeExtension(to, x);
      writeExtension(to + FP2_BYTES, y);
      writeExtension(to + 2 * FP2_BYTES, [1n, 0n]);
      if (arithmetic._mclBnG2_isValid(to) !== 1) throw new AkashiError('malformed');
    },
    copy(to, from, bytes) {
      bytesAt(to, bytes).set(bytesAt(from, bytes));
    },
    read(from, bytes) {
      return bytesAt(from, bytes).slice();
    },
    write(to, bytes) {
      bytesAt(to, bytes.length).set(bytes);
    },
  };
}
