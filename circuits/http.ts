import * as v from 'valibot';
import { ERROR_CODES } from './error.ts';
import { rpId } from './passkey.ts';
import { base64url16, base64url32, code, compactJws, reference, requestJws, text, time } from './shape.ts';

// Answers to a device that is enrolled (docs/protocol.md, section 8), and what went wrong. The verifier parses the bodies of its
// routes, the SDK the answers. All other routes stand in http-desk.ts and http-enrolment.ts: a phone page loads files whole.

/** `application/problem+json` (RFC 9457). `title` is fixed by `code`. */
export const problemShape = v.strictObject({
  type: v.literal('about:blank'),
  title: v.string(),
  status: v.number(),
  code: v.picklist(ERROR_CODES),
});
export type Problem = v.InferOutput<typeof problemShape>;

export const verdict = v.picklist(['passed', 'failed', 'declined', 'reported', 'expired', 'cancelled']);
export type Verdict = v.InferOutput<typeof verdict>;

export const factor = v.picklist(['knowledge', 'possession', 'inherence']);

export const tenantName = v.strictObject({ id: reference, name: text });

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

const attempt = v.strictObject({
  attempt: base64url16,
  nonce: base64url32,
  /** Attempts left, this one included. */
  left: v.pipe(v.number(), v.safeInteger()),
});
export type Attempt = v.InferOutput<typeof attempt>;

export const pendingRequest = v.strictObject({
  verification: base64url16,
  state: v.picklist(['pending', 'accepted', 'done']),
  later: v.boolean(),
  expiresAt: time,
  /** The JWS; gone once a verdict stands. */
  request: v.optional(requestJws),
  /** The open attempt, once this device accepted. */
  attempt: v.optional(attempt),
  verdict: v.optional(verdict),
  /** Pre-call, passed, not yet claimed. */
  claim: v.optional(v.strictObject({ code, expiresAt: time })),
});
/** A verification as its device sees it. */
export type PendingRequest = v.InferOutput<typeof pendingRequest>;
export const requestsAnswer = v.strictObject({ requests: v.array(pendingRequest) });
