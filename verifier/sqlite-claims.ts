import type { Actor, VerificationRow } from './records.ts';
import { record } from './sqlite-audit.ts';
import type { Transaction } from './sqlite-database.ts';
import {
  asRow,
  change,
  note,
  ofSubject,
  settle,
  type VerificationRecord,
  voidPass,
} from './sqlite-verifications.ts';
import { BOUNDS, type Store } from './store.ts';

export function claim(
  tx: Transaction,
  { tenant, subject, purpose, direction, matches }: Parameters<Store['claim']>[0],
  actor: Actor,
  now: number,
): VerificationRow | undefined {
  const candidates = ofSubject(tx.query, tenant, subject, 'unclaimed')
    .map((row) => settle(tx, row, now))
    .filter((row) => row.claim === 'open' && row.purpose === purpose && row.direction === direction);
  // Every candidate is asked, so that the time does not tell which one it was.
  const [match] = candidates.filter(({ verification }) => matches(verification));
  if (match !== undefined) {
    note(tx, match, { actor, at: now, event: 'claim.accepted' });
    const claimedBy = actor.kind === 'operator' ? actor.id : null;
    return asRow(change(tx, match, { claim: 'claimed', claimedBy }));
  }
  record(tx, { tenant, at: now, actor, event: 'claim.refused', about: { subject, purpose, direction } });
  for (const row of candidates) refuse(tx, row, actor, now);
  return undefined;
}

function refuse(tx: Transaction, row: VerificationRecord, actor: Actor, now: number): void {
  const claimTries = row.claimTries + 1;
  const tried = change(tx, row, { claimTries });
  if (claimTries >= BOUNDS.claimTries) voidPass(tx, tried, { actor, at: now, reason: 'tries' });
}
