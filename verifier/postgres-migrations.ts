import pg from 'pg';
import { type AppliedMigration, migrationFiles, missingMigrations } from './migration-files.ts';
import { grantTo } from './postgres-roles.ts';

/** Of the advisory locks of PostgreSQL, which are numbers, the one that migrations are applied under. */
const MIGRATION_LOCK = 0x616b61;

/**
 * Brings the tables up to date as their owner, and gives the verifier's role its rights: all in one transaction, under a
 * lock, so that of several that start at once one does it and the others find it done.
 * @throws Error when the database knows a migration that is not here, or one whose text was changed since
 */
export async function migratePostgres(url: string, role: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query('BEGIN');
    await lockMigrations(client);
    await client.query(
      'CREATE TABLE IF NOT EXISTS migrations (name text COLLATE "C" NOT NULL PRIMARY KEY, hash text NOT NULL)',
    );
    for (const { name, hash, sql } of missingMigrations(migrationFiles('postgres'), await applied(client))) {
      await client.query(sql);
      await client.query('INSERT INTO migrations (name, hash) VALUES ($1, $2)', [name, hash]);
    }
    await grantTo(client, role);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

/** Until the end of the transaction nobody else changes the tables. */
export async function lockMigrations(client: pg.ClientBase): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
}

/** @throws Error when the tables are not those of this program */
export async function checkMigrations(client: pg.ClientBase): Promise<void> {
  const done = await applied(client).catch((cause: unknown) => {
    throw new Error('the database has no tables for this role: run "akashi migrate"', { cause });
  });
  if (missingMigrations(migrationFiles('postgres'), done).length > 0)
    throw new Error('the database is of an earlier version: run "akashi migrate"');
}

async function applied(client: pg.ClientBase): Promise<readonly AppliedMigration[]> {
  return (await client.query<AppliedMigration>('SELECT name, hash FROM migrations ORDER BY name')).rows;
}
