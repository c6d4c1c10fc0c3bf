import { eq, sql } from 'drizzle-orm';
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Dialect } from './dialects.ts';
import type { SetVerdict } from './instruments.ts';

// Verbs are written once for both databases: as generators that yield each statement and are given its answer. What
// runs them (sqlite-database.ts, postgres-database.ts) does so at once, since nothing may await inside a SQLite
// transaction, or waits for the server, where there is something to wait for. Statements are constants: each is built once, and
// compiled once by each connection, since that takes longer than running it. What varies is a `sql.placeholder`.

export type Values = Readonly<Record<string, unknown>>;

/** A statement as drizzle builds it, before a database has prepared it. */
export interface Statement {
  readonly make: (dialect: Dialect) => unknown;
}

/**
 * For whom the statements that follow are: rows of other tenants are then out of their reach, whatever they ask for.
 * `key` opens what is found by something secret or global before its tenant is known (the hash of a token or key, a
 * thumbprint, an origin): rows with exactly that, and no others. A wall of PostgreSQL (its row-level security) behind the
 * conditions of each statement, which SQLite does not have.
 */
export type Scope = { readonly tenant: string } | { readonly key: Uint8Array | string } | 'upkeep';

/** What a verb asks of its database. */
export type Step =
  | { readonly ask: 'one' | 'all' | 'count' | 'none'; readonly statement: Statement; readonly values: Values }
  | { readonly ask: 'scope'; readonly scope: Scope }
  | { readonly ask: 'together'; readonly steps: readonly Step[] }
  | { readonly ask: 'queue'; readonly line: string }
  | { readonly ask: 'next'; readonly line: string };

export type Verb<R> = Generator<Step, R, unknown>;

/** What a database gives a verb that changes something. */
export interface Writing {
  /** Bytes for the ids of audit entries. */
  readonly random: (length: number) => Uint8Array;
  /** Listeners of the topic are called after the commit. */
  touch(topic: string): void;
}

/** What a verb that changes something is given. */
export interface Transaction extends Writing {
  /** Told to the instruments after the commit. */
  decided(verdict: SetVerdict): void;
}

/** Rows of a SELECT or a RETURNING. */
export interface Selection<R> {
  /** The first row. */
  one(values?: Values): Verb<R | undefined>;
  all(values?: Values): Verb<readonly R[]>;
}

/** A statement that gives no rows. */
export interface Command {
  /** Its verb does not wait for it: when it fails, so does the transaction. */
  run(values?: Values): Verb<void>;
  /** How many rows were written. */
  count(values?: Values): Verb<number>;
}

// What a step is answered with is what its statement says: the drivers hold to that, so these casts are the only ones.

export function selection<R>(
  make: (dialect: Dialect) => { prepare(): { all(values?: Record<string, unknown>): R[] } },
): Selection<R> {
  const statement: Statement = { make };
  return {
    *one(values = {}) {
      return (yield { ask: 'one', statement, values }) as R | undefined;
    },
    *all(values = {}) {
      return (yield { ask: 'all', statement, values }) as readonly R[];
    },
  };
}

export function command(make: (dialect: Dialect) => { prepare(): { run(): unknown } }): Command {
  const statement: Statement = { make };
  return {
    *run(values = {}) {
      yield { ask: 'none', statement, values };
    },
    *count(values = {}) {
      return (yield { ask: 'count', statement, values }) as number;
    },
  };
}

/** What follows is in this scope. The scope of a verb's beginning is set where it is bound (store-verbs.ts, store-writes.ts). */
export function* within(scope: Scope): Verb<void> {
  yield { ask: 'scope', scope };
}

type Results<V extends readonly Verb<unknown>[]> = {
  -readonly [I in keyof V]: V[I] extends Verb<infer R> ? R : never;
};

/** Verbs of one statement each, none of which needs what another one finds: run in this order, and waited for once. */
export function* together<V extends readonly Verb<unknown>[]>(...verbs: V): Verb<Results<V>> {
  const steps = verbs.map((verb) => {
    const first = verb.next();
    if (first.done) throw new TypeError('a statement each');
    return first.value;
  });
  const answers = (yield { ask: 'together', steps }) as readonly unknown[];
  const results = verbs.map((verb, i) => {
    const end = verb.next(answers[i]);
    if (!end.done) throw new TypeError('one statement each');
    return end.value;
  });
  return results as Results<V>;
}

/**
 * Waits for the transactions that queued for the same thing before. For what has no row to lock yet; SQLite's
 * transactions queue for everything.
 */
export function* queueFor(line: string): Verb<void> {
  yield { ask: 'queue', line };
}

/** What a verifier does while another one does the same piece of upkeep: it waits and does what is left, or leaves it. */
export type Others = 'wait' | 'leave';

/** {@link queueFor}, and whether it is this one's turn now. */
export function* takeTurn(line: string, others: Others): Verb<boolean> {
  if (others === 'leave') return (yield { ask: 'next', line }) as boolean;
  yield* queueFor(line);
  return true;
}

/**
 * One statement for each set of columns that is written. A null is written as such: drizzle hands a placeholder's value
 * to the column's encoder, which does not expect one.
 */
function writing<V extends object>(
  make: (dialect: Dialect, values: Values) => { prepare(): { run(): unknown } },
): (values: V) => Command {
  const commands = new Map<string, Command>();
  return (values) => {
    const columns = Object.entries(values).filter(([, value]) => value !== undefined);
    const shape = columns.map(([name, value]) => (value === null ? `${name}=null` : name)).join();
    let statement = commands.get(shape);
    if (statement === undefined) {
      const marked = columns.map(([name, value]) => [name, value === null ? null : sql.placeholder(name)]);
      statement = command((dialect) => make(dialect, Object.fromEntries(marked)));
      commands.set(shape, statement);
    }
    return statement;
  };
}

type TableOf<T extends SQLiteTable> = (tables: Dialect['tables']) => T;

/** Adds a row. */
export function inserted<T extends SQLiteTable>(table: TableOf<T>) {
  const write = writing<T['$inferInsert']>(({ query, tables }, values) =>
    query.insert(table(tables)).values(values as T['$inferInsert']),
  );
  return (values: T['$inferInsert']): Verb<void> => write(values).run(values as Values);
}

/** Adds a row where none with the same key stands: how many, 1 or 0. */
export function insertedOnce<T extends SQLiteTable>(table: TableOf<T>) {
  const write = writing<T['$inferInsert']>(({ query, tables }, values) =>
    query
      .insert(table(tables))
      .values(values as T['$inferInsert'])
      .onConflictDoNothing(),
  );
  return (values: T['$inferInsert']): Verb<number> => write(values).count(values as Values);
}

/** Changes the row with this id. */
export function updated<T extends SQLiteTable>(
  table: TableOf<T>,
  id: (tables: Dialect['tables']) => SQLiteColumn,
) {
  const write = writing<Partial<T['$inferSelect']>>(({ query, tables }, values) =>
    query
      .update(table(tables))
      .set(values)
      .where(eq(id(tables), sql.placeholder('id'))),
  );
  return (row: string | number | Uint8Array, values: Partial<T['$inferSelect']>): Verb<void> =>
    write(values).run({ ...values, id: row });
}
