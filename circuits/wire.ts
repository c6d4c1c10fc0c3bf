import * as v from 'valibot';
import { publicJwkShape } from './jws.ts';
import { passkeyAssertion, rpId } from './passkey.ts';
import { FACTS, type FactId, PASSKEY } from './protocol.ts';
import {
  base64url16,
  base64url32,
  code,
  compactJws,
  coordinate,
  factId,
  fieldText,
  parse,
  reference,
  text,
  texts,
  time,
} from './shape.ts';

// What is signed, and what is proven: request, presentation, receipt, credential, key statement
// (docs/protocol.md, section 6). Bodies and answers of the routes stand in http.ts.

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
export const requestedFact = v.variant('fact', [
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

export const requestedPasskey = v.strictObject({
  fact: v.literal(PASSKEY.fact),
  version: v.literal(PASSKEY.version),
  rpId,
});

export type RequestedPasskey = v.InferOutput<typeof requestedPasskey>;

/** One entry of a request's list. */
export const requested = v.variant('fact', [requestedFact, requestedPasskey]);
export type Requested = v.InferOutput<typeof requested>;

/** Whether an entry is proven in zero knowledge; the other kind is signed by a passkey. */
export function isRequestedFact(entry: Requested): entry is RequestedFact {
  return entry.fact !== PASSKEY.fact;
}

const factList = v.pipe(
  v.array(requested),
  v.minLength(1),
  v.maxLength(16),
  v.check((facts) => new Set(facts.map((entry) => entry.fact)).size === facts.length),
);

export const requestShape = v.strictObject({
  iss: v.pipe(v.string(), v.url(), v.maxLength(256)),
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

export const receiptShape = v.strictObject({
  iss: v.pipe(v.string(), v.url(), v.maxLength(256)),
  tenant: reference,
  sub: reference,
  jkt: base64url32,
  holder: fieldText,
  iat: time,
  exp: time,
});
/** What the verifier signs about an enrolled device, for its issuer. */
export type Receipt = v.InferOutput<typeof receiptShape>;

/** `schema` of the credential that carries an accounts root. */
export const ACCOUNTS_SCHEMA = 'akashi/accounts/v1';

export const credentialShape = v.strictObject({
  /** Thumbprint of the issuer's key, as registered with the verifier. */
  iss: base64url32,
  /** The verifier: its public origin. */
  aud: v.pipe(v.string(), v.url(), v.maxLength(256)),
  tenant: reference,
  sub: reference,
  cnf: v.strictObject({ jkt: base64url32 }),
  schema: v.literal(ACCOUNTS_SCHEMA),
  accountsRoot: fieldText,
  iat: time,
  exp: time,
});
/** What an issuer signs: a commitment, who holds it, until when. */
export type Credential = v.InferOutput<typeof credentialShape>;

export const keyStatementShape = v.strictObject({
  iss: v.pipe(v.string(), v.url(), v.maxLength(256)),
  keys: v.pipe(
    v.array(v.strictObject({ jwk: publicJwkShape, kid: base64url32, nbf: time, exp: time })),
    v.minLength(1),
    v.maxLength(4),
  ),
  iat: time,
});
/** What the root key says about the signing keys. */
export type KeyStatement = v.InferOutput<typeof keyStatementShape>;

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
    /** The facts of the request's list, in its order. */
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
    /** Where the list asks for a passkey. */
    passkey: v.optional(passkeyAssertion),
  }),
  v.check(({ facts, passkey }) => facts.length > 0 || passkey !== undefined),
);
/** What the device sends for one attempt, parsed. It holds no public signal: the verifier supplies every one. */
export type Presentation = v.InferOutput<typeof presentationShape>;
export type WirePresentation = v.InferInput<typeof presentationShape>;

export const parseRequest = (input: unknown): Request => parse(requestShape, input);
export const parseReceipt = (input: unknown): Receipt => parse(receiptShape, input);
export const parseCredential = (input: unknown): Credential => parse(credentialShape, input);
export const parseKeyStatement = (input: unknown): KeyStatement => parse(keyStatementShape, input);
export const parsePresentation = (input: unknown): Presentation => parse(presentationShape, input);
export const parseProof = (input: unknown): Proof => parse(proofShape, input);

/** Whether a fact's public outputs come from a credential rather than from the verifier's own records. */
export function needsCredential(fact: FactId): boolean {
  return fact === 'account';
}
