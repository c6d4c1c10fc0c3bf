import { and, count, desc, eq, gt, gte, or, type SQL, sql } from 'drizzle-orm';
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core';
import { equal } from './audit.ts';
import { idempotencyKeys, verifications, views } from './schema.ts';
import { record, SYSTEM } from './sqlite-audit.ts';
import type { Query, Transaction } from './sqlite-database.ts';
import { inserted, prepared, updated } from './sqlite-statement.ts';
import {
  type Actor,
  BOUNDS,
  type Idempotency,
  type NewVerification,
  type Reuse,
  type Store,
  type VerificationRow,
} from './store.ts';

// The life of a verification, but for what its device does (sqlite-requests.ts, sqlite-attempts.ts) and for claims
// (sqlite-claims.ts). docs/protocol.md, section 7.

export type VerificationRecord = typeof verifications.$inferSelect;

// As text and not as parameters: SQLite chooses an index `WHERE ...` only for a condition that it can read.
export const isOpen = sql`${verifications.state} <> 'done'`;
export const isUnclaimed = sql`${verifications.claim} = 'open'`;
const isLive = sql`(${verifications.state} <> 'done' OR ${verifications.claim} = 'open')`;

/** How many a list holds, and how many seconds it looks back. */
const LIST_LENGTH = 50;
const LIST_SECONDS = 3_600;

// Not RETURNING: with it SQLite looks for rows that refer to the new one, tenant-wide in some tables.
const addVerification = inserted(verifications);
const addIdempotencyKey = inserted(idempotencyKeys);

export function createVerification(
  tx: Transaction,
  verification: NewVerification,
  actor: Actor,
  idempotency: Idempotency | undefined,
  reuse?: Reuse,
): { readonly row: VerificationRow; readonly created: boolean } | 'idempotency_mismatch' {
  const { tenant, startedAt } = verification;
  const before = idempotency && idempotent(tx.query, tenant, idempotency);
  if (idempotency !== undefined && before !== undefined) {
    if (!equal(before.bodyHash, idempotency.bodyHash)) return 'idempotency_mismatch';
    return { row: asRow(known(tx, tenant, before.verification, startedAt)), created: false };
  }
  addVerification(tx.query, {
    ...verification,
    facts: [...verification.facts],
    audience: [...verification.audience],
    alternatives: verification.alternatives?.map((places) => [...places]) ?? null,
    raisedBy: [...verification.raisedBy],
    ...{ state: 'pending', later: false, attemptsUsed: 0, factors: [], claimTries: 0, revision: 1 },
  });
  const made = known(tx, tenant, verification.verification, startedAt);
  if (idempotency !== undefined) {
    const { caller, key, bodyHash } = idempotency;
    const values = { tenant, caller, key, bodyHash, verification: made.verification, createdAt: startedAt };
    addIdempotencyKey(tx.query, values);
  }
  note(tx, made, { actor, at: startedAt, event: 'verification.started', about: aboutStart(made) });
  touch(tx, made);
  const pass =
    reuse && reusablePasses(tx.query, made, startedAt).find((row) => row.verification === reuse.from);
  if (reuse === undefined || pass === undefined) return { row: asRow(made), created: true };
  const { from: reusedFrom, shown, factors } = reuse;
  const passed = decide(
    tx,
    { ...made, device: pass.device },
    {
      ...{ verdict: 'passed', factors: [...factors], shown: [...shown], reusedFrom },
      ...{ actor, at: startedAt },
    },
  );
  return { row: asRow(passed), created: true };
}

const isReusable = sql`${verifications.reusableUntil} IS NOT NULL`;

export function reusablePasses(
  query: Query,
  { tenant, subject, operator, callId }: Parameters<Store['reusablePasses']>[0],
  now: number,
): readonly VerificationRow[] {
  if (callId === null) return [];
  return query
    .select()
    .from(verifications)
    .where(
      and(
        eq(verifications.tenant, tenant),
        eq(verifications.subject, subject),
        isReusable,
        gt(verifications.reusableUntil, now),
      ),
    )
    .orderBy(desc(verifications.decidedAt), desc(verifications.verification))
    .all()
    .filter((row) => row.callId === callId && row.operator === operator)
    .map(asRow);
}

/** From now on none of the subject's passes stands in for another verification, or none of this device. */
export function endReuse(tx: Transaction, tenant: string, subject: string, device?: string): void {
  const all = and(eq(verifications.tenant, tenant), eq(verifications.subject, subject), isReusable);
  tx.query
    .update(verifications)
    .set({ reusableUntil: null })
    .where(device === undefined ? all : and(all, eq(verifications.device, device)))
    .run();
}

// As text: see isOpen.
const isFailure = sql`${verifications.verdict} IN ('failed', 'reported')`;

export function failuresSince(query: Query, tenant: string, subject: string, since: number): number {
  const failed = and(
    eq(verifications.tenant, tenant),
    eq(verifications.subject, subject),
    gt(verifications.decidedAt, since),
    isFailure,
  );
  return query.select({ failures: count() }).from(verifications).where(failed).get()?.failures ?? 0;
}

export function recordRefusedStart(
  tx: Transaction,
  { tenant, subject, lacking }: Parameters<Store['recordRefusedStart']>[0],
  actor: Actor,
  now: number,
): void {
  const event = `verification.no_${lacking}`;
  record(tx, { tenant, at: now, actor, event, about: { subject } });
}

export function cancel(
  tx: Transaction,
  tenant: string,
  verification: string,
  actor: Actor,
  now: number,
): VerificationRow | undefined {
  const row = current(tx, tenant, verification, now);
  if (row === undefined || row.state === 'done') return row && asRow(row);
  return asRow(decide(tx, row, { verdict: 'cancelled', actor, at: now }));
}

const addView = inserted(views, 'stay');

export function recordSeen(
  tx: Transaction,
  tenant: string,
  verification: string,
  operator: string,
  now: number,
): void {
  if (addView(tx.query, { tenant, verification, operator }) === 0) return;
  const actor: Actor = { kind: 'operator', id: operator };
  record(tx, { tenant, at: now, actor, event: 'verdict.seen', about: { verification } });
}

export function operatorList(
  query: Query,
  tenant: string,
  operator: string,
  now: number,
): readonly VerificationRecord[] {
  // The same twice, with each column in turn: so each half has its index.
  const recent = (who: SQLiteColumn) =>
    and(
      eq(verifications.tenant, tenant),
      eq(who, operator),
      gte(verifications.startedAt, now - LIST_SECONDS),
    );
  return query
    .select()
    .from(verifications)
    .where(or(recent(verifications.operator), recent(verifications.claimedBy)))
    .orderBy(desc(verifications.startedAt), desc(verifications.verification))
    .limit(LIST_LENGTH)
    .all();
}

const byId = prepared((query) =>
  query
    .select()
    .from(verifications)
    .where(
      and(
        eq(verifications.tenant, sql.placeholder('tenant')),
        eq(verifications.verification, sql.placeholder('verification')),
      ),
    )
    .prepare(),
);

/** The verification as stored: it may be over its time. */
export function find(query: Query, tenant: string, verification: string): VerificationRecord | undefined {
  return byId(query).get({ tenant, verification });
}

/** The verification after what its time brought: every change begins with this. */
export function current(
  tx: Transaction,
  tenant: string,
  verification: string,
  now: number,
): VerificationRecord | undefined {
  const row = find(tx.query, tenant, verification);
  return row && settle(tx, row, now);
}

/** {@link current} for an id that this store gave out. */
export function known(
  tx: Transaction,
  tenant: string,
  verification: string,
  now: number,
): VerificationRecord {
  const row = current(tx, tenant, verification, now);
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

/** Ends an open verification, or voids an unclaimed pass, that is over its time. */
export function settle(tx: Transaction, row: VerificationRecord, now: number): VerificationRecord {
  if (!isOverdue(row, now)) return row;
  if (row.state === 'done') return voidPass(tx, row, { actor: SYSTEM, at: now, reason: 'expired' });
  return decide(tx, row, { verdict: 'expired', actor: SYSTEM, at: now });
}

/** {@link settle} for rows that were read before this transaction, in their order. */
export function settleAll(
  tx: Transaction,
  rows: readonly VerificationRecord[],
  now: number,
): readonly VerificationRecord[] {
  return rows.map((row) => known(tx, row.tenant, row.verification, now));
}

const update = updated(verifications, verifications.verification);

/** Applies a visible change. */
export function change(
  tx: Transaction,
  row: VerificationRecord,
  values: Partial<VerificationRecord>,
): VerificationRecord {
  const changes = { ...values, revision: row.revision + 1 };
  update(tx.query, row.verification, changes);
  const changed = { ...row, ...changes };
  touch(tx, changed);
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
export function decide(
  tx: Transaction,
  row: VerificationRecord,
  { verdict, factors = [], shown = null, reusedFrom = null, actor, at }: Decision,
): VerificationRecord {
  const { tenant, subject, mode, callId, reuseSeconds } = row;
  // Whoever fails, declines or reports after a pass is not to be taken for the one who passed.
  if (['failed', 'declined', 'reported'].includes(verdict)) endReuse(tx, tenant, subject);
  const fresh = verdict === 'passed' && mode === 'call' && callId !== null && reusedFrom === null;
  const reusableUntil = fresh && reuseSeconds > 0 ? at + reuseSeconds : null;
  const claim = verdict === 'passed' && row.mode === 'precall' ? 'open' : null;
  const decided = change(tx, row, {
    ...{ state: 'done', verdict, factors, decidedAt: at, claim },
    ...{ request: null, attempt: null, attemptNonce: null },
    ...(verdict === 'passed' && { device: row.device, shown, reusedFrom, reusableUntil }),
  });
  const about = { factors, ...(reusedFrom === null ? {} : { reusedFrom }) };
  note(tx, row, { actor, at, event: `verification.${verdict}`, about });
  return decided;
}

const subjectsBy = (fits: SQL) =>
  prepared((query) =>
    query
      .select()
      .from(verifications)
      .where(
        and(
          eq(verifications.tenant, sql.placeholder('tenant')),
          eq(verifications.subject, sql.placeholder('subject')),
          fits,
        ),
      )
      .orderBy(desc(verifications.startedAt), desc(verifications.verification))
      .prepare(),
  );
const subjects = { open: subjectsBy(isOpen), unclaimed: subjectsBy(isUnclaimed), live: subjectsBy(isLive) };

/** The subject's verifications that are open, or passed and unclaimed, or either; newest first, as stored. */
export function ofSubject(
  query: Query,
  tenant: string,
  subject: string,
  which: keyof typeof subjects,
): readonly VerificationRecord[] {
  return subjects[which](query).all({ tenant, subject });
}

/** Voids the subject's unclaimed passes, or those of one of its devices, and lets none stand in for another. Their ids. */
export function voidPasses(
  tx: Transaction,
  tenant: string,
  subject: string,
  { actor, at, device }: { readonly actor: Actor; readonly at: number; readonly device?: string },
): readonly string[] {
  endReuse(tx, tenant, subject, device);
  const reason = device === undefined ? 'reported' : 'device_revoked';
  return ofSubject(tx.query, tenant, subject, 'unclaimed')
    .filter((row) => device === undefined || row.device === device)
    .map((row) => voidPass(tx, row, { actor, at, reason }).verification);
}

export function voidPass(
  tx: Transaction,
  row: VerificationRecord,
  { actor, at, reason }: { readonly actor: Actor; readonly at: number; readonly reason: string },
): VerificationRecord {
  note(tx, row, { actor, at, event: 'claim.voided', about: { reason } });
  return change(tx, row, { claim: 'void' });
}

/** An audit entry about this verification. */
export function note(
  tx: Transaction,
  { tenant, verification, subject }: VerificationRecord,
  entry: {
    readonly actor: Actor;
    readonly at: number;
    readonly event: string;
    readonly about?: Readonly<Record<string, string | number | null | readonly string[]>>;
  },
): void {
  record(tx, { tenant, ...entry, about: { verification, subject, ...entry.about } });
}

export function asRow(row: VerificationRecord): VerificationRow {
  const { attempt, attemptNonce, lastAttempt: _, claimTries: __, ...rest } = row;
  const open = attempt !== null && attemptNonce !== null;
  return { ...rest, attempt: open ? { attempt, nonce: attemptNonce } : null };
}

function idempotent(query: Query, tenant: string, { caller, key }: Idempotency) {
  return query
    .select()
    .from(idempotencyKeys)
    .where(
      and(
        eq(idempotencyKeys.tenant, tenant),
        eq(idempotencyKeys.caller, caller),
        eq(idempotencyKeys.key, key),
      ),
    )
    .get();
}

function aboutStart(row: VerificationRecord) {
  const { policy, policyVersion, purpose, mode, direction, operator, audience } = row;
  const requestHash = Buffer.from(row.requestHash).toString('base64url');
  const transactionHash = row.transactionHash && Buffer.from(row.transactionHash).toString('base64url');
  const asked = { policy, policyVersion, purpose, mode, direction, operator, audience };
  const raisedBy = row.raisedBy.map((place) => `stepUp.${place}`);
  const raised = raisedBy.length === 0 ? {} : { raisedBy };
  const call = row.callId === null ? {} : { call: row.callId };
  return { ...asked, ...raised, ...call, requestHash, transactionHash };
}

function touch(tx: Transaction, { tenant, subject, verification }: VerificationRecord): void {
  tx.touch(`verification:${verification}`);
  tx.touch(`subject:${tenant}:${subject}`);
}
