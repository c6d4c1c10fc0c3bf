import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PostgresDatabase } from './postgres-database.ts';
import { asUser, createTestDatabase, type TestDatabase } from './postgres-fixtures.ts';
import { openPostgresStore } from './postgres-store.ts';
import { command, selection, updated } from './statement.ts';
import type { Store } from './store.ts';
import { accepted, addClub, addTenants, enrolled, id, NOW, started, thumb } from './store-fixtures.ts';

// What stands behind the conditions of the statements: row-level security, the rights of roles, the triggers of the audit.

let database: TestDatabase;
let store: Store;
const random = (length: number) => new Uint8Array(length);
const bank = { tenant: 'bank' };

beforeAll(async () => {
  database = await createTestDatabase();
  store = await openPostgresStore({ url: database.url });
});
afterAll(async () => {
  await store.close();
  await database.remove();
});
beforeEach(async () => {
  await database.empty();
  await addTenants(store);
});

describe('the wall between tenants', () => {
  const everything = selection(({ query, tables: { verifications } }) => query.select().from(verifications));
  const change = command(({ query, tables: { verifications } }) =>
    query
      .update(verifications)
      .set({ later: true })
      .where(eq(verifications.verification, sql.placeholder('id'))),
  );
  const later = (verification: string) => change.count({ id: verification });
  const setTenant = updated(
    (tables) => tables.verifications,
    (tables) => tables.verifications.verification,
  );

  it('holds for statements that forgot their condition', async () => {
    await enrolled(store, 'phone');
    await started(store, 'v');
    await started(store, 'w', { tenant: 'shop' });
    const db = await PostgresDatabase.open({ url: database.url, random });
    const seenBy = async (tenant: string) =>
      (await db.read({ tenant }, () => everything.all())).map((row) => row.verification);
    expect(await seenBy('bank')).toEqual([id('v')]);
    expect(await seenBy('shop')).toEqual([id('w')]);
    expect(await seenBy('nobody')).toEqual([]);
    expect(await db.write({ tenant: 'shop' }, () => later(id('v')))).toBe(0);
    expect(await db.write({ tenant: 'bank' }, () => later(id('v')))).toBe(1);
    await expect(db.write(bank, () => setTenant(id('v'), { tenant: 'shop' }))).rejects.toThrow(
      'row-level security',
    );
    await db.close();
  });

  it('opens for a key exactly what has it', async () => {
    await enrolled(store, 'phone');
    await enrolled(store, 'tablet', { tenant: 'shop' });
    const db = await PostgresDatabase.open({ url: database.url, random });
    const devices = selection(({ query, tables }) => query.select().from(tables.devices));
    const seen = await db.read({ key: thumb('tablet') }, () => devices.all());
    expect(seen.map((row) => row.device)).toEqual([id('tablet')]);
    const revoke = command(({ query, tables }) => query.update(tables.devices).set({ state: 'revoked' }));
    expect(await db.write({ key: thumb('tablet') }, () => revoke.count())).toBe(0);
    expect(await db.read({ key: '' }, () => devices.all())).toEqual([]);
    await db.close();
  });

  it('shows the upkeep what is due, and lets it end nothing', async () => {
    await enrolled(store, 'phone');
    await started(store, 'v');
    await store.cancel('bank', id('v'), { kind: 'backend' }, NOW);
    await started(store, 'w', { tenant: 'shop' });
    const db = await PostgresDatabase.open({ url: database.url, random });
    const seen = await db.read('upkeep', () => everything.all());
    expect(seen.map((row) => row.verification)).toEqual([id('w')]);
    expect(await db.write('upkeep', () => later(id('w')))).toBe(0);
    const pins = selection(({ query, tables: { devices } }) =>
      query.select().from(devices).where(eq(devices.state, 'active')),
    );
    expect(await db.read('upkeep', () => pins.all())).toEqual([]);
    await db.close();
  });

  it('stands before every table, and without a scope nothing is there', async () => {
    await enrolled(store, 'phone');
    await accepted(store, 'v');
    await asUser(database.url, async (client) => {
      const { rows } = await client.query<{ name: string; walled: boolean }>(
        "SELECT relname AS name, relrowsecurity AND relforcerowsecurity AS walled FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'migrations'",
      );
      expect(rows).toHaveLength(23);
      for (const { name, walled } of rows) {
        expect([name, walled]).toEqual([name, true]);
        expect((await client.query(`SELECT * FROM ${name}`)).rows).toEqual([]);
      }
      await client.query('SET row_security = off');
      await expect(client.query('SELECT * FROM verifications')).rejects.toThrow('row-level security');
    });
  });

  it('holds what a tenant keeps against the verifier’s own role', async () => {
    await addClub(store);
    await store.linkAudit();
    const tables = ['verifications', 'views', 'devices', 'audit_entries'];
    await asUser(database.url, async (client) => {
      await client.query("SELECT set_config('akashi.tenant', 'club', false)");
      const removed = async (table: string) => (await client.query(`DELETE FROM ${table}`)).rowCount;
      const cut = (seq: number) =>
        client.query(
          'INSERT INTO audit_cuts SELECT tenant, seq, link, at FROM audit_entries WHERE seq = $1',
          [seq],
        );
      for (const table of tables) expect([table, await removed(table)]).toEqual([table, 0]);
      await expect(cut(2)).rejects.toThrow('row-level security');
      await store.setRetention('club', { verifications: 30, devices: 30, audit: 30 }, NOW);
      // By the server's clock, whatever the program says the time is.
      await started(store, 'young', { tenant: 'club' });
      await store.cancel('club', id('young'), { kind: 'backend' }, NOW);
      await store.linkAudit();
      const { rows } = await client.query<{ seq: string }>('SELECT seq FROM audit_entries WHERE at = $1', [
        NOW,
      ]);
      await expect(cut(Number(rows[0]?.seq))).rejects.toThrow('row-level security');
      await cut(2);
      expect(await removed('audit_entries')).toBe(2);
      await client.query('DELETE FROM idempotency_keys');
      expect([await removed('views'), await removed('verifications')]).toEqual([1, 1]);
      expect(await removed('devices')).toBe(1);
    });
    expect(await store.verification('club', id('young'), NOW)).toBeDefined();
    expect(await store.deviceByThumbprint(thumb('kept'), NOW)).toBeDefined();
  });

  it('and the audit cannot be taken away by the verifier’s role', async () => {
    const forbidden = [
      'ALTER TABLE verifications DISABLE ROW LEVEL SECURITY',
      'DROP POLICY of_tenant ON verifications',
      'TRUNCATE audit_entries',
      "UPDATE audit_entries SET content = '{}'",
      'DROP TRIGGER audit_entries_stay ON audit_entries',
      'DELETE FROM policies',
      "UPDATE migrations SET hash = 'x'",
    ];
    await asUser(database.url, async (client) => {
      for (const text of forbidden)
        await expect(client.query(text), text).rejects.toMatchObject({ code: '42501' });
    });
  });

  it('binds whom it must: owners, superusers and exempt roles are refused', async () => {
    await expect(openPostgresStore({ url: database.owner })).rejects.toThrow('owner');
    await expect(openPostgresStore({ url: database.superuser })).rejects.toThrow('superuser');
    const alter = (text: string) => asUser(database.superuser, (client) => client.query(text));
    await alter(`ALTER ROLE ${database.role} BYPASSRLS`);
    await expect(openPostgresStore({ url: database.url })).rejects.toThrow('BYPASSRLS');
    await alter(`ALTER ROLE ${database.role} NOBYPASSRLS`);
    await alter('ALTER TABLE views NO FORCE ROW LEVEL SECURITY');
    await expect(openPostgresStore({ url: database.url })).rejects.toThrow('no row-level security');
    await alter('ALTER TABLE views FORCE ROW LEVEL SECURITY');
    const owner = new URL(database.owner).username;
    await alter(`GRANT ${owner} TO ${database.role}`);
    await expect(openPostgresStore({ url: database.url })).rejects.toThrow('owner');
    await alter(`REVOKE ${owner} FROM ${database.role}`);
  });
});

describe('audit entries', () => {
  it('are linked once, never changed and never deleted, whoever tries', async () => {
    await started(store, 'v');
    await store.linkAudit();
    await asUser(database.superuser, async (client) => {
      for (const text of [
        "UPDATE audit_entries SET content = '{}'",
        'UPDATE audit_entries SET seq = seq + 1',
      ])
        await expect(client.query(text)).rejects.toThrow('audit entries are never changed');
      for (const text of ['DELETE FROM audit_entries', 'TRUNCATE audit_entries'])
        await expect(client.query(text)).rejects.toThrow('deleted behind a cut only');
    });
  });

  it('that do not follow from those before are noticed when the next is linked', async () => {
    await started(store, 'v');
    await store.linkAudit();
    await asUser(database.superuser, async (client) => {
      await client.query('SET session_replication_role = replica');
      await client.query(
        'DELETE FROM audit_entries WHERE tenant = $1 AND seq = (SELECT max(seq) FROM audit_entries WHERE tenant = $1)',
        ['bank'],
      );
    });
    await started(store, 'w');
    await expect(store.linkAudit()).rejects.toMatchObject({
      name: 'AuditBroken',
      fault: 'head',
      tenant: 'bank',
    });
  });
});
