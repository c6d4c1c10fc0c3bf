import { and, desc, eq, gte, or, type SQL, sql } from 'drizzle-orm';
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core';
import type { Dialect, Tables } from './dialects.ts';
import type { Actor, VerificationRow } from './records.ts';
import { command, insertedOnce, selection, type Transaction, updated, type Verb } from './statement.ts';
import { BOUNDS } from './store.ts';
import { record, SYSTEM } from './stored-audit.ts';

// The life of a verification, but for its start (stored-starts.ts), what its device does (stored-requests.ts, stored-attempts.ts) and claims
// (stored-claims.ts). docs/protocol.md, section 7. Who changes one holds it, after its device; who changes several of a
// subject holds them from the newest to the oldest.

export type VerificationRecord = Tables['verifications']['$inferSelect'];

// As text and not as parameters: SQLite chooses an index `WHERE ...` only for a condition that it can read.
export const isOpen = ({ verifications }: Tables) => sql`${verifications.state} <> 'done'`;
export const isUnclaimed = ({ verifications }: Tables) => sql`${verifications.claim} = 'open'`;
const isLive = ({ verifications }: Tables) =>
  sql`(${verifications.state} <> 'done' OR ${verifications.claim} = 'open')`;

/** How many a list holds, and how many seconds it looks back. */
const LIST_LENGTH = 50;
const LIST_SECONDS = 3_600;

// As text: see isOpen.
export const hasReuse = ({ verifications }: Tables) => sql`${verifications.reusableUntil} IS NOT NULL`;
const endReuseOf = (ofDevice: boolean) =>
  command(({ query, tables: { verifications, ...tables } }) =>
    query
      .update(verifications)
      .set({ reusableUntil: null })
      .where(
        and(
          eq(verifications.tenant, sql.placeholder('tenant')),
          eq(verifications.subject, sql.placeholder('subject')),
          hasReuse({ verifications, ...tables }),
          ofDevice ? eq(verifications.device, sql.placeholder('device')) : undefined,
        ),
      ),
  );
const [endAllReuse, endDeviceReuse] = [endReuseOf(false), endReuseOf(true)];

/** From now on none of the subject's passes stands in for another verification, or none of this device. */
export function* endReuse(tenant: string, subject: string, device?: string): Verb<void> {
  if (device === undefined) yield* endAllReuse.run({ tenant, subject });
  else yield* endDeviceReuse.run({ tenant, subject, device });
}

export function* cancel(
  tx: Transaction,
  tenant: string,
  verification: string,
  actor: Actor,
  now: number,
): Verb<VerificationRow | undefined> {
  const row = yield* current(tx, tenant, verification, now);
  if (row === undefined || row.state === 'done') return row && asRow(row);
  return asRow(yield* decide(tx, row, { verdict: 'cancelled', actor, at: now }));
}

const addView = insertedOnce((tables) => tables.views);

export function* recordSeen(
  tx: Transaction,
  tenant: string,
  verification: string,
  operator: string,
  now: number,
): Verb<void> {
  if ((yield* addView({ tenant, verification, operator })) === 0) return;
  const actor: Actor = { kind: 'operator', id: operator };
  yield* record(tx, { tenant, at: now, actor, event: 'verdict.seen', about: { verification } });
}

const recentOf = selection(({ query, tables: { verifications } }) => {
  // The same twice, with each column in turn: so each half has its index.
  const recent = (who: SQLiteColumn) =>
    and(
      eq(verifications.tenant, sql.placeholder('tenant')),
      eq(who, sql.placeholder('operator')),
      gte(verifications.startedAt, sql.placeholder('since')),
    );
  return query
    .select()
    .from(verifications)
    .where(or(recent(verifications.operator), recent(verifications.claimedBy)))
    .orderBy(desc(verifications.startedAt), desc(verifications.verification))
    .limit(LIST_LENGTH);
});

export function operatorList(
  tenant: string,
  operator: string,
  now: number,
): Verb<readonly VerificationRecord[]> {
  return recentOf.all({ tenant, operator, since: now - LIST_SECONDS });
}

const verificationOf = ({ query, tables: { verifications } }: Dialect) =>
  query
    .select()
    .from(verifications)
    .where(
      and(
        eq(verifications.tenant, sql.placeholder('tenant')),
        eq(verifications.verification, sql.placeholder('verification')),
      ),
    );
const byId = selection(verificationOf);
const heldById = selection((dialect) => dialect.locked(verificationOf(dialect)));

/** The verification as stored: it may be over its time. */
export function find(tenant: string, verification: string): Verb<VerificationRecord | undefined> {
  return byId.one({ tenant, verification });
}

/** The verification as stored, held. */
export function holdVerification(tenant: string, verification: string): Verb<VerificationRecord | undefined> {
  return heldById.one({ tenant, verification });
}

/** The verification, held, after what its time brought: every change begins with this. */
export function* current(
  tx: Transaction,
  tenant: string,
  verification: string,
  now: number,
): Verb<VerificationRecord | undefined> {
  const row = yield* holdVerification(tenant, verification);
  return row && (yield* settle(tx, row, now));
}

/** {@link current} for an id that this store gave out. */
export function* known(
  tx: Transaction,
  tenant: string,
  verification: string,
  now: number,
): Verb<VerificationRecord> {
  const row = yield* current(tx, tenant, verification, now);
  if (row === undefined) throw new Error('a verification that was given out is gone');
  return row;
}

/** Whether the time of an open verification, or of an unclaimed pass, is over. */
export function isOverdue(
  row: Pick<VerificationRow, 'state' | 'expiresAt' | 'claim' | 'decidedAt'>,
  now: number,
) {
  if (row.state !== 'done') return row.expiresAt <= now;
  return row.claim === 'open' && row.decidedAt !== null && row.decidedAt + BOUNDS.claimSeconds <= now;
}

/** Ends an open verification, or voids an unclaimed pass, that is over its time and held. */
export function* settle(tx: Transaction, row: VerificationRecord, now: number): Verb<VerificationRecord> {
  if (!isOverdue(row, now)) return row;
  if (row.state === 'done') return yield* voidPass(tx, row, { actor: SYSTEM, at: now, reason: 'expired' });
  return yield* decide(tx, row, { verdict: 'expired', actor: SYSTEM, at: now });
}

/** The order in which several verifications are held. */
export function newestFirst(
  a: Pick<VerificationRow, 'startedAt' | 'verification'>,
  b: Pick<VerificationRow, 'startedAt' | 'verification'>,
): number {
  return b.startedAt - a.startedAt || (a.verification < b.verification ? 1 : -1);
}

/** {@link settle} for rows that were read before this transaction, in their order: from the newest to the oldest. */
export function* settleAll(
  tx: Transaction,
  tenant: string,
  rows: readonly VerificationRecord[],
  now: number,
): Verb<readonly VerificationRecord[]> {
  const settled: VerificationRecord[] = [];
  for (const { verification } of rows) settled.push(yield* known(tx, tenant, verification, now));
  return settled;
}

const update = updated(
  (tables) => tables.verifications,
  (tables) => tables.verifications.verification,
);

/** What desks are not shown: who watches a verification is not told when nothing else of it changes. */
const UNSHOWN = new Set(['attempt', 'attemptNonce', 'attemptsUsed', 'lastAttempt', 'claimTries', 'revision']);

/** Applies a visible change to a row that is held. */
export function* change(
  tx: Transaction,
  row: VerificationRecord,
  values: Partial<VerificationRecord>,
): Verb<VerificationRecord> {
  const changes = { ...values, revision: row.revision + 1 };
  yield* update(row.verification, changes);
  const changed = { ...row, ...changes };
  if (!Object.keys(changes).every((name) => UNSHOWN.has(name))) tellDesks(tx, changed);
  tellPhones(tx, changed);
  return changed;
}

export interface Decision {
  readonly verdict: NonNullable<VerificationRecord['verdict']>;
  readonly factors?: VerificationRecord['factors'];
  /** Of a pass. */
  readonly shown?: VerificationRecord['shown'];
  readonly reusedFrom?: string | null;
  readonly actor: Actor;
  readonly at: number;
}

/** Sets the verdict and erases the request, both or neither. */
export function* decide(
  tx: Transaction,
  row: VerificationRecord,
  { verdict, factors = [], shown = null, reusedFrom = null, actor, at }: Decision,
): Verb<VerificationRecord> {
  const { tenant, subject, mode, callId, reuseSeconds } = row;
  // Whoever fails, declines or reports after a pass is not to be taken for the one who passed.
  if (['failed', 'declined', 'reported'].includes(verdict)) yield* endReuse(tenant, subject);
  const fresh = verdict === 'passed' && mode === 'call' && callId !== null && reusedFrom === null;
  const reusableUntil = fresh && reuseSeconds > 0 ? at + reuseSeconds : null;
  const claim = verdict === 'passed' && row.mode === 'precall' ? 'open' : null;
  const decided = yield* change(tx, row, {
    ...{ state: 'done', verdict, factors, decidedAt: at, claim },
    ...{ request: null, attempt: null, attemptNonce: null },
    ...(verdict === 'passed' && { device: row.device, shown, reusedFrom, reusableUntil }),
  });
  const about = { factors, ...(reusedFrom === null ? {} : { reusedFrom }) };
  yield* note(tx, row, { actor, at, event: `verification.${verdict}`, about });
  tx.decided({ tenant, policy: row.policy, verdict });
  return decided;
}

/** Rows of a subject that fit, newest first. */
export const subjectsBy =
  (fits: (tables: Tables) => SQL) =>
  ({ query, tables }: Dialect) =>
    query
      .select()
      .from(tables.verifications)
      .where(
        and(
          eq(tables.verifications.tenant, sql.placeholder('tenant')),
          eq(tables.verifications.subject, sql.placeholder('subject')),
          fits(tables),
        ),
      )
      .orderBy(desc(tables.verifications.startedAt), desc(tables.verifications.verification));
const liveOf = selection(subjectsBy(isLive));
const held = {
  unclaimed: selection((dialect) => dialect.locked(subjectsBy(isUnclaimed)(dialect))),
  live: selection((dialect) => dialect.locked(subjectsBy(isLive)(dialect))),
};

/** The subject's verifications that are open, or passed and unclaimed; newest first, as stored. */
export function ofSubject(tenant: string, subject: string): Verb<readonly VerificationRecord[]> {
  return liveOf.all({ tenant, subject });
}

/** Those that are open or unclaimed (`live`), or the latter alone, held; newest first, as stored. */
export function holdOfSubject(
  tenant: string,
  subject: string,
  which: keyof typeof held,
): Verb<readonly VerificationRecord[]> {
  return held[which].all({ tenant, subject });
}

/**
 * Voids the subject's unclaimed passes, or those of one of its devices, and lets none stand in for another. Their ids.
 */
export function* voidPasses(
  tx: Transaction,
  tenant: string,
  subject: string,
  { actor, at, device }: { readonly actor: Actor; readonly at: number; readonly device?: string },
): Verb<readonly string[]> {
  yield* endReuse(tenant, subject, device);
  const reason = device === undefined ? 'reported' : 'device_revoked';
  const voided: string[] = [];
  for (const row of yield* holdOfSubject(tenant, subject, 'unclaimed')) {
    if (device !== undefined && row.device !== device) continue;
    voided.push((yield* voidPass(tx, row, { actor, at, reason })).verification);
  }
  return voided;
}

export function* voidPass(
  tx: Transaction,
  row: VerificationRecord,
  { actor, at, reason }: { readonly actor: Actor; readonly at: number; readonly reason: string },
): Verb<VerificationRecord> {
  yield* note(tx, row, { actor, at, event: 'claim.voided', about: { reason } });
  return yield* change(tx, row, { claim: 'void' });
}

/** An audit entry about this verification. */
export function* note(
  tx: Transaction,
  { tenant, verification, subject }: VerificationRecord,
  entry: {
    readonly actor: Actor;
    readonly at: number;
    readonly event: string;
    readonly about?: Readonly<Record<string, string | number | null | readonly string[]>>;
  },
): Verb<void> {
  yield* record(tx, { tenant, ...entry, about: { verification, subject, ...entry.about } });
}

export function asRow(row: VerificationRecord): VerificationRow {
  const { attempt, attemptNonce, lastAttempt: _, claimTries: __, ...rest } = row;
  const open = attempt !== null && attemptNonce !== null;
  return { ...rest, attempt: open ? { attempt, nonce: attemptNonce } : null };
}

export function tellDesks(tx: Transaction, { verification }: VerificationRecord): void {
  tx.touch(`verification:${verification}`);
}

export function tellPhones(tx: Transaction, { tenant, subject }: VerificationRecord): void {
  tx.touch(`subject:${tenant}:${subject}`);
}
