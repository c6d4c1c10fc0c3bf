import type { Actor, AttemptResult, VerificationRow } from './records.ts';
import { type Transaction, together, type Verb } from './statement.ts';
import { BOUNDS, type Store } from './store.ts';
import { consumeJti, holdActiveDevice } from './stored-devices.ts';
import { usePasskey } from './stored-passkeys.ts';
import { resetTries } from './stored-pins.ts';
import { addressed } from './stored-requests.ts';
import {
  asRow,
  change,
  decide,
  holdVerification,
  note,
  settle,
  type VerificationRecord,
} from './stored-verifications.ts';

// Attempts: used up before anything is checked, and what came of them (docs/protocol.md, section 6).

export function* consumeAttempt(
  tx: Transaction,
  use: Parameters<Store['consumeAttempt']>[0],
  now: number,
): Verb<Awaited<ReturnType<Store['consumeAttempt']>>> {
  const { tenant, verification, device, attempt, jti, jtiExpiresAt } = use;
  const row = yield* addressed(tx, tenant, verification, device, now);
  if (row === undefined || (row.device !== null && row.device !== device)) return 'not_found';
  if (row.state === 'done') return 'verification_over';
  const { attemptNonce } = row;
  if (row.attempt !== attempt || attemptNonce === null) return 'attempt_used';
  if (!(yield* consumeJti(tx, tenant, device, jti, jtiExpiresAt))) return 'unauthorized';
  const used = yield* change(tx, row, {
    ...{ attempt: null, attemptNonce: null },
    ...{ lastAttempt: attempt, attemptsUsed: row.attemptsUsed + 1 },
  });
  yield* note(tx, row, { actor: by(device), at: now, event: 'attempt.used', about: { attempt } });
  return { ...asRow(used), attempt: { attempt, nonce: attemptNonce } };
}

export function* recordResult(tx: Transaction, result: AttemptResult, now: number): Verb<VerificationRow> {
  const { tenant, verification, attempt, provenCommitment } = result;
  const [device, held] = yield* together(
    holdActiveDevice(tenant, result.device, now),
    holdVerification(tenant, verification),
  );
  if (held === undefined) throw new Error('a verification that was given out is gone');
  const row = yield* settle(tx, held, now);
  if (provenCommitment !== null) yield* resetTries(tx, device, provenCommitment, now);
  // Before anything is dropped: a counter that was seen must not be good a second time.
  const clash =
    result.passkey !== null && device !== undefined
      ? yield* usePasskey(tx, device, result.passkey, now)
      : null;
  const about = { attempt, passed: result.passed ? 'yes' : 'no' };
  const stale = provenCommitment !== null && device?.commitment !== provenCommitment;
  if (!isAwaited(row, result) || device === undefined || (result.passed && stale)) {
    yield* note(tx, row, { actor: by(result.device), at: now, event: 'attempt.dropped', about });
    return asRow(row);
  }
  if (clash !== null) return asRow(yield* fail(tx, row, { ...result, reason: result.reason ?? clash }, now));
  if (result.passed) {
    const [factors, shown] = [[...result.factors], [...result.shown]];
    const actor = by(result.device);
    return asRow(yield* decide(tx, row, { verdict: 'passed', factors, shown, actor, at: now }));
  }
  return asRow(yield* fail(tx, row, result, now));
}

function* fail(
  tx: Transaction,
  row: VerificationRecord,
  result: AttemptResult,
  now: number,
): Verb<VerificationRecord> {
  const { attempt, reason, next } = result;
  const actor = by(result.device);
  yield* note(tx, row, { actor, at: now, event: 'attempt.failed', about: { attempt, reason } });
  if (row.attemptsUsed >= BOUNDS.attempts)
    return yield* decide(tx, row, { verdict: 'failed', actor, at: now });
  return yield* change(tx, row, { attempt: next.attempt, attemptNonce: next.nonce });
}

/** Whether this is the result that the verification waits for. */
function isAwaited(row: VerificationRecord, { device, attempt }: AttemptResult): boolean {
  const waiting = row.state === 'accepted' && row.attempt === null;
  return waiting && row.device === device && row.lastAttempt === attempt;
}

function by(device: string): Actor {
  return { kind: 'device', id: device };
}
