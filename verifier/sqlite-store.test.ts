import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Client from 'better-sqlite3';
import { getTableColumns, getTableName, is, sql } from 'drizzle-orm';
import { SQLiteTable } from 'drizzle-orm/sqlite-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from './folder-fixtures.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import { openSqliteHarness } from './sqlite-fixtures.ts';
import * as schema from './sqlite-schema.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { selection } from './statement.ts';
import { storeContract } from './store-contract.ts';
import { addTenants, call, id, LIFE, NOW, sealed, searchEverywhere, started } from './store-fixtures.ts';
import { race, StorePeer } from './store-peers.ts';

const peers: StorePeer[] = [];
beforeAll(() => {
  peers.push(new StorePeer(), new StorePeer());
});
afterAll(() => {
  for (const peer of peers) peer.stop();
});

storeContract('sqlite', () => openSqliteHarness(peers));

const INDEXES = [
  'verifications_by_operator (tenant=? AND operator=? AND started_at>?)',
  'verifications_by_claimer (tenant=? AND claimed_by=? AND started_at>?)',
  'verifications_live (tenant=? AND subject=?)',
  'verifications_by_expiry (expires_at<?)',
  'verifications_by_claim_expiry (decided_at<?)',
  'devices_enrolling (enrolled_at<?)',
  'devices_by_subject (tenant=? AND subject=?)',
];

describe('a SQLite file', () => {
  let folder = '';
  let remove = async () => {};
  const path = () => join(folder, 'data', 'akashi.sqlite');

  beforeEach(async () => {
    ({ folder, remove } = await temporaryFolder());
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await remove();
  });

  it('holds WAL with synchronous=FULL whenever it is opened', async () => {
    for (let opening = 1; opening <= 2; opening += 1) {
      const db = new SqliteDatabase({ file: path(), random: () => new Uint8Array(16) });
      const held = { synchronous: 2, journal_mode: 'wal', foreign_keys: 1, secure_delete: 1 };
      for (const [name, value] of Object.entries(held)) {
        const setting = selection(({ query }) =>
          query.select({ value: sql`${sql.raw(name)}` }).from(sql.raw(`pragma_${name}`)),
        );
        expect(await db.read({ tenant: 'bank' }, () => setting.one())).toEqual({ value });
      }
      await db.close();
    }
  });

  it.each([
    ['synchronous', 'synchronous = FULL'],
    ['foreign_keys', 'foreign_keys = ON'],
    ['secure_delete', 'secure_delete = ON'],
    ['journal_mode', 'journal_mode = WAL'],
  ])('is not opened when %s does not hold', (name, ignored) => {
    const pragma = Client.prototype.pragma;
    vi.spyOn(Client.prototype, 'pragma').mockImplementation(function (
      this: Client.Database,
      source,
      options,
    ) {
      // As if SQLite took the setting and did something else.
      const weaker = source === 'foreign_keys = ON' ? 'foreign_keys = OFF' : 'user_version';
      return pragma.call(this, source === ignored ? weaker : source, options);
    });
    expect(() => openSqliteStore({ file: path() })).toThrow(`sqlite does not hold ${name}`);
  });

  it('can be read by its owner only, and so can its log', async () => {
    const umask = process.umask(0o000);
    const store = openSqliteStore({ file: path() });
    process.umask(umask);
    await addTenants(store);
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700);
    const files = readdirSync(join(folder, 'data'));
    expect(files.sort()).toEqual(['akashi.sqlite', 'akashi.sqlite-shm', 'akashi.sqlite-wal']);
    for (const file of files) expect(statSync(join(folder, 'data', file)).mode & 0o777).toBe(0o600);
    await store.close();
  });

  it('is one whole file after closing, and the store then answers nothing', async () => {
    const store = openSqliteStore({ file: path() });
    await addTenants(store);
    await store.ping();
    await store.close();
    await store.close();
    expect(readdirSync(join(folder, 'data'))).toEqual(['akashi.sqlite']);
    await expect(store.ping()).rejects.toThrow();
    await expect(store.tenant('bank')).rejects.toThrow();
    const again = openSqliteStore({ file: path() });
    expect((await again.tenant('bank'))?.name).toBe('The bank');
    await again.close();
  });

  it('can be made by several processes at once', async () => {
    const task = { task: 'open', engine: 'sqlite', location: path() } as const;
    await Promise.all(peers.map((peer) => peer.ask(task)));
    const make = call('createTenant', { tenant: 'bank', name: 'Bank', origins: [] }, NOW);
    expect([...(await race(peers, [make, make, make, make]))].sort()).toEqual([false, false, false, true]);
    await Promise.all(peers.map((peer) => peer.ask({ task: 'close' })));
  });

  it('is refused when its migrations are not those of this program', async () => {
    await openSqliteStore({ file: path() }).close();
    const client = new Client(path());
    client.exec("UPDATE migrations SET hash = 'x'");
    expect(() => openSqliteStore({ file: path() })).toThrow('another version');
    client.exec('DELETE FROM migrations');
    expect(() => openSqliteStore({ file: path() })).toThrow('already exists');
    client.exec("INSERT INTO migrations VALUES ('9999-later.sql', 'x')");
    expect(() => openSqliteStore({ file: path() })).toThrow('another version');
    client.close();
  });

  it('of the first version learns which version of its policy each verification was under, and what was shown', async () => {
    const name = '0001-initial.sql';
    const first = readFileSync(new URL(`./migrations/sqlite/${name}`, import.meta.url), 'utf8');
    mkdirSync(join(folder, 'data'));
    const client = new Client(path());
    client.exec('CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY, hash TEXT NOT NULL) STRICT');
    client.exec(first);
    const done = createHash('sha256').update(first).digest('hex');
    client.prepare('INSERT INTO migrations VALUES (?, ?)').run(name, done);
    client.exec(`INSERT INTO tenants VALUES ('bank', 'The bank', ${NOW})`);
    for (const [i, at] of [NOW - 9, NOW - 5, NOW + 1].entries()) {
      client.exec(`INSERT INTO policies VALUES ('bank', 'standard', ${i + 1}, '["pin"]', '[]', ${at})`);
    }
    const facts = '[{"fact":"pin","version":1},{"fact":"passkey","version":1,"rpId":"bank.example"}]';
    for (const policy of ['standard', 'unknown']) {
      const verdict = policy === 'standard' ? 'failed' : 'passed';
      const values = [id(policy), 'bank', 'c-1', null, policy, 'p', 'call', 'inbound', facts, '[]', null];
      const rest = [
        Buffer.alloc(32),
        NOW,
        NOW + 120,
        'done',
        0,
        null,
        null,
        null,
        0,
        null,
        verdict,
        '[]',
        NOW,
      ];
      const row = [...values, ...rest, null, 0, null, 1];
      client.prepare(`INSERT INTO verifications VALUES (${row.map(() => '?').join()})`).run(row);
    }
    client.close();
    const store = openSqliteStore({ file: path() });
    const older = {
      ...{ transactionHash: null, deskFigures: false },
      ...{ alternatives: null, twoFactor: false, raisedBy: [], callId: null, reusedFrom: null },
    };
    expect(await store.verification('bank', id('standard'), NOW)).toMatchObject({
      ...older,
      policyVersion: 2,
      shown: null,
    });
    expect(await store.verification('bank', id('unknown'), NOW)).toMatchObject({
      ...older,
      policyVersion: 1,
      // All that was asked for had to be shown.
      shown: [0, 1],
    });
    await store.close();
  });

  it('has the tables that the schema says', async () => {
    await openSqliteStore({ file: path() }).close();
    const client = new Client(path(), { readonly: true });
    const made = client
      .prepare<[], { name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
      )
      .all()
      .map(({ name }) => name)
      .filter((name) => name !== 'migrations');
    const tables = Object.values(schema).filter((value) => is(value, SQLiteTable));
    expect(tables.map(getTableName).sort()).toEqual(made.sort());
    for (const table of tables) {
      const columns = client
        .prepare<[], { name: string; type: string; notnull: number }>(
          `PRAGMA table_info(${getTableName(table)})`,
        )
        .all()
        .map(({ name, type, notnull }) => ({ name, type: type.toLowerCase(), notNull: notnull === 1 }));
      const expected = Object.values(getTableColumns(table)).map((column) => ({
        ...{ name: column.name, type: column.getSQLType(), notNull: column.notNull },
      }));
      expect(columns).toEqual(expected);
    }
    client.close();
  });

  it('keeps no trace of a request after its verdict', async () => {
    const store = openSqliteStore({ file: path() });
    await addTenants(store);
    const traces = () => {
      const bytes = readFileSync(path());
      const { ciphertext } = sealed('request v');
      return bytes.includes(Buffer.from(Buffer.from(ciphertext).toString('base64url')));
    };
    await started(store, 'v');
    const other = openSqliteStore({ file: path() });
    await store.close();
    expect(traces()).toBe(true);
    await other.sweep(NOW + LIFE);
    await other.close();
    expect(traces()).toBe(false);
  });

  it('searches no table row by row', async () => {
    const store = openSqliteStore({ file: path() });
    await addTenants(store);
    const plans: string[] = [];
    const client = new Client(path());
    const prepare = Client.prototype.prepare;
    vi.spyOn(Client.prototype, 'prepare').mockImplementation(function (
      this: Client.Database,
      source: string,
    ) {
      const plan = prepare.call(client, `EXPLAIN QUERY PLAN ${source}`);
      // Only the shape of the statement matters: parameters stay NULL.
      const blanks = (source.match(/\?/g) ?? []).map(() => null);
      for (const row of plan.all(blanks)) plans.push((row as { detail: string }).detail);
      return prepare.call(this, source);
    });
    await searchEverywhere(store);
    const searched = plans.filter((detail) =>
      /^(?:SEARCH|SCAN) (?:verifications|devices|idempotency_keys|views|jtis|limits)/.test(detail),
    );
    expect(searched.filter((detail) => /^SCAN|\(tenant=\?\)$/.test(detail))).toEqual([]);
    for (const index of INDEXES) expect(searched.join('\n')).toContain(index);
    // What is not linked yet is read in the order of its own index; one has one row; others are what an index found.
    const others = plans.filter((detail) =>
      /^SCAN (?!audit_entries USING INDEX|sqlite_sequence|found|oldest)/.test(detail),
    );
    expect(others).toEqual([]);
    client.close();
    await store.close();
  });
});
