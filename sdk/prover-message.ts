import { ERROR_CODES, factId, proofShape, type WireProof } from '@akashi/circuits';
import * as v from 'valibot';

// What page and prover worker say to each other, by structured clone.

export const jobShape = v.strictObject({
  id: v.number(),
  fact: factId,
  inputs: v.record(v.string(), v.union([v.bigint(), v.array(v.bigint())])),
  /** Folder of the artifacts; none: beside the worker. */
  artifactsUrl: v.optional(v.string()),
});
export type Job = v.InferOutput<typeof jobShape>;

export const newsShape = v.variant('kind', [
  v.strictObject({ kind: v.literal('stage'), id: v.number(), stage: v.picklist(['loading', 'proving']) }),
  v.strictObject({
    kind: v.literal('proof'),
    id: v.number(),
    proof: v.custom<WireProof>((value) => v.is(proofShape, value)),
  }),
  v.strictObject({ kind: v.literal('error'), id: v.number(), code: v.picklist(ERROR_CODES) }),
]);
export type News = v.InferOutput<typeof newsShape>;
