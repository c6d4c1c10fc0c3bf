import { and, lte, or, sql } from 'drizzle-orm';
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
  forgetting(({ jtis: table }) => ({ table, key: [table.device, table.jti], at: [table.expiresAt] })),
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
const forgetKeys = forgetting(({ idempotencyKeys: table }) => ({
  table,
  key: [table.tenant, table.caller, table.key],
  at: [table.createdAt],
}));

/** Forgets what has served, up to so much. @returns whether there may be more */
export function* sweepRest(tx: Transaction, now: number, others: Others): Verb<boolean> {
  if (!(yield* takeTurn('sweep', others))) return false;
  const counts = [yield* forgetKeys.count({ before: now - BOUNDS.idempotencySeconds })];
  for (const forget of FORGOTTEN) counts.push(yield* forget.count({ before: now }));
  const lapsed = yield* forgetLapsed(tx, now);
  return counts.some((count) => count === FORGET_BATCH) || lapsed === SWEEP_BATCH;
}
