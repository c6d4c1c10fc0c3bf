import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export interface MigrationFile {
  readonly name: string;
  readonly sql: string;
  readonly hash: string;
}

/** What a database notes of a file that was applied to it. */
export type AppliedMigration = Pick<MigrationFile, 'name' | 'hash'>;

/** The files of `migrations/<engine>`, in the order of their names: the order in which they are applied. */
export function migrationFiles(engine: 'sqlite' | 'postgres'): readonly MigrationFile[] {
  const folder = migrationFolder(engine);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => {
      const sql = readFileSync(new URL(name, folder), 'utf8');
      return { name, sql, hash: createHash('sha256').update(sql).digest('hex') };
    });
}

/**
 * Those that are still to be applied.
 * @throws Error when the database knows a migration that is not here, or one whose text was changed since
 */
export function missingMigrations(
  files: readonly MigrationFile[],
  applied: readonly AppliedMigration[],
): readonly MigrationFile[] {
  for (const [i, { name, hash }] of applied.entries()) {
    const file = files[i];
    if (file?.name !== name || file.hash !== hash) {
      throw new Error('the database was made by another version of the migrations');
    }
  }
  return files.slice(applied.length);
}

/** Beside the sources; one folder up from `dist`. */
function migrationFolder(engine: 'sqlite' | 'postgres'): URL {
  for (const path of [`./migrations/${engine}/`, `../migrations/${engine}/`]) {
    const folder = new URL(path, import.meta.url);
    if (existsSync(folder)) return folder;
  }
  throw new Error('the migrations are not installed');
}
