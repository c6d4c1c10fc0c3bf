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

/** A claim, after its code was compared with those of the subject's verifications. What came since is not asked. */
export type Compared = Omit<Parameters<Store['claim']>[0], 'matches'> & {
  readonly compared: readonly string[];
  readonly matching: readonly string[];
};

export function* claim(
  tx: Transaction,
  { tenant, subject, purpose, direction, compared, matching }: Compared,
  actor: Actor,
  now: number,
): Verb<VerificationRow | undefined> {
  const candidates: VerificationRecord[] = [];
  for (const unclaimed of yield* holdOfSubject(tenant, subject, 'unclaimed')) {
    const row = yield* settle(tx, unclaimed, now);
    const asked = row.claim === 'open' && row.purpose === purpose && row.direction === direction;
    if (asked && compared.includes(row.verification)) candidates.push(row);
  }
  const match = candidates.find(({ verification }) => matching.includes(verification));
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
