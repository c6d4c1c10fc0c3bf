import { eq, type SQL, sql } from 'drizzle-orm';
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Query } from './sqlite-database.ts';

// Statements that are made once for each connection: building and compiling one takes longer than running it.

/** What `make` gives, made once. What varies is a `sql.placeholder`, in conditions only: see {@link inserted}. */
export function prepared<P>(make: (query: Query) => P): (query: Query) => P {
  const made = new WeakMap<Query, P>();
  return (query) => {
    let statement = made.get(query);
    if (statement === undefined) {
      statement = make(query);
      made.set(query, statement);
    }
    return statement;
  };
}

/** How many rows were written: none where one with the same key stood, and was to stay. */
type Run = (values: Readonly<Record<string, unknown>>) => number;

/**
 * One statement for each set of columns that is written. A null is written as such: drizzle hands a placeholder's value
 * to the column's encoder, which does not expect one.
 */
function preparedWrite<V extends object>(
  make: (query: Query, values: Readonly<Record<string, unknown>>) => Run,
): (query: Query, values: V, named: Readonly<Record<string, unknown>>) => number {
  const statements = prepared(() => new Map<string, Run>());
  return (query, values, named) => {
    const columns = Object.entries(values).filter(([, value]) => value !== undefined);
    const shape = columns.map(([name, value]) => (value === null ? `${name}=null` : name)).join();
    let run = statements(query).get(shape);
    if (run === undefined) {
      const marked = columns.map(([name, value]) => [name, value === null ? null : sql.placeholder(name)]);
      run = make(query, Object.fromEntries(marked));
      statements(query).set(shape, run);
    }
    return run({ ...values, ...named });
  };
}

/** Adds a row. @param onConflict `stay`: a row with the same key stays as it is, and 0 rows were written */
export function inserted<T extends SQLiteTable>(table: T, onConflict?: 'stay') {
  const write = preparedWrite<T['$inferInsert']>((query, values) => {
    const insert = query.insert(table).values(values as T['$inferInsert']);
    const statement = (onConflict === 'stay' ? insert.onConflictDoNothing() : insert).prepare();
    return (named) => statement.run(named).changes;
  });
  return (query: Query, values: T['$inferInsert']): number => write(query, values, {});
}

/** Changes the row with this id. */
export function updated<T extends SQLiteTable>(table: T, id: SQLiteColumn) {
  const here: SQL = eq(id, sql.placeholder('id'));
  const write = preparedWrite<Partial<T['$inferSelect']>>((query, values) => {
    const statement = query.update(table).set(values).where(here).prepare();
    return (named) => statement.run(named).changes;
  });
  return (query: Query, row: string | number | Uint8Array, values: Partial<T['$inferSelect']>): number =>
    write(query, values, { id: row });
}
