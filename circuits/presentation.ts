import * as v from 'valibot';
import { base64url16, code, compactJws, coordinate, factId, parse } from './shape.ts';
import { passkeyAssertion } from './webauthn.ts';

// What a device sends for an attempt (docs/protocol.md, section 6).

/** `pi_a`, `pi_b`, `pi_c` of a Groth16 proof, affine; the coordinates of b are c0, c1 of c0 + c1 u. */
export const proofShape = v.strictObject({
  a: v.strictTuple([coordinate, coordinate]),
  b: v.strictTuple([v.strictTuple([coordinate, coordinate]), v.strictTuple([coordinate, coordinate])]),
  c: v.strictTuple([coordinate, coordinate]),
});
export type Proof = v.InferOutput<typeof proofShape>;

/** A proof as it travels: every coordinate in decimal. */
export type WireProof = v.InferInput<typeof proofShape>;

export const presentationShape = v.pipe(
  v.strictObject({
    attempt: base64url16,
    /** As typed by the customer; none in pre-call mode. */
    code: v.optional(code),
    /** Which of the request's alternatives this is, where it has any. */
    alternative: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(15))),
    /** The facts of the request's list, or of that alternative, in the list's order. */
    facts: v.pipe(
      v.array(
        v.strictObject({
          fact: factId,
          version: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
          proof: proofShape,
          credential: v.optional(compactJws),
        }),
      ),
      v.maxLength(16),
    ),
    /** Where list or alternative ask for a passkey. */
    passkey: v.optional(passkeyAssertion),
  }),
  v.check(({ facts, passkey }) => facts.length > 0 || passkey !== undefined),
);
/** What the device sends for one attempt, parsed. It holds no public signal: the verifier supplies every one. */
export type Presentation = v.InferOutput<typeof presentationShape>;
export type WirePresentation = v.InferInput<typeof presentationShape>;

export const parsePresentation = (input: unknown): Presentation => parse(presentationShape, input);
export const parseProof = (input: unknown): Proof => parse(proofShape, input);
