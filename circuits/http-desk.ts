import * as v from 'valibot';
import { factor, tenantName, verdict } from './http.ts';
import { policyBody, riskSignals } from './policy.ts';
import { publicJwkShape } from './public-jwk.ts';
import { base64url16, base64url32, code, fieldText, reference, text, time } from './shape.ts';
import { remoteUrl, statusListsUrl } from './status-list.ts';
import { transaction } from './transaction.ts';
import { direction, mode } from './wire.ts';

// Bodies and answers of the routes for tenants' back ends, operators and anyone (docs/protocol.md, section 8).

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

/** Where an issuer publishes its keys and what it revoked; an empty one: nowhere. */
export const issuerSourceBody = v.pipe(
  v.strictObject({
    /** Address of a JWK set. */
    jwks: v.optional(remoteUrl),
    /** Address below which the status lists stand. From then on each credential needs a place in one. */
    statusLists: v.optional(statusListsUrl),
    /** How long a status list is believed whose fresh copy cannot be had; without it not at all. */
    staleSeconds: v.optional(v.pipe(time, v.maxValue(86_400))),
  }),
  v.check(({ statusLists, staleSeconds = 0 }) => statusLists !== undefined || staleSeconds === 0),
);
export type IssuerSourceBody = v.InferOutput<typeof issuerSourceBody>;
export const issuersAnswer = v.strictObject({
  /** Pinned keys, by thumbprint. */
  issuers: v.array(v.strictObject({ issuer: base64url32, addedAt: time })),
  source: issuerSourceBody,
});
export type IssuersAnswer = v.InferOutput<typeof issuersAnswer>;

export const policyAnswer = v.strictObject({
  ...policyBody.entries,
  version: v.pipe(v.number(), v.safeInteger()),
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
  /** `id`: the call's name at the desk or its telephony, opaque here. Under it a pass may be reused, where policies let it be. */
  call: v.strictObject({ direction, id: v.optional(reference) }),
  /** What is known of the risk of this call: it can only raise what is asked. */
  signals: v.optional(riskSignals),
  transaction: v.optional(transaction),
  accountRef: v.optional(fieldText),
  /** Back ends only: the operator whose verification it is, who gets the code and is named on the phone. */
  operator: v.optional(base64url16),
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
  factors: v.array(factor),
  /** The verification of the same call whose pass stands in for this one. */
  reusedFrom: v.optional(base64url16),
  startedAt: time,
  expiresAt: time,
  decidedAt: v.nullable(time),
  /** The transfer code: only on a call, only to who started it, only until a verdict stands. */
  code: v.optional(code),
  /** Where the request carries one: its hash (evidence.ts), which alone tells nothing. */
  transaction: v.optional(
    v.strictObject({
      hash: base64url32,
      /** Until a verdict stands; to desks only where the policy says so. */
      figures: v.optional(transaction),
    }),
  ),
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

// Anyone

export const jwksAnswer = v.strictObject({
  keys: v.array(
    v.strictObject({
      ...publicJwkShape.entries,
      kid: base64url32,
      use: v.literal('sig'),
      alg: v.literal('ES256'),
      /** When it signs. An ended key is published on, so that evidence stays verifiable; nothing else is taken from it. */
      nbf: time,
      exp: time,
    }),
  ),
});
