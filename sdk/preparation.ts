import { coordinate } from '@akashi/circuits';
import type { G1Point, G2Point } from '@akashi/circuits/bn254';
import * as v from 'valibot';
import type { Preparation, PreparedParts } from './groth16.ts';

// Preparations as they travel from the worker and lie in storage: coordinates as decimal text. They come from our own
// prover, authenticated where they were stored, so that the points are on the curve is not checked: from others would
// come a proof that does not verify.

const g1Shape = v.strictTuple([coordinate, coordinate]);
const g2Shape = v.strictTuple([g1Shape, g1Shape]);

export const preparationShape = v.strictObject({
  a: g1Shape,
  b: g2Shape,
  c: g1Shape,
  h1: g1Shape,
  challenge: g1Shape,
  delta: g2Shape,
});

/** What there is of an interrupted one. */
export const partsShape = v.strictObject({
  a: v.exactOptional(g1Shape),
  b: v.exactOptional(g2Shape),
  c: v.exactOptional(g1Shape),
  h1: v.exactOptional(g1Shape),
});

export type PreparationText = v.InferInput<typeof preparationShape>;
export type PartsText = v.InferInput<typeof partsShape>;

export function encodePreparation(preparation: Preparation): PreparationText {
  const { a, b, c, h1, challenge, delta } = preparation;
  return {
    a: g1Text(a),
    b: g2Text(b),
    c: g1Text(c),
    h1: g1Text(h1),
    challenge: g1Text(challenge),
    delta: g2Text(delta),
  };
}

export function encodeParts({ a, b, c, h1 }: Partial<PreparedParts>): PartsText {
  return {
    ...(a && { a: g1Text(a) }),
    ...(b && { b: g2Text(b) }),
    ...(c && { c: g1Text(c) }),
    ...(h1 && { h1: g1Text(h1) }),
  };
}

function g1Text([x, y]: G1Point): [string, string] {
  return [x.toString(), y.toString()];
}

function g2Text([x, y]: G2Point): [[string, string], [string, string]] {
  return [g1Text(x), g1Text(y)];
}
