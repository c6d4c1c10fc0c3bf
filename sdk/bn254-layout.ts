// How the assembled arithmetic keeps field elements in memory; bn254-source.ts tells why.

export const LIMBS = 9;
export const LIMB_BITS = 29;
/** Bytes of a field element. */
export const ELEMENT_BYTES = 4 * LIMBS;
/** Where the one of the base field stands, as (1, 0): the Z of an affine point in either group. */
export const ONE_AT = 64;
/** From here on memory is free. */
export const FREE_AT = 4096;
