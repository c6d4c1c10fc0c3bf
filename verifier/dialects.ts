import type { SQL } from 'drizzle-orm';
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { PgSelect } from 'drizzle-orm/pg-core';
import * as postgres from './postgres-schema.ts';
import * as sqlite from './sqlite-schema.ts';

// The one place where drizzle's types of the two databases become one. Its builders have the same methods for both
// (`select`, `insert`, `onConflictDoUpdate`, ...) and make the SQL of each, but their types share no ancestor. So the
// statements (statement.ts) are written against SQLite's, and what is handed to them on PostgreSQL passes for it: the
// tables because the check below compares their rows, the builders because nothing but those common methods is called,
// and because every statement runs on both databases in the contract's tests.

export type Query = BetterSQLite3Database;
export type Tables = typeof sqlite;
type PostgresTables = typeof postgres;

/** What a statement is made from. */
export interface Dialect {
  readonly query: Query;
  readonly tables: Tables;
  /**
   * Holds the rows of this selection for the transaction, in their order: whoever wants them waits, and then sees what
   * this transaction made of them. Not `FOR UPDATE`, which would hold up rows that refer to them. SQLite has one writer.
   */
  readonly locked: <S>(selection: S) => S;
}

export function sqliteDialect(query: BetterSQLite3Database): Dialect {
  return { query, tables: sqlite, locked: (selection) => selection };
}

export function postgresDialect(query: NodePgDatabase): Dialect {
  return {
    query: query as unknown as Query,
    tables: postgres as unknown as Tables,
    locked: <S>(selection: S) => (selection as PgSelect).for('no key update') as S,
  };
}

/** Conditions that drizzle takes alike. */
export type Condition = SQL | undefined;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Unlike = {
  [K in keyof Tables]: K extends keyof PostgresTables
    ? Same<Tables[K]['$inferSelect'], PostgresTables[K]['$inferSelect']> extends true
      ? never
      : K
    : K;
}[keyof Tables];

/** Does not compile unless each table has its like: its message names those that have none. */
const unlike: [Unlike | Exclude<keyof PostgresTables, keyof Tables>] extends [never] ? [] : [Unlike] = [];
void unlike;
