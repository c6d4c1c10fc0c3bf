import { and, count, eq, gt, sql } from 'drizzle-orm';
import { equal } from './audit.ts';
import type { Actor, Idempotency, NewVerification, Reuse, VerificationRow } from './records.ts';
import { inserted, queueFor, selection, type Transaction, type Verb } from './statement.ts';
import type { Store } from './store.ts';
import { record } from './stored-audit.ts';
import {
  asRow,
  decide,
  hasReuse,
  known,
  note,
  subjectsBy,
  tellDesks,
  tellPhones,
  type VerificationRecord,
} from './stored-verifications.ts';

// How a verification starts, and what is looked up for it: passes of the same call that may stand in, failures before.

// Not RETURNING: with it SQLite looks for rows that refer to the new one, tenant-wide in some tables.
const addVerification = inserted((tables) => tables.verifications);
const addIdempotencyKey = inserted((tables) => tables.idempotencyKeys);

export function* createVerification(
  tx: Transaction,
  verification: NewVerification,
  actor: Actor,
  idempotency: Idempotency | undefined,
  reuse?: Reuse,
): Verb<{ readonly row: VerificationRow; readonly created: boolean } | 'idempotency_mismatch'> {
  const { tenant, startedAt } = verification;
  if (idempotency !== undefined)
    yield* queueFor(`start ${JSON.stringify([tenant, idempotency.caller, idempotency.key])}`);
  const before = idempotency && (yield* idempotent(tenant, idempotency));
  if (idempotency !== undefined && before !== undefined) {
    if (!equal(before.bodyHash, idempotency.bodyHash)) return 'idempotency_mismatch';
    return { row: asRow(yield* known(tx, tenant, before.verification, startedAt)), created: false };
  }
  const made = newRecord(verification);
  yield* addVerification(made);
  if (idempotency !== undefined) {
    const { caller, key, bodyHash } = idempotency;
    const values = { tenant, caller, key, bodyHash, verification: made.verification, createdAt: startedAt };
    yield* addIdempotencyKey(values);
  }
  yield* note(tx, made, { actor, at: startedAt, event: 'verification.started', about: aboutStart(made) });
  tellDesks(tx, made);
  tellPhones(tx, made);
  if (reuse === undefined) return { row: asRow(made), created: true };
  // Held, so that nothing ends its reuse meanwhile.
  const passes = yield* heldReusable.all({ tenant, subject: made.subject, now: startedAt });
  const pass = passes.find((row) => row.verification === reuse.from && isOfCall(row, made));
  if (pass === undefined) return { row: asRow(made), created: true };
  const { from: reusedFrom, shown, factors } = reuse;
  const passed = yield* decide(
    tx,
    { ...made, device: pass.device },
    {
      ...{ verdict: 'passed', factors: [...factors], shown: [...shown], reusedFrom },
      ...{ actor, at: startedAt },
    },
  );
  return { row: asRow(passed), created: true };
}

function newRecord(verification: NewVerification): VerificationRecord {
  return {
    ...verification,
    facts: [...verification.facts],
    audience: [...verification.audience],
    alternatives: verification.alternatives?.map((places) => [...places]) ?? null,
    raisedBy: [...verification.raisedBy],
    ...{ state: 'pending', later: false, device: null, attemptsUsed: 0, claimTries: 0, revision: 1 },
    ...{ attempt: null, attemptNonce: null, lastAttempt: null },
    ...{ verdict: null, decidedAt: null, factors: [], shown: null, claim: null, claimedBy: null },
    ...{ reusedFrom: null, reusableUntil: null },
  };
}

const reusableOf = subjectsBy(
  (tables) => sql`${hasReuse(tables)} AND ${gt(tables.verifications.reusableUntil, sql.placeholder('now'))}`,
);
const reusable = selection(reusableOf);
const heldReusable = selection((dialect) => dialect.locked(reusableOf(dialect)));

function isOfCall(
  row: VerificationRecord,
  { operator, callId }: Pick<NewVerification, 'operator' | 'callId'>,
): boolean {
  return callId !== null && row.callId === callId && row.operator === operator;
}

export function* reusablePasses(
  { tenant, subject, operator, callId }: Parameters<Store['reusablePasses']>[0],
  now: number,
): Verb<readonly VerificationRow[]> {
  const rows = yield* reusable.all({ tenant, subject, now });
  const fits = rows.filter((row) => isOfCall(row, { operator, callId }));
  return fits.sort((a, b) => (b.decidedAt ?? 0) - (a.decidedAt ?? 0)).map(asRow);
}

const failuresOf = selection(({ query, tables: { verifications } }) =>
  query
    .select({ failures: count() })
    .from(verifications)
    .where(
      and(
        eq(verifications.tenant, sql.placeholder('tenant')),
        eq(verifications.subject, sql.placeholder('subject')),
        gt(verifications.decidedAt, sql.placeholder('since')),
        // As text: see isOpen.
        sql`${verifications.verdict} IN ('failed', 'reported')`,
      ),
    ),
);

export function* failuresSince(tenant: string, subject: string, since: number): Verb<number> {
  return (yield* failuresOf.one({ tenant, subject, since }))?.failures ?? 0;
}

export function* recordRefusedStart(
  tx: Transaction,
  { tenant, subject, lacking }: Parameters<Store['recordRefusedStart']>[0],
  actor: Actor,
  now: number,
): Verb<void> {
  const event = `verification.no_${lacking}`;
  yield* record(tx, { tenant, at: now, actor, event, about: { subject } });
}

const idempotencyKey = selection(({ query, tables: { idempotencyKeys } }) =>
  query
    .select()
    .from(idempotencyKeys)
    .where(
      and(
        eq(idempotencyKeys.tenant, sql.placeholder('tenant')),
        eq(idempotencyKeys.caller, sql.placeholder('caller')),
        eq(idempotencyKeys.key, sql.placeholder('key')),
      ),
    ),
);

function idempotent(tenant: string, { caller, key }: Idempotency) {
  return idempotencyKey.one({ tenant, caller, key });
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
