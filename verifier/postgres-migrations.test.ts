import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import Client from 'better-sqlite3';
import { getTableColumns, getTableName, is } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import { SQLiteTable } from 'drizzle-orm/sqlite-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyAudit } from './audit.ts';
import { runCommand } from './command-line.ts';
import { temporaryFolder } from './folder-fixtures.ts';
import { asUser, createTestDatabase, type TestDatabase } from './postgres-fixtures.ts';
import { migratePostgres } from './postgres-migrations.ts';
import * as schema from './postgres-schema.ts';
import { openPostgresStore } from './postgres-store.ts';
import * as sqliteSchema from './sqlite-schema.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';
import { newPasskey } from './store-contract-passkeys.ts';
import {
  accepted,
  addClub,
  addTenants,
  commitment,
  enrolled,
  enrolling,
  hash,
  id,
  NOW,
  newVerification,
  sealed,
  started,
  thumb,
  unclaimedPass,
  use,
} from './store-fixtures.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase({ migrated: false });
});
afterEach(() => database.remove());

async function run(args: readonly string[], env: Record<string, string>) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCommand(args, {
    ...{ env, random: randomBytes, untilStopped: async () => {} },
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
  });
  return { code, out, err: err.join('\n') };
}

describe('the tables of PostgreSQL', () => {
  it('are made by the owner, once, however many try at the same time', async () => {
    await expect(openPostgresStore({ url: database.url })).rejects.toThrow('akashi migrate');
    await Promise.all(Array.from({ length: 4 }, () => migratePostgres(database.owner, database.role)));
    const store = await openPostgresStore({ url: database.url });
    await addTenants(store);
    await store.close();
    await migratePostgres(database.owner, database.role);
    await expect(migratePostgres(database.url, database.role)).rejects.toThrow('permission denied');
  });

  it('are refused when they are of another version', async () => {
    await migratePostgres(database.owner, database.role);
    const change = (text: string) => asUser(database.owner, (client) => client.query(text));
    await change("UPDATE migrations SET hash = 'x'");
    await expect(openPostgresStore({ url: database.url })).rejects.toThrow('another version');
    await expect(migratePostgres(database.owner, database.role)).rejects.toThrow('another version');
    await change('DELETE FROM migrations');
    await expect(openPostgresStore({ url: database.url })).rejects.toThrow('earlier version');
    await expect(migratePostgres(database.owner, database.role)).rejects.toThrow('already exists');
    await change("INSERT INTO migrations VALUES ('9999-later.sql', 'x')");
    await expect(openPostgresStore({ url: database.url })).rejects.toThrow('another version');
  });

  it('are those that the schema says, and those of SQLite', async () => {
    await migratePostgres(database.owner, database.role);
    const { rows } = await asUser(database.owner, (client) =>
      client.query<{ table: string; name: string; type: string; nullable: string }>(
        `SELECT table_name AS table, column_name AS name, data_type AS type, is_nullable AS nullable
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'migrations' ORDER BY ordinal_position`,
      ),
    );
    const tables = Object.values(schema).filter((value) => is(value, PgTable));
    expect(new Set(rows.map(({ table }) => table))).toEqual(new Set(tables.map(getTableName)));
    for (const table of tables) {
      const made = rows.filter((row) => row.table === getTableName(table));
      const expected = Object.values(getTableColumns(table)).map((column) => ({
        ...{ table: getTableName(table), name: column.name, type: column.getSQLType() },
        nullable: column.notNull ? 'NO' : 'YES',
      }));
      expect([...made].sort(byName)).toEqual(expected.sort(byName));
    }
    const namesOf = (of: readonly (SQLiteTable | PgTable)[]) =>
      of.map((table) => [getTableName(table), Object.values(getTableColumns(table)).map(({ name }) => name)]);
    expect(namesOf(tables)).toEqual(
      namesOf(Object.values(sqliteSchema).filter((value) => is(value, SQLiteTable))),
    );
  });

  it('are made by the command, for a role that is named', async () => {
    const env = { AKASHI_DATABASE_URL: database.owner };
    expect(await run(['migrate'], env)).toMatchObject({ code: 2, err: expect.stringContaining('--role') });
    expect((await run(['migrate', '--role', 'nobody-here'], env)).code).toBe(1);
    expect(await run(['migrate', '--role', database.role], env)).toMatchObject({ code: 0, err: '' });
    const verifier = { AKASHI_DATABASE_URL: database.url };
    expect((await run(['tenant', 'add', 'bank', '--name', 'The bank'], verifier)).code).toBe(0);
    expect((await run(['audit', 'verify', 'bank'], verifier)).out[0]).toMatch(/^2:/);
    expect((await run(['tenant', 'add', 'shop', '--name', 'x'], env)).err).toContain('owner');
  });
});

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

describe('a move from SQLite', () => {
  let folder: string;
  let remove: () => Promise<void>;
  const file = () => join(folder, 'akashi.db');
  const move = () => run(['move', '--from', file()], { AKASHI_DATABASE_URL: database.owner });

  beforeEach(async () => {
    ({ folder, remove } = await temporaryFolder());
    await migratePostgres(database.owner, database.role);
  });
  afterEach(() => remove());

  it('brings every table, and what was spent stays spent', async () => {
    const before = openSqliteStore({ file: file() });
    await fill(before);
    await before.close();
    const { code, out, err } = await move();
    expect([code, err]).toEqual([0, '']);
    expect(out).toEqual(countsOf(file()));
    // Each table had something to bring.
    expect(out.filter((line) => line.endsWith(' 0'))).toEqual([]);

    const sqlite = openSqliteStore({ file: file() });
    const store = await openPostgresStore({ url: database.url });
    for (const look of LOOKS) expect(await look(store)).toEqual(await look(sqlite));
    await sqlite.close();
    expect(await store.consumeAttempt(use('v'), NOW)).toBe('attempt_used');
    expect(await store.consumeJti('bank', id('phone'), id('jti v 1'), NOW + 600, NOW)).toBe(false);
    const evaluation = {
      tenant: 'bank',
      device: id('phone'),
      use: 'current',
      digest: hash('other'),
    } as const;
    expect(await store.countEvaluation(evaluation, NOW)).toMatchObject({ triesLeft: 3 });
    await started(store, 'later');
    await store.linkAudit();
    const entries = await store.auditEntries('bank', 0, 1_000);
    expect(verifyAudit('bank', entries).seq).toBe(entries.length);
    await store.close();
    expect(await move()).toMatchObject({ code: 1, err: expect.stringContaining('not empty') });
  });

  it('is refused while a verifier has the file open', async () => {
    const running = openSqliteStore({ file: file() });
    await addTenants(running);
    expect(await move()).toMatchObject({ code: 1, out: [], err: expect.stringContaining('in use') });
    await running.close();
    expect((await move()).code).toBe(0);
  });

  it('of an audit that was tampered with moves nothing, and says so', async () => {
    const before = openSqliteStore({ file: file() });
    await fill(before);
    await before.linkAudit();
    await before.close();
    const client = new Client(file());
    client.exec('DROP TRIGGER audit_entries_are_linked_once');
    client.exec("UPDATE audit_entries SET content = '{}' WHERE position = 3");
    client.close();
    expect(await move()).toMatchObject({ code: 3, out: [] });
    const store = await openPostgresStore({ url: database.url });
    expect(await store.tenant('bank')).toBeUndefined();
    await store.close();
  });

  it('needs both places, and an existing file', async () => {
    const env = { AKASHI_DATABASE_URL: database.owner };
    expect((await run(['move'], env)).code).toBe(2);
    expect((await run(['move', '--from', file()], { AKASHI_DATABASE: file() })).code).toBe(2);
    expect((await move()).code).toBe(1);
  });
});

const LOOKS: readonly ((store: Store) => Promise<unknown>)[] = [
  (store) => store.tenant('bank'),
  (store) => store.tenantByApiKey(hash('api key')),
  (store) => store.policies('bank'),
  (store) => store.issuers('bank'),
  (store) => store.issuerSource('bank'),
  (store) => store.operator('bank', id('operator bank')),
  (store) => store.session(hash('session'), false, NOW),
  (store) => store.enrolment(hash('waiting'), NOW),
  (store) => store.devicesOfSubject('bank', 'c-1', NOW),
  (store) => store.passkeys('bank', id('phone')),
  (store) => store.verification('bank', id('v'), NOW),
  (store) => store.verification('bank', id('w'), NOW),
  (store) => store.auditEntries('bank', 0, 1_000),
  (store) => store.auditEntries('shop', 0, 1_000),
  (store) => store.auditEntries('club', 0, 1_000),
  (store) => store.auditStart('club'),
  (store) => store.retention('club'),
];

/** Something in every table. */
async function fill(store: Store): Promise<void> {
  await addTenants(store);
  const system = { kind: 'system' } as const;
  await addClub(store);
  await store.setRetention('club', { verifications: null, devices: 400, audit: 30 }, NOW);
  await store.linkAudit();
  await store.erase('club', 'audit', NOW);
  await store.setOrigins('bank', ['https://bank.example'], NOW);
  await store.addApiKey('bank', hash('api key'), NOW);
  await store.addIssuer(
    'bank',
    thumb('issuer'),
    { kty: 'EC', crv: 'P-256', x: thumb('x'), y: thumb('y') },
    system,
    NOW,
  );
  await store.setIssuerSource(
    'bank',
    { jwks: 'https://b.example/jwks', statusLists: null, staleSeconds: 0 },
    system,
    NOW,
  );
  await store.putPolicy(
    'bank',
    { policy: 'standard', facts: ['pin'], purposes: [{ id: 'p', text: { en: 'p' } }] },
    system,
    NOW,
  );
  const operator = id('operator bank');
  for (const label of ['link', 'used'])
    await store.addSignInLink('bank', operator, hash(label), NOW + 600, NOW);
  const link = { tokenHash: hash('used'), sessionHash: hash('session'), endsAt: NOW + 600, idleSeconds: 60 };
  await store.openSession(link, NOW);
  await store.takeLimits([{ tenant: 'bank', key: 'k', count: 3, seconds: 60 }], NOW);
  const enrolment = { tenant: 'bank', subject: 'c-2', tokenHash: hash('waiting'), expiresAt: NOW + 600 };
  await store.createEnrolment(enrolment, NOW);
  await enrolled(store, 'phone');
  await enrolling(store, 'slow');
  await store.addPasskey(newPasskey('one'), commitment('phone'), NOW);
  await store.beginPasskey('bank', id('phone'), hash('challenge'), NOW);
  await store.beginPinChange('bank', id('phone'), { evaluationKey: sealed('x'), nonce: hash('x') }, NOW);
  const evaluation = { tenant: 'bank', device: id('phone'), use: 'current', digest: hash('try') } as const;
  await store.countEvaluation(evaluation, NOW);
  await accepted(store, 'v', { transactionHash: hash('t'), deskFigures: true });
  await store.consumeAttempt(use('v'), NOW);
  await unclaimedPass(store, 'w', { operator });
  await store.countEvaluation({ ...evaluation, digest: hash('again') }, NOW);
  await store.recordSeen('bank', id('w'), operator, NOW);
  const idempotency = { caller: 'backend', key: 'k', bodyHash: hash('body') };
  await store.createVerification(newVerification('x'), { kind: 'backend' }, idempotency);
}

/** What the move says of a file. */
function countsOf(file: string): readonly string[] {
  const client = new Client(file, { readonly: true });
  const names = Object.values(sqliteSchema)
    .filter((value) => is(value, SQLiteTable))
    .map(getTableName);
  const counts = names.map(
    (name) => `${name} ${client.prepare(`SELECT count(*) FROM ${name}`).pluck().get()}`,
  );
  client.close();
  return counts;
}
