import { AkashiError, type ErrorCode, type Problem } from '@akashi/circuits';

// The codes that this verifier answers with, and their status (docs/protocol.md, section 9).
const STATUS = {
  malformed: 400,
  unauthorized: 401,
  use_dpop_nonce: 401,
  forbidden: 403,
  origin_refused: 403,
  enrolment_refused: 403,
  device_revoked: 403,
  pin_locked: 403,
  pin_refused: 403,
  passkey_refused: 403,
  evaluation_refused: 403,
  claim_refused: 403,
  not_found: 404,
  method_not_allowed: 405,
  device_exists: 409,
  no_device: 409,
  no_passkey: 409,
  passkeys_off: 409,
  policy_unknown: 409,
  policy_not_two_factor: 409,
  accepted_elsewhere: 409,
  verification_over: 409,
  attempt_used: 409,
  no_verdict: 409,
  too_large: 413,
  unsupported_media_type: 415,
  idempotency_mismatch: 422,
  policy_too_wide: 422,
  rate_limited: 429,
  internal: 500,
  busy: 503,
} as const satisfies Partial<Record<ErrorCode, number>>;

type AnsweredCode = keyof typeof STATUS;

type Status = (typeof STATUS)[AnsweredCode];

export interface ProblemAnswer {
  readonly status: Status;
  readonly body: Problem;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The answer to an error. Only an `AkashiError` with a code of the protocol says what it is; anything else thrown
 * is `internal`. The texts are fixed by the code and hold nothing of the call.
 */
export function problemOf(error: unknown): ProblemAnswer {
  const code = error instanceof AkashiError && isAnswered(error.code) ? error.code : 'internal';
  const status = STATUS[code];
  const retryAfter = error instanceof AkashiError ? error.retryAfter : undefined;
  return {
    status,
    body: { type: 'about:blank', title: code.replaceAll('_', ' '), status, code },
    headers: {
      'Content-Type': 'application/problem+json',
      // The rest of the body was not read, so nothing after it on this connection could be understood.
      ...(status === 413 ? { Connection: 'close' } : {}),
      ...(retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) }),
      ...(status === 401
        ? { 'WWW-Authenticate': CHALLENGES[code === 'use_dpop_nonce' ? code : 'unauthorized'] }
        : {}),
    },
  };
}

const CHALLENGES = { unauthorized: 'DPoP, Bearer', use_dpop_nonce: 'DPoP error="use_dpop_nonce"' } as const;

function isAnswered(code: ErrorCode): code is AnsweredCode {
  return Object.hasOwn(STATUS, code);
}
