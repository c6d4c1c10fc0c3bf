import Client, { type Database as SqliteClient } from 'better-sqlite3';
import { getTableColumns, getTableName } from 'drizzle-orm';
import pg from 'pg';
import { type AuditHead, auditOrigin, equal, verifyAudit } from './audit.ts';
import { ConfigurationError, databaseSetting, type Flags } from './configuration.ts';
import { checkMigrations, lockMigrations } from './postgres-migrations.ts';
import * as schema from './sqlite-schema.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { CommandContext } from './start-command.ts';

// `akashi move --from FILE --database-url OWNER`: everything, in one transaction, and the audit's chains checked on both
// sides. The file stays as it was: a verifier that is started on it again would know nothing of what came after.

/** In this order no row comes before one that it refers to. */
const TABLES = [
  ...[
    schema.tenants,
    schema.epochs,
    schema.origins,
    schema.apiKeys,
    schema.issuers,
    schema.issuerSources,
    schema.retention,
    schema.policies,
  ],
  ...[
    schema.operators,
    schema.signInLinks,
    schema.sessions,
    schema.limits,
    schema.enrolments,
    schema.devices,
  ],
  ...[schema.passkeys, schema.passkeyChallenges, schema.jtis, schema.verifications, schema.idempotencyKeys],
  ...[schema.views, schema.auditEntries, schema.auditHeads, schema.auditCuts],
] as const;

const ROWS_AT_ONCE = 500;

/** An entry as both databases give it, by the columns' names. */
interface AuditRow {
  readonly tenant: string;
  readonly id: string;
  readonly at: number | string;
  readonly content: string;
  readonly hash: Buffer;
  readonly seq: number | string;
  readonly link: Buffer;
}

/** @throws Error when the file is in use, the database is not empty or of another version; AuditBroken */
export async function moveCommand(flags: Flags, { env, random, out }: CommandContext): Promise<void> {
  const { from: file } = flags;
  if (typeof file !== 'string') throw new ConfigurationError('--from is missing');
  const location = databaseSetting({ ...flags, database: undefined }, { ...env, AKASHI_DATABASE: undefined });
  if (!('databaseUrl' in location)) throw new ConfigurationError('set AKASHI_DATABASE_URL or --database-url');
  openAlone(file).close();
  // Brings the file up to date and links what is not linked yet: only SQLite sees that an entry is missing there.
  const store = openSqliteStore({ file, random });
  try {
    while ((await store.linkAudit()) > 0);
  } finally {
    await store.close();
  }
  const source = openAlone(file);
  const target = new pg.Client({ connectionString: location.databaseUrl });
  try {
    await target.connect();
    await target.query('BEGIN');
    for (const [name, rows] of await moveTables(source, target)) out(`${name} ${rows}`);
    await target.query('COMMIT');
  } finally {
    source.close();
    await target.end();
  }
}

/** @throws Error when somebody else has the file open */
function openAlone(file: string): SqliteClient {
  const client = new Client(file, { fileMustExist: true, timeout: 0 });
  try {
    client.pragma('locking_mode = EXCLUSIVE');
    client.exec('BEGIN EXCLUSIVE; COMMIT');
    return client;
  } catch (cause) {
    client.close();
    throw new Error('the file is in use: stop the verifier first', { cause });
  }
}

/** The names of the tables, and how many rows each has now. */
async function moveTables(source: SqliteClient, target: pg.Client): Promise<Map<string, number>> {
  await lockMigrations(target);
  await checkMigrations(target);
  const names = TABLES.map(getTableName);
  // Which also keeps everybody else out until the end.
  for (const name of names) await target.query(`ALTER TABLE ${name} NO FORCE ROW LEVEL SECURITY`);
  const { rows } = await target.query('SELECT 1 FROM tenants LIMIT 1');
  if (rows.length > 0) throw new Error('the database to move to is not empty');
  await target.query('DELETE FROM epochs');
  await target.query('ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_start_unlinked');
  const counts = new Map<string, number>();
  for (const table of TABLES) {
    const columns = Object.values(getTableColumns(table)).map(({ name }) => name);
    counts.set(getTableName(table), await moveRows(source, target, getTableName(table), columns));
  }
  await target.query(
    "SELECT setval(pg_get_serial_sequence('audit_entries', 'position'), max(position)) FROM audit_entries",
  );
  await compareAudits(source, target);
  await target.query('ALTER TABLE audit_entries ENABLE TRIGGER audit_entries_start_unlinked');
  for (const name of names) await target.query(`ALTER TABLE ${name} FORCE ROW LEVEL SECURITY`);
  return counts;
}

async function moveRows(
  source: SqliteClient,
  target: pg.Client,
  table: string,
  columns: readonly string[],
): Promise<number> {
  let moved = 0;
  let batch: unknown[][] = [];
  const flush = async () => {
    if (batch.length === 0) return;
    const rows = batch.map(
      (_, r) => `(${columns.map((_name, c) => `$${r * columns.length + c + 1}`).join()})`,
    );
    await target.query(`INSERT INTO ${table} (${columns.join()}) VALUES ${rows.join()}`, batch.flat());
    moved += batch.length;
    batch = [];
  };
  const all = source.prepare<[], unknown[]>(`SELECT ${columns.join()} FROM ${table}`).raw();
  for (const row of all.iterate()) {
    batch.push(row);
    if (batch.length === ROWS_AT_ONCE) await flush();
  }
  await flush();
  return moved;
}

/** @throws AuditBroken; Error when a chain ends elsewhere than before */
async function compareAudits(source: SqliteClient, target: pg.Client): Promise<void> {
  const page = 'SELECT * FROM audit_entries WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT 1000';
  const before = source.prepare<[string, number], AuditRow>(page.replace('$1', '?').replace('$2', '?'));
  const tenants = source.prepare<[], string>('SELECT tenant FROM tenants').pluck().all();
  const cuts = source.prepare<[string], AuditHead>('SELECT seq, link FROM audit_cuts WHERE tenant = ?');
  for (const tenant of tenants) {
    const start = cuts.get(tenant) ?? auditOrigin(tenant);
    const old = await headOf(tenant, start, async (after) => before.all(tenant, after));
    const moved = await headOf(
      tenant,
      start,
      async (after) => (await target.query<AuditRow>(page, [tenant, after])).rows,
    );
    if (old.seq !== moved.seq || !equal(old.link, moved.link))
      throw new Error('the audit did not arrive whole');
  }
}

async function headOf(
  tenant: string,
  start: AuditHead,
  pageAfter: (seq: number) => Promise<readonly AuditRow[]>,
): Promise<AuditHead> {
  let head = start;
  for (;;) {
    const rows = await pageAfter(head.seq);
    if (rows.length === 0) return head;
    const entries = rows.map((row) => ({ ...row, at: Number(row.at), seq: Number(row.seq) }));
    head = verifyAudit(tenant, entries, { start: head });
  }
}
