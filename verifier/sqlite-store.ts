import { randomBytes } from 'node:crypto';
import { SqliteDatabase, type SqliteOptions } from './sqlite-database.ts';
import type { Store } from './store.ts';
import { storeOn } from './store-verbs.ts';
import type { OnVerdict } from './store-writes.ts';

/**
 * The store on one SQLite file, for one machine: several processes may open it, but `subscribe` hears only changes
 * made through the same store.
 * @throws Error when the file cannot be opened, is of another version, or does not hold WAL with `synchronous=FULL`
 */
export function openSqliteStore({
  file,
  random = randomBytes,
  onVerdict,
}: Pick<SqliteOptions, 'file'> &
  Partial<SqliteOptions> & {
    readonly onVerdict?: OnVerdict | undefined;
  }): Store {
  return storeOn(new SqliteDatabase({ file, random }), onVerdict);
}
