import { and, eq, lte, or, sql } from 'drizzle-orm';
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Tables } from './dialects.ts';
import {
  command,
  type Others,
  selection,
  type Transaction,
  takeTurn,
  type Verb,
  within,
} from './statement.ts';
import { BOUNDS } from './store.ts';
import { forgetLapsed, jtisUntil, SWEEP_BATCH } from './stored-devices.ts';
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
  others: Others,
): Verb<{ readonly verdicts: number; readonly handled: number }> {
  if (!(yield* takeTurn('sweep', others))) return { verdicts: 0, handled: 0 };
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

/** Rows of each table that one transaction forgets: others wait for SQLite's write lock, and statements have a time limit. */
const FORGET_BATCH = 1_000;

interface Served {
  readonly table: SQLiteTable;
  readonly key: readonly SQLiteColumn[];
  /** When it had served. */
  readonly at: readonly SQLiteColumn[];
}

const before = sql.placeholder('before');

function forgetting(served: (tables: Tables) => Served) {
  return command(({ query, tables }) => {
    const { table, key, at } = served(tables);
    const columns = sql.join([...key], sql`, `);
    const due = or(...at.map((column) => lte(column, before)));
    const some = sql`SELECT ${columns} FROM ${table} WHERE ${due} LIMIT ${sql.raw(String(FORGET_BATCH))}`;
    return query.delete(table).where(sql`(${columns}) IN (${some})`);
  });
}

const FORGOTTEN = [
  forgetting(({ limits: table }) => ({ table, key: [table.tenant, table.key], at: [table.endsAt] })),
  forgetting(({ signInLinks: table }) => ({ table, key: [table.tokenHash], at: [table.expiresAt] })),
  forgetting(({ enrolments: table }) => ({ table, key: [table.tokenHash], at: [table.expiresAt] })),
  forgetting(({ passkeyChallenges: table }) => ({ table, key: [table.device], at: [table.expiresAt] })),
  forgetting(({ sessions: table }) => ({
    table,
    key: [table.sessionHash],
    at: [table.endsAt, table.idleAt],
  })),
];
const forgetJtis = forgetting(({ jtis: table }) => ({
  table,
  key: [table.device, table.jti],
  at: [table.expiresAt],
}));
const forgetKeys = forgetting(({ idempotencyKeys: table }) => ({
  table,
  key: [table.tenant, table.caller, table.key],
  at: [table.createdAt],
}));

const anyJti = selection(({ query, tables: { jtis } }) =>
  query.select({ jti: jtis.jti }).from(jtis).where(lte(jtis.expiresAt, before)).limit(1),
);
const setMark = command(({ query, tables: { epochs } }) =>
  query
    .update(epochs)
    .set({ jtisUntil: sql`${sql.placeholder('jtisUntil')}` })
    .where(eq(epochs.one, 1)),
);
/** The clock of another verifier may be behind by so much. */
const BEHIND_SECONDS = 60;
/** No statement takes as long: those that have not seen a mark are over. */
const MARKED_SECONDS = 60;

/**
 * Says first up to when no jti is good any more, and forgets those the next time: a call that was let in before its jti was
 * used, and stood still until it was forgotten, would find it unused.
 */
function* sweepJtis(now: number): Verb<number> {
  const marked = yield* jtisUntil();
  const until = now - BEHIND_SECONDS;
  if (until - marked < MARKED_SECONDS) return 0;
  const count = yield* forgetJtis.count({ before: marked });
  if (count < FORGET_BATCH && (yield* anyJti.one({ before: until })) !== undefined)
    yield* setMark.run({ jtisUntil: until });
  return count;
}

/** Forgets what has served, up to so much. @returns whether there may be more */
export function* sweepRest(tx: Transaction, now: number, others: Others): Verb<boolean> {
  if (!(yield* takeTurn('sweep', others))) return false;
  const counts = [
    yield* sweepJtis(now),
    yield* forgetKeys.count({ before: now - BOUNDS.idempotencySeconds }),
  ];
  for (const forget of FORGOTTEN) counts.push(yield* forget.count({ before: now }));
  const lapsed = yield* forgetLapsed(tx, now);
  return counts.some((count) => count === FORGET_BATCH) || lapsed === SWEEP_BATCH;
}
