import type { Database } from 'better-sqlite3';
import { type AppliedMigration, migrationFiles, missingMigrations } from './migration-files.ts';

/**
 * Brings the tables up to date: applies the files of `migrations/sqlite` that were not applied yet, in the order of
 * their names, all in one transaction that holds the write lock, so that of several processes starting at once one
 * does it and the others find it done.
 * @throws Error when the database knows a migration that is not here, or one whose text was changed since
 */
export function migrate(client: Database): void {
  const files = migrationFiles('sqlite');
  client
    .transaction(() => {
      client.exec(
        'CREATE TABLE IF NOT EXISTS migrations (name TEXT NOT NULL PRIMARY KEY, hash TEXT NOT NULL) STRICT',
      );
      const applied = client.prepare<[], AppliedMigration>('SELECT name, hash FROM migrations ORDER BY name');
      const note = client.prepare('INSERT INTO migrations (name, hash) VALUES (?, ?)');
      for (const { name, hash, sql } of missingMigrations(files, applied.all())) {
        client.exec(sql);
        note.run(name, hash);
      }
    })
    .immediate();
}
