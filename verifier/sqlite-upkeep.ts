import { and, lte, or } from 'drizzle-orm';
import {
  enrolments,
  idempotencyKeys,
  jtis,
  limits,
  passkeyChallenges,
  sessions,
  signInLinks,
  verifications,
} from './schema.ts';
import { SWEEP_BATCH, type Transaction } from './sqlite-database.ts';
import { forgetLapsed } from './sqlite-devices.ts';
import { isOpen, isUnclaimed, settle } from './sqlite-verifications.ts';
import { BOUNDS } from './store.ts';

/** Ends verifications and voids passes that are over their time: up to {@link SWEEP_BATCH}. */
export function sweepVerifications(
  tx: Transaction,
  now: number,
): { readonly verdicts: number; readonly handled: number } {
  const expired = and(isOpen, lte(verifications.expiresAt, now));
  const unclaimed = and(isUnclaimed, lte(verifications.decidedAt, now - BOUNDS.claimSeconds));
  const rows = tx.query.select().from(verifications).where(or(expired, unclaimed)).limit(SWEEP_BATCH).all();
  for (const row of rows) settle(tx, row, now);
  return { verdicts: rows.filter((row) => row.state !== 'done').length, handled: rows.length };
}

/** Forgets what has served. */
export function sweepRest(tx: Transaction, now: number): void {
  const { query } = tx;
  query.delete(jtis).where(lte(jtis.expiresAt, now)).run();
  query.delete(limits).where(lte(limits.endsAt, now)).run();
  query.delete(signInLinks).where(lte(signInLinks.expiresAt, now)).run();
  query.delete(enrolments).where(lte(enrolments.expiresAt, now)).run();
  query.delete(passkeyChallenges).where(lte(passkeyChallenges.expiresAt, now)).run();
  query
    .delete(sessions)
    .where(or(lte(sessions.endsAt, now), lte(sessions.idleAt, now)))
    .run();
  query
    .delete(idempotencyKeys)
    .where(lte(idempotencyKeys.createdAt, now - BOUNDS.idempotencySeconds))
    .run();
  forgetLapsed(tx, undefined, now);
}
