import type { Actor, VerificationRow } from './records.ts';
import type { Transaction, Verb } from './statement.ts';
import { BOUNDS, type Store } from './store.ts';
import { record } from './stored-audit.ts';
import {
  asRow,
  change,
  holdOfSubject,
  note,
  settle,
  type VerificationRecord,
  voidPass,
} from './stored-verifications.ts';

export function* claim(
  tx: Transaction,
  { tenant, subject, purpose, direction, matches }: Parameters<Store['claim']>[0],
  actor: Actor,
  now: number,
): Verb<VerificationRow | undefined> {
  const candidates: VerificationRecord[] = [];
  for (const unclaimed of yield* holdOfSubject(tenant, subject, 'unclaimed')) {
    const row = yield* settle(tx, unclaimed, now);
    if (row.claim === 'open' && row.purpose === purpose && row.direction === direction) candidates.push(row);
  }
  // Every candidate is asked, so that the time does not tell which one it was.
  const [match] = candidates.filter(({ verification }) => matches(verification));
  if (match !== undefined) {
    yield* note(tx, match, { actor, at: now, event: 'claim.accepted' });
    const claimedBy = actor.kind === 'operator' ? actor.id : null;
    return asRow(yield* change(tx, match, { claim: 'claimed', claimedBy }));
  }
  const about = { subject, purpose, direction };
  yield* record(tx, { tenant, at: now, actor, event: 'claim.refused', about });
  for (const row of candidates) yield* refuse(tx, row, actor, now);
  return undefined;
}

function* refuse(tx: Transaction, row: VerificationRecord, actor: Actor, now: number): Verb<void> {
  const claimTries = row.claimTries + 1;
  const tried = yield* change(tx, row, { claimTries });
  if (claimTries >= BOUNDS.claimTries) yield* voidPass(tx, tried, { actor, at: now, reason: 'tries' });
}
