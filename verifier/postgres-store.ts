import { randomBytes } from 'node:crypto';
import { PostgresDatabase, type PostgresOptions } from './postgres-database.ts';
import type { Store } from './store.ts';
import { storeOn } from './store-verbs.ts';
import type { OnVerdict } from './store-writes.ts';

/**
 * The store on a PostgreSQL server, which several verifiers may share. Its tables are made before, by their owner
 * (`akashi migrate`).
 * @throws Error when the server cannot be had, could lose an acknowledged commit, has other tables than this program's,
 * or the role is one that the wall between tenants does not bind
 */
export async function openPostgresStore({
  url,
  random = randomBytes,
  lookAgainMs,
  onVerdict,
}: Pick<PostgresOptions, 'url'> &
  Partial<PostgresOptions> & {
    readonly onVerdict?: OnVerdict | undefined;
  }): Promise<Store> {
  return storeOn(await PostgresDatabase.open({ url, random, lookAgainMs }), onVerdict);
}
