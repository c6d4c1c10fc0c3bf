import type { Transaction } from './sqlite-database.ts';
import { consumeJti, findActiveDevice } from './sqlite-devices.ts';
import { usePasskey } from './sqlite-passkeys.ts';
import { resetTries } from './sqlite-pins.ts';
import { addressed } from './sqlite-requests.ts';
import { asRow, change, decide, known, note, type VerificationRecord } from './sqlite-verifications.ts';
import { type Actor, type AttemptResult, BOUNDS, type Store, type VerificationRow } from './store.ts';

// Attempts: used up before anything is checked, and what came of them (docs/protocol.md, section 6).

export function consumeAttempt(
  tx: Transaction,
  use: Parameters<Store['consumeAttempt']>[0],
  now: number,
): Awaited<ReturnType<Store['consumeAttempt']>> {
  const { tenant, verification, device, attempt, jti, jtiExpiresAt } = use;
  const row = addressed(tx, tenant, verification, device, now);
  if (row === undefined || (row.device !== null && row.device !== device)) return 'not_found';
  if (row.state === 'done') return 'verification_over';
  const { attemptNonce } = row;
  if (row.attempt !== attempt || attemptNonce === null) return 'attempt_used';
  if (!consumeJti(tx, tenant, device, jti, jtiExpiresAt)) return 'unauthorized';
  const used = change(tx, row, {
    ...{ attempt: null, attemptNonce: null },
    ...{ lastAttempt: attempt, attemptsUsed: row.attemptsUsed + 1 },
  });
  note(tx, row, { actor: by(device), at: now, event: 'attempt.used', about: { attempt } });
  return { ...asRow(used), attempt: { attempt, nonce: attemptNonce } };
}

export function recordResult(tx: Transaction, result: AttemptResult, now: number): VerificationRow {
  const { tenant, verification, attempt, provenCommitment } = result;
  const row = known(tx, tenant, verification, now);
  const device = findActiveDevice(tx.query, tenant, result.device, now);
  if (provenCommitment !== null) resetTries(tx, device, provenCommitment, now);
  // Before anything is dropped: a counter that was seen must not be good a second time.
  const clash =
    result.passkey !== null && device !== undefined ? usePasskey(tx, device, result.passkey, now) : null;
  const about = { attempt, passed: result.passed ? 'yes' : 'no' };
  const stale = provenCommitment !== null && device?.commitment !== provenCommitment;
  if (!isAwaited(row, result) || device === undefined || (result.passed && stale)) {
    note(tx, row, { actor: by(result.device), at: now, event: 'attempt.dropped', about });
    return asRow(row);
  }
  if (clash !== null) return asRow(fail(tx, row, { ...result, reason: result.reason ?? clash }, now));
  if (result.passed) {
    const [factors, shown] = [[...result.factors], [...result.shown]];
    return asRow(decide(tx, row, { verdict: 'passed', factors, shown, actor: by(result.device), at: now }));
  }
  return asRow(fail(tx, row, result, now));
}

function fail(tx: Transaction, row: VerificationRecord, result: AttemptResult, now: number) {
  const { attempt, reason, next } = result;
  const actor = by(result.device);
  note(tx, row, { actor, at: now, event: 'attempt.failed', about: { attempt, reason } });
  if (row.attemptsUsed >= BOUNDS.attempts) return decide(tx, row, { verdict: 'failed', actor, at: now });
  return change(tx, row, { attempt: next.attempt, attemptNonce: next.nonce });
}

/** Whether this is the result that the verification waits for. */
function isAwaited(row: VerificationRecord, { device, attempt }: AttemptResult): boolean {
  const waiting = row.state === 'accepted' && row.attempt === null;
  return waiting && row.device === device && row.lastAttempt === attempt;
}

function by(device: string): Actor {
  return { kind: 'device', id: device };
}
