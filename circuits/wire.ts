import * as v from 'valibot';
import { publicJwkShape } from './jws.ts';
import { FACTS } from './protocol.ts';
import { base64url16, base64url32, fieldText, origin, parse, reference, text, texts, time } from './shape.ts';

// What the verifier signs for a phone: request and key statement (docs/protocol.md, sections 4 and 6). What a phone needs
// only when it answers stands in presentation.ts and credential.ts: a page loads files whole.

export const mode = v.picklist(['call', 'precall']);
export type Mode = v.InferOutput<typeof mode>;

export const direction = v.picklist(['inbound', 'outbound']);
export type Direction = v.InferOutput<typeof direction>;

export const verdict = v.picklist(['passed', 'failed', 'declined', 'reported', 'expired', 'cancelled']);
export type Verdict = v.InferOutput<typeof verdict>;

export const transaction = v.strictObject({
  /** Minor units (yen, cents) as a decimal integer. */
  amount: v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,17})$/)),
  /** ISO 4217. */
  currency: v.pipe(v.string(), v.regex(/^[A-Z]{3}$/)),
  payee: text,
});
export type Transaction = v.InferOutput<typeof transaction>;

export const purpose = v.strictObject({ id: reference, text: texts });
export type Purpose = v.InferOutput<typeof purpose>;

/** One entry of a request's list: a fact with the public inputs that the device cannot know by itself. */
export const requestedFact = v.union([
  v.strictObject({ fact: v.literal('pin'), version: v.literal(FACTS.pin.version) }),
  v.strictObject({
    fact: v.literal('account'),
    version: v.literal(FACTS.account.version),
    scope: fieldText,
    /** The account to be shown, or `"0"`: any account of the subject, and which one stays hidden. */
    accountRef: fieldText,
  }),
]);
export type RequestedFact = v.InferOutput<typeof requestedFact>;

const factList = v.pipe(
  v.array(requestedFact),
  v.minLength(1),
  v.maxLength(16),
  v.check((facts) => new Set(facts.map((entry) => entry.fact)).size === facts.length),
);

export const requestShape = v.strictObject({
  iss: origin,
  /** The verification this request belongs to. */
  jti: base64url16,
  /** Thumbprints of the devices it is for. */
  aud: v.pipe(v.array(base64url32), v.minLength(1), v.maxLength(16)),
  tenant: v.strictObject({ id: reference, name: text }),
  /** Display name of who asks; none when the tenant's back end does. */
  operator: v.optional(text),
  mode,
  direction,
  purpose,
  transaction: v.optional(transaction),
  facts: factList,
  nonce: base64url32,
  iat: time,
  exp: time,
});
/** The signed object a device gets, shows to the customer, and binds its proofs to. */
export type Request = v.InferOutput<typeof requestShape>;

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

export const parseRequest = (input: unknown): Request => parse(requestShape, input);
export const parseKeyStatement = (input: unknown): KeyStatement => parse(keyStatementShape, input);
