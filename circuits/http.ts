import * as v from 'valibot';
import { ERROR_CODES } from './error.ts';
import { publicJwkShape } from './jws.ts';
import { MAX_PASSKEYS, passkeyId, passkeyRegistration, rpId } from './passkey.ts';
import {
  askedId,
  base64url16,
  base64url32,
  code,
  compactJws,
  fieldText,
  reference,
  text,
  time,
} from './shape.ts';
import { direction, mode, proofShape, purpose, transaction, verdict } from './wire.ts';

// Bodies and answers of every route (docs/protocol.md, section 8). The verifier parses the bodies, the SDK the answers.

/** `application/problem+json` (RFC 9457). `title` is fixed by `code`. */
export const problemShape = v.object({
  type: v.literal('about:blank'),
  title: v.string(),
  status: v.number(),
  code: v.picklist(ERROR_CODES),
});
export type Problem = v.InferOutput<typeof problemShape>;

const tenantName = v.strictObject({ id: reference, name: text });

// Tenant back end

export const enrolmentBody = v.strictObject({ subject: reference });
export const enrolmentAnswer = v.strictObject({
  token: base64url16,
  /** Thumbprint of the verifier's root key. */
  root: base64url32,
  expiresAt: time,
});

export const issuerBody = v.strictObject({ jwk: publicJwkShape });
export const issuerAnswer = v.strictObject({ issuer: base64url32 });

export const policyBody = v.strictObject({
  policy: reference,
  facts: v.pipe(
    v.array(askedId),
    v.minLength(1),
    v.check((facts) => new Set(facts).size === facts.length),
  ),
  purposes: v.pipe(v.array(purpose), v.minLength(1), v.maxLength(64)),
});
export const policyAnswer = v.strictObject({
  ...policyBody.entries,
  version: v.pipe(v.number(), v.integer()),
});
export const policiesAnswer = v.strictObject({ policies: v.array(policyAnswer) });
export type Policy = v.InferOutput<typeof policyAnswer>;

export const subjectDevice = v.strictObject({
  device: base64url16,
  state: v.picklist(['enrolling', 'active', 'revoked']),
  enrolledAt: time,
});
export const subjectDevicesAnswer = v.strictObject({ devices: v.array(subjectDevice) });

// Operators

export const sessionBody = v.strictObject({ token: base64url16 });
export const sessionAnswer = v.strictObject({
  session: base64url16,
  operator: v.strictObject({ id: base64url16, name: text, role: v.picklist(['operator', 'admin']) }),
  tenant: tenantName,
  /** Seconds without an action of the operator after which the session ends. */
  idleSeconds: v.number(),
});
export type Session = v.InferOutput<typeof sessionAnswer>;

export const startBody = v.strictObject({
  subject: reference,
  policy: reference,
  purpose: reference,
  mode,
  call: v.strictObject({ direction, id: v.optional(reference) }),
  transaction: v.optional(transaction),
  accountRef: v.optional(fieldText),
});
export type Start = v.InferOutput<typeof startBody>;

export const verificationShape = v.strictObject({
  verification: base64url16,
  subject: reference,
  policy: reference,
  purpose: reference,
  mode,
  direction,
  state: v.picklist(['pending', 'accepted', 'done']),
  /** The customer asked for later. */
  later: v.boolean(),
  /** `null` while none stands, and for a desk while a pre-call pass is not claimed. */
  verdict: v.nullable(verdict),
  factors: v.array(v.picklist(['knowledge', 'possession', 'inherence'])),
  startedAt: time,
  expiresAt: time,
  decidedAt: v.nullable(time),
  /** The transfer code: only on a call, only to who started it, only until a verdict stands. */
  code: v.optional(code),
});
/** A verification as desk and back end see it. */
export type Verification = v.InferOutput<typeof verificationShape>;
export const verificationsAnswer = v.strictObject({ verifications: v.array(verificationShape) });

export const claimBody = v.strictObject({
  subject: reference,
  purpose: reference,
  direction,
  call: reference,
  code,
});
export type Claim = v.InferOutput<typeof claimBody>;

// Devices

export const deviceBody = v.strictObject({ token: base64url16 });
export const deviceAnswer = v.strictObject({ device: base64url16, tenant: tenantName });

/** What an evaluation is for; each has its own bound (docs/protocol.md, section 5). */
export const oprfBody = v.variant('use', [
  v.strictObject({ use: v.literal('enrol'), blinded: base64url32 }),
  v.strictObject({ use: v.literal('verification'), blinded: base64url32, verification: base64url16 }),
  v.strictObject({ use: v.literal('current'), blinded: base64url32 }),
  v.strictObject({ use: v.literal('new'), blinded: base64url32 }),
]);
export const oprfAnswer = v.strictObject({
  evaluated: base64url32,
  /** Counted evaluations only: how many are left before the fact `pin` is locked. */
  triesLeft: v.optional(v.number()),
  /** `use: "new"` only: goes into the challenge of the change. */
  nonce: v.optional(base64url32),
});

export const pinBody = v.union([
  v.strictObject({ holder: fieldText, commitment: fieldText }),
  v.strictObject({ commitment: fieldText, proof: proofShape }),
]);

export const deviceStatus = v.strictObject({
  device: base64url16,
  tenant: tenantName,
  state: v.picklist(['enrolling', 'active']),
  enrolledAt: time,
  pinChangedAt: v.nullable(time),
  triesLeft: v.number(),
  /** Present once a PIN is registered. */
  receipt: v.optional(compactJws),
  /** Where the tenant uses passkeys. */
  rpId: v.optional(rpId),
  passkeys: v.array(v.strictObject({ passkey: base64url16, createdAt: time })),
  /** Devices of the same subject enrolled after this one in the last 24 hours: the customer may stop them. */
  newer: v.array(v.strictObject({ device: base64url16, enrolledAt: time })),
});
export type DeviceStatus = v.InferOutput<typeof deviceStatus>;

/** What a phone makes a passkey with. The challenge is good once, until `expiresAt`. */
export const passkeyOptionsAnswer = v.strictObject({
  challenge: base64url32,
  rpId,
  /** WebAuthn ids of this device's passkeys: the authenticator must not make a second one beside them. */
  exclude: v.pipe(v.array(passkeyId), v.maxLength(MAX_PASSKEYS)),
  expiresAt: time,
});
export type PasskeyOptions = v.InferOutput<typeof passkeyOptionsAnswer>;

export const passkeyBody = v.strictObject({
  registration: passkeyRegistration,
  /** Of `pin`, under `passkeyChallenge`: who only holds the phone adds no passkey. */
  proof: proofShape,
});
export const passkeyAnswer = v.strictObject({ passkey: base64url16 });

const attempt = v.strictObject({
  attempt: base64url16,
  nonce: base64url32,
  /** Attempts left, this one included. */
  left: v.pipe(v.number(), v.integer()),
});
export type Attempt = v.InferOutput<typeof attempt>;

export const pendingRequest = v.strictObject({
  verification: base64url16,
  state: v.picklist(['pending', 'accepted', 'done']),
  later: v.boolean(),
  expiresAt: time,
  /** The JWS; gone once a verdict stands. */
  request: v.optional(compactJws),
  /** The open attempt, once this device accepted. */
  attempt: v.optional(attempt),
  verdict: v.optional(verdict),
  /** Pre-call, passed, not yet claimed. */
  claim: v.optional(v.strictObject({ code, expiresAt: time })),
});
/** A verification as its device sees it. */
export type PendingRequest = v.InferOutput<typeof pendingRequest>;
export const requestsAnswer = v.strictObject({ requests: v.array(pendingRequest) });

// Anyone

export const jwksAnswer = v.strictObject({
  keys: v.array(
    v.strictObject({
      ...publicJwkShape.entries,
      kid: base64url32,
      use: v.literal('sig'),
      alg: v.literal('ES256'),
    }),
  ),
});
