import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Database } from 'better-sqlite3';

/**
 * Brings the tables up to date: applies the files of `migrations/sqlite` that were not applied yet, in the order of
 * their names, all in one transaction that holds the write lock, so that of several processes starting at once one
 * does it and the others find it done.
 * @throws Error when the database knows a migration that is not here, or one whose text was changed since
 */
export function migrate(client: Database): void {
  const files = migrationFiles();
  client
    .transaction(() => {
      client.exec(
        'CREATE TABLE IF NOT EXISTS migrations (name TEXT NOT NULL PRIMARY KEY, hash TEXT NOT NULL) STRICT',
      );
      const applied = client.prepare<[], { name: string; hash: string }>(
        'SELECT name, hash FROM migrations ORDER BY name',
      );
      const done = applied.all();
      for (const [i, { name, hash }] of done.entries()) {
        const file = files[i];
        if (file?.name !== name || file.hash !== hash) {
          throw new Error('the database was made by another version of the migrations');
        }
      }
      const note = client.prepare('INSERT INTO migrations (name, hash) VALUES (?, ?)');
      for (const { name, hash, sql } of files.slice(done.length)) {
        client.exec(sql);
        note.run(name, hash);
      }
    })
    .immediate();
}

function migrationFiles() {
  const folder = migrationFolder();
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => {
      const sql = readFileSync(new URL(name, folder), 'utf8');
      return { name, sql, hash: createHash('sha256').update(sql).digest('hex') };
    });
}

/** Beside the sources; one folder up from `dist`. */
function migrationFolder(): URL {
  for (const path of ['./migrations/sqlite/', '../migrations/sqlite/']) {
    const folder = new URL(path, import.meta.url);
    if (existsSync(folder)) return folder;
  }
  throw new Error('the migrations are not installed');
}
