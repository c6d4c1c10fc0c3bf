import { ERROR_CODES, factId, proofShape, type WireProof } from '@akashi/circuits';
import * as v from 'valibot';
import { partsShape, preparationShape } from './preparation.ts';

// What page and prover worker say to each other, by structured clone.

const inputsShape = v.record(v.string(), v.union([v.bigint(), v.array(v.bigint())]));
/** Folder of the artifacts; none: beside the worker. */
const artifactsUrlShape = v.optional(v.string());

export const jobShape = v.union([
  v.strictObject({
    kind: v.literal('prove'),
    id: v.number(),
    fact: factId,
    inputs: inputsShape,
    artifactsUrl: artifactsUrlShape,
  }),
  v.strictObject({
    kind: v.literal('prepare'),
    id: v.number(),
    fact: factId,
    /** Without a challenge. */
    inputs: inputsShape,
    /** Parts that need not be computed. */
    done: partsShape,
    artifactsUrl: artifactsUrlShape,
  }),
]);
/** As it is sent: points as text. */
export type Job = v.InferInput<typeof jobShape>;

export const newsShape = v.union([
  v.strictObject({ kind: v.literal('stage'), id: v.number(), stage: v.picklist(['loading', 'proving']) }),
  /** All parts of a preparation so far. */
  v.strictObject({ kind: v.literal('parts'), id: v.number(), parts: partsShape }),
  v.strictObject({
    kind: v.literal('proof'),
    id: v.number(),
    proof: v.custom<WireProof>((value) => v.is(proofShape, value)),
  }),
  v.strictObject({ kind: v.literal('preparation'), id: v.number(), preparation: preparationShape }),
  v.strictObject({ kind: v.literal('error'), id: v.number(), code: v.picklist(ERROR_CODES) }),
]);
/** As it is sent: points as text. */
export type News = v.InferInput<typeof newsShape>;
/** As it is understood. */
export type ParsedNews = v.InferOutput<typeof newsShape>;
