import * as v from 'valibot';
import { publicJwkShape } from './public-jwk.ts';
import { base64url32, origin, parse, time } from './shape.ts';

// What the root key says about the verifier's signing keys (docs/protocol.md, section 4).

export const keyStatementShape = v.strictObject({
  iss: origin,
  keys: v.pipe(
    v.array(v.strictObject({ jwk: publicJwkShape, kid: base64url32, nbf: time, exp: time })),
    v.minLength(1),
    v.maxLength(4),
  ),
  iat: time,
});
/** What the root key says about the signing keys. */
export type KeyStatement = v.InferOutput<typeof keyStatementShape>;

export const parseKeyStatement = (input: unknown): KeyStatement => parse(keyStatementShape, input);
