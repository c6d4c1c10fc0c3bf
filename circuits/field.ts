import { AkashiError } from './error.ts';

/** Order of the BN254 scalar field: the field of every signal (docs/protocol.md, section 2). */
export const FIELD_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** Order of the BN254 base field: the field of every coordinate of a proof. */
export const BASE_FIELD_ORDER =
  21888242871839275222246405745257275088696311157297823662689037894645226208583n;

const DECIMAL = /^(?:0|[1-9][0-9]*)$/;

/**
 * Parses the one wire form of a field element: decimal, no sign, no leading zero, below the field order.
 * @throws AkashiError `malformed` for anything else
 */
export function parseField(text: unknown): bigint {
  return parseBelow(text, FIELD_ORDER);
}

/**
 * Parses a coordinate of a proof: decimal like {@link parseField}, below the base field order.
 * @throws AkashiError `malformed` for anything else
 */
export function parseCoordinate(text: unknown): bigint {
  return parseBelow(text, BASE_FIELD_ORDER);
}

/** Big-endian integer of `bytes`. */
export function bytesToInteger(bytes: Uint8Array): bigint {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return hex === '' ? 0n : BigInt(`0x${hex}`);
}

/**
 * The one way from bytes to a field element: the first 31 bytes, big-endian. 248 bits are always below the
 * field order, so nothing is reduced and no two cut strings share an element.
 * @param bytes at least 31 bytes
 */
export function fieldFromBytes(bytes: Uint8Array): bigint {
  if (bytes.length < 31) throw new TypeError('fieldFromBytes needs at least 31 bytes');
  return bytesToInteger(bytes.subarray(0, 31));
}

/** A field element as 32 bytes, big-endian. */
export function fieldToBytes(value: bigint): Uint8Array {
  if (value < 0n || value >= FIELD_ORDER) throw new TypeError('fieldToBytes needs a field element');
  const hex = value.toString(16).padStart(64, '0');
  return Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function parseBelow(text: unknown, order: bigint): bigint {
  // The length is bounded before BigInt sees it: parsing is quadratic.
  if (typeof text !== 'string' || text.length > 77 || !DECIMAL.test(text)) throw new AkashiError('malformed');
  const value = BigInt(text);
  if (value >= order) throw new AkashiError('malformed');
  return value;
}
