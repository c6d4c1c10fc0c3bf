import { openPostgresStore } from './postgres-store.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { openSqliteThreadStore } from './sqlite-thread.ts';
import type { Store } from './store.ts';
import type { OnVerdict } from './store-writes.ts';
import type { Random } from './token.ts';

/** Where a verifier keeps what it remembers. */
export type StoreLocation =
  /** A SQLite file, made when it is not there: one verifier, one machine. */
  | { readonly file: string }
  /** A PostgreSQL server, by the URL of the verifier's role, whose tables are there (`akashi migrate`); `lookAgainMs`: see NoticesOptions. */
  | { readonly databaseUrl: string; readonly lookAgainMs?: number };

/**
 * @param options.threads whether a thread of its own writes to a SQLite file: for whoever answers calls meanwhile
 * @throws Error when it cannot be had as it must be: see the two stores */
export async function openStore(
  location: StoreLocation,
  random: Random,
  { onVerdict, threads = false }: { readonly onVerdict?: OnVerdict; readonly threads?: boolean } = {},
): Promise<Store> {
  if (!('file' in location)) {
    const { databaseUrl: url, lookAgainMs } = location;
    return openPostgresStore({ url, lookAgainMs, random, onVerdict });
  }
  const open = threads ? openSqliteThreadStore : openSqliteStore;
  return open({ file: location.file, random, onVerdict });
}
