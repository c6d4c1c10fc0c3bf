import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporary } from '../verifier/folder-fixtures.ts';
import { startPostgres } from '../verifier/postgres-server.ts';
import { listedSecrets, RUN_FOLDER, secretsFile, tracesFolder } from './run.ts';
import { filesBelow, searchFolder } from './search.ts';

// Around the whole run of the tests: makes its folder (databases in memory where there is room), starts a PostgreSQL server, and at the end looks through every database, log, metric and
// span in it for the PINs, account numbers, holder secrets, codes and tokens that the tests used, and through what is no database for ids as
// well. A find fails the run, and the folder stays.

export async function setup(): Promise<() => Promise<void>> {
  const out = fileURLToPath(new URL('../out/', import.meta.url));
  mkdirSync(out, { recursive: true });
  const run = mkdtempSync(join(out, 'test-run-'));
  const traces = mkdtempSync(join(temporary(), 'akashi-traces-'));
  symlinkSync(traces, tracesFolder(run));
  writeFileSync(secretsFile(run), '', { mode: 0o600 });
  process.env[RUN_FOLDER] = run;
  const stopPostgres = await startPostgres();
  return async () => {
    await stopPostgres();
    const secrets = listedSecrets(run);
    const files = filesBelow(tracesFolder(run));
    const finds = searchFolder(tracesFolder(run), secrets);
    if (finds.length > 0) {
      // An error thrown here would be printed, and the run still be called a success.
      console.error(`${finds.length} secrets found in what the tests left behind, in ${run}:`, finds);
      process.exitCode = 1;
      return;
    }
    console.log(
      `No trace of ${secrets.length} secrets in ${files.length} databases, logs, metrics and spans of this run.`,
    );
    for (const folder of [run, traces]) rmSync(folder, { recursive: true });
  };
}
