/**
 * Every way an Akashi call can fail, as a stable code. The verifier sends the same codes in its problem documents
 * (docs/protocol.md, section 9).
 */
export type ErrorCode = (typeof ERROR_CODES)[number];

export const ERROR_CODES = [
  // what was received
  'malformed', // not the registered shape or encoding
  'unsupported_media_type', // body is not application/json
  'too_large', // body over the limit
  'not_found', // unknown, foreign, or not yours: all alike
  'method_not_allowed',
  // who asks
  'unauthorized', // no credential, or one that is not good
  'use_dpop_nonce', // sign again with the nonce that came with this answer
  'forbidden', // known, but not for this role
  'origin_refused', // the tenant does not list this origin
  // enrolment and device
  'enrolment_refused', // token wrong, used or expired: all alike
  'device_revoked',
  'device_exists', // this key is enrolled already
  'pin_locked', // no tries left; unlocked only by a new enrolment
  'pin_refused', // proof of the old PIN does not hold
  'passkey_refused', // what was registered does not hold, or the device has enough
  'passkeys_off', // the tenant uses none
  'evaluation_refused', // no evaluation is due now
  // verifications
  'no_device', // the subject has no active device
  'no_passkey', // no device of the subject has the passkey that the policy asks for
  'policy_unknown',
  'policy_too_wide', // more than 16 entries, or 16 ways to be met
  'policy_not_two_factor', // demands two factors, and could be met with one
  'idempotency_mismatch', // same key, other body
  'accepted_elsewhere', // another device of the subject accepted first
  'verification_over', // a verdict stands
  'attempt_used', // not the open attempt
  'claim_refused', // wrong code, wrong subject, none open: all alike
  'no_verdict', // none stands, or a pass that nobody claimed
  // load
  'rate_limited',
  'busy',
  'internal',
  // on the device, at the desk or at the issuer only
  'aborted',
  'timeout',
  'network', // no answer
  'unexpected_answer', // an answer that is not of the protocol
  'signature_invalid',
  'request_invalid', // a request that is not for this device, tenant or time
  'key_statement_invalid', // signing keys that the root key did not certify
  'receipt_invalid',
  'evidence_invalid', // not of this verifier, verification, transaction or verdict
  'artifact_invalid', // bytes do not have the pinned hash
  'artifact_unavailable', // a key, or a piece of our code, did not load
  'storage_unavailable',
  'not_enrolled',
  'pin_wrong', // known on the device, before anything is sent
  'pin_weak', // too common or of the wrong length
  'account_unknown', // this device holds no such account
  'claim_unknown', // this device holds no credential of that schema
  'claim_unmet', // the claim that this device holds is outside of what is asked
  'credential_expired', // the device's credential is over: refresh the accounts or the claims
  'passkey_missing', // one is asked for, and this device has none
  'passkey_unavailable', // the platform offers none
  'passkey_cancelled', // the customer did not confirm, or too late
  'proof_failed',
] as const;

/**
 * The one error class. The message is fixed by the code and holds nothing of the input;
 * what a program may need to react is in the fields.
 */
export class AkashiError extends Error {
  override readonly name = 'AkashiError';
  readonly code: ErrorCode;
  /** HTTP status of the answer this came from, where it came from one. */
  readonly status: number | undefined;
  /** Seconds to wait before another try makes sense. */
  readonly retryAfter: number | undefined;
  /** PIN tries left, where a wrong PIN was the reason. */
  readonly triesLeft: number | undefined;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    super(code.replaceAll('_', ' '), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.retryAfter = details.retryAfter;
    this.triesLeft = details.triesLeft;
  }
}

export interface ErrorDetails {
  readonly cause?: unknown;
  readonly status?: number;
  readonly retryAfter?: number | undefined;
  readonly triesLeft?: number | undefined;
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && (ERROR_CODES as readonly string[]).includes(value);
}
