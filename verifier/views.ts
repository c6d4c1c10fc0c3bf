import type { PendingRequest, Verification } from '@akashi/circuits';
import { base64url } from 'jose';
import type { Caller } from './caller.ts';
import { codeOf } from './codes.ts';
import type { VerificationRow } from './records.ts';
import { readRequest, requestOf } from './requests.ts';
import { BOUNDS } from './store.ts';
import type { Verifier } from './verifier.ts';

// What each side is shown of a verification (docs/protocol.md, section 7).

/**
 * A verification as desk and back end see it. Of a pre-call one they see no verdict before it is claimed, but that it
 * was cancelled or ran out: who is on the line has not been tied to it yet. The rule is the same for back ends, which
 * may be desks of their own.
 */
export function deskView(verifier: Verifier, caller: Caller, row: VerificationRow): Verification {
  const shown = row.verdict !== null && isShown(row);
  const code = transferCode(verifier, caller, row);
  return {
    verification: row.verification,
    subject: row.subject,
    policy: row.policy,
    purpose: row.purpose,
    mode: row.mode,
    direction: row.direction,
    state: row.state,
    later: row.later,
    verdict: shown ? row.verdict : null,
    factors: shown ? [...row.factors] : [],
    ...(row.reusedFrom === null ? {} : { reusedFrom: row.reusedFrom }),
    startedAt: row.startedAt,
    expiresAt: row.expiresAt,
    decidedAt: shown ? row.decidedAt : null,
    ...(code === undefined ? {} : { code }),
    ...transactionView(verifier, caller, row),
  };
}

/** {@link deskView}, and its record: that this operator was shown a verdict goes into the audit. */
export async function showDesk(
  verifier: Verifier,
  caller: Caller,
  row: VerificationRow,
): Promise<Verification> {
  const view = deskView(verifier, caller, row);
  if (view.verdict !== null && caller.kind === 'operator') {
    const { tenant, operator } = caller.operator;
    await verifier.store.recordSeen(tenant, row.verification, operator, verifier.now());
  }
  return view;
}

/** A verification as the device sees it that it is for. */
export function deviceView(verifier: Verifier, row: VerificationRow, device: string): PendingRequest {
  const own = row.device === device;
  const { attempt } = row;
  return {
    verification: row.verification,
    state: row.state,
    later: row.later,
    expiresAt: row.expiresAt,
    ...(row.request === null ? {} : { request: readRequest(verifier, row) }),
    ...(own && attempt !== null && row.state === 'accepted'
      ? {
          attempt: {
            attempt: attempt.attempt,
            nonce: base64url.encode(attempt.nonce),
            left: BOUNDS.attempts - row.attemptsUsed,
          },
        }
      : {}),
    ...(row.verdict === null ? {} : { verdict: row.verdict }),
    ...(own ? claimView(verifier, row) : {}),
  };
}

/** Whether desks and back ends are shown the verdict. */
export function isShown(row: VerificationRow): boolean {
  if (row.mode === 'call') return true;
  return row.claim === 'claimed' || row.verdict === 'cancelled' || row.verdict === 'expired';
}

/** The six digits to speak: to who started it, on a call, while no verdict stands. */
function transferCode({ keys }: Verifier, caller: Caller, row: VerificationRow): string | undefined {
  const starter = caller.kind === 'operator' ? caller.operator.operator : null;
  if (row.mode !== 'call' || row.state === 'done' || row.operator !== starter) return undefined;
  return codeOf('transfer', keys.codeKey, row.verification);
}

/** The figures go with the request, when a verdict stands; until then to back ends, and to desks where the policy says so. */
function transactionView(
  verifier: Verifier,
  caller: Caller,
  row: VerificationRow,
): Pick<Verification, 'transaction'> {
  if (row.transactionHash === null) return {};
  const hash = base64url.encode(row.transactionHash);
  const shows = row.request !== null && (caller.kind === 'backend' || row.deskFigures);
  const figures = shows ? requestOf(verifier, row).transaction : undefined;
  return { transaction: { hash, ...(figures === undefined ? {} : { figures }) } };
}

/** The six digits that the customer says: while the pass can be claimed. */
function claimView({ keys, now }: Verifier, row: VerificationRow): Pick<PendingRequest, 'claim'> {
  if (row.claim !== 'open' || row.decidedAt === null) return {};
  const expiresAt = row.decidedAt + BOUNDS.claimSeconds;
  if (expiresAt <= now()) return {};
  return { claim: { code: codeOf('claim', keys.codeKey, row.verification), expiresAt } };
}
