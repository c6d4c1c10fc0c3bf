// How the assembled arithmetic keeps field elements in memory; arithmetic-source.ts tells why.

export const LIMBS = 9;
export const LIMB_BITS = 29;
/** Bytes of a field element. */
export const ELEMENT_BYTES = 4 * LIMBS;
/** Bytes of an element of the quadratic extension: its two coordinates. */
export const EXTENSION_BYTES = 2 * ELEMENT_BYTES;
/** Where the one of the base field stands, as (1, 0): the Z of an affine point in either group. */
export const ONE_AT = 64;
/** From here on memory is free: below lie intermediate values. */
export const FREE_AT = 16_384;
