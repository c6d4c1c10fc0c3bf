import { and, lte, or, sql } from 'drizzle-orm';
import type { Dialect } from './dialects.ts';
import { command, queueFor, selection, type Transaction, type Verb, within } from './statement.ts';
import { BOUNDS } from './store.ts';
import { forgetLapsed, SWEEP_BATCH } from './stored-devices.ts';
import {
  holdVerification,
  isOpen,
  isOverdue,
  isUnclaimed,
  newestFirst,
  settle,
} from './stored-verifications.ts';

const overdue = selection(({ query, tables }) => {
  const { verifications } = tables;
  const expired = and(isOpen(tables), lte(verifications.expiresAt, sql.placeholder('now')));
  const unclaimed = and(isUnclaimed(tables), lte(verifications.decidedAt, sql.placeholder('passedBefore')));
  const { tenant, verification, startedAt } = verifications;
  return query
    .select({ tenant, verification, startedAt })
    .from(verifications)
    .where(or(expired, unclaimed))
    .limit(SWEEP_BATCH);
});

/** Ends verifications and voids passes that are over their time: up to {@link SWEEP_BATCH}. */
export function* sweepVerifications(
  tx: Transaction,
  now: number,
): Verb<{ readonly verdicts: number; readonly handled: number }> {
  yield* queueFor('sweep');
  const found = yield* overdue.all({ now, passedBefore: now - BOUNDS.claimSeconds });
  let verdicts = 0;
  for (const { tenant, verification } of [...found].sort(newestFirst)) {
    yield* within({ tenant });
    const row = yield* holdVerification(tenant, verification);
    if (row === undefined || !isOverdue(row, now)) continue;
    if (row.state !== 'done') verdicts += 1;
    yield* settle(tx, row, now);
  }
  return { verdicts, handled: found.length };
}

const before = sql.placeholder('before');
const FORGOTTEN = [
  ({ query, tables: { jtis } }: Dialect) => query.delete(jtis).where(lte(jtis.expiresAt, before)),
  ({ query, tables: { limits } }: Dialect) => query.delete(limits).where(lte(limits.endsAt, before)),
  ({ query, tables: { signInLinks } }: Dialect) =>
    query.delete(signInLinks).where(lte(signInLinks.expiresAt, before)),
  ({ query, tables: { enrolments } }: Dialect) =>
    query.delete(enrolments).where(lte(enrolments.expiresAt, before)),
  ({ query, tables: { passkeyChallenges } }: Dialect) =>
    query.delete(passkeyChallenges).where(lte(passkeyChallenges.expiresAt, before)),
  ({ query, tables: { sessions } }: Dialect) =>
    query.delete(sessions).where(or(lte(sessions.endsAt, before), lte(sessions.idleAt, before))),
].map(command);
const forgetKeys = command(({ query, tables: { idempotencyKeys } }) =>
  query.delete(idempotencyKeys).where(lte(idempotencyKeys.createdAt, before)),
);

/** Forgets what has served. */
export function* sweepRest(tx: Transaction, now: number): Verb<void> {
  yield* queueFor('sweep');
  for (const forget of FORGOTTEN) yield* forget.run({ before: now });
  yield* forgetKeys.run({ before: now - BOUNDS.idempotencySeconds });
  yield* forgetLapsed(tx, now);
}
