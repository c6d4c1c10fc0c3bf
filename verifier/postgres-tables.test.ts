import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWorld, type World } from './app-fixtures.ts';
import { asUser, createTestDatabase, openTestStore, type TestDatabase } from './postgres-fixtures.ts';
import { asksPostgres, fillTenant, rowsOf, tenantTables } from './tenant-fixtures.ts';

// The wall between tenants, table by table: what whoever forgets a condition reads, changes, takes away and puts in. Tried by
// the verifier's role, and by one that may do everything with every table, so that row-level security stands alone.

let database: TestDatabase;
let world: World;
let tables: readonly string[];
const roleOf = () => `${database.role}_all`;
const urls = { verifier: '', 'a role with every right': '' };

beforeAll(async () => {
  database = await createTestDatabase();
  world = await openWorld({ openStore: () => openTestStore(database) });
  await fillTenant(world, 'bank', 'bank-customer');
  await fillTenant(world, 'shop', 'shop-customer');
  await asksPostgres(database.superuser).cutAudits();
  tables = await tenantTables(asksPostgres(database.superuser));
  await asUser(database.superuser, async (client) => {
    await client.query(`CREATE ROLE ${roleOf()} LOGIN PASSWORD 'all'`);
    await client.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${roleOf()}`);
  });
  const all = Object.assign(new URL(database.url), { username: roleOf(), password: 'all' });
  Object.assign(urls, { verifier: database.url, 'a role with every right': all.href });
});
afterAll(async () => {
  await world.close();
  await asUser(database.superuser, async (client) => {
    await client.query(`DROP OWNED BY ${roleOf()}`);
    await client.query(`DROP ROLE ${roleOf()}`);
  });
  await database.remove();
});

/** Rows that a statement met, or why it was refused. */
async function tried(
  client: pg.Client,
  text: string,
  values: readonly unknown[] = [],
): Promise<number | string> {
  await client.query('SAVEPOINT here');
  try {
    return (await client.query(text, [...values])).rowCount ?? 0;
  } catch (error) {
    await client.query('ROLLBACK TO here');
    return error instanceof Error ? error.message : String(error);
  }
}

const REFUSED = /row-level security|permission denied|audit entries are never/;

describe.each(['verifier', 'a role with every right'] as const)('the wall before %s', (who) => {
  it('stands in every table, for reading and for each way of writing', async () => {
    const before = await rowsOf(asksPostgres(database.superuser), 'bank');
    expect(tables).toHaveLength(22);
    const [bank = []] = await asksPostgres(database.superuser).ask([
      tables
        .map((table) => `SELECT '${table}' AS name, to_jsonb(t) AS row FROM ${table} t WHERE tenant = 'bank'`)
        .join(' UNION ALL '),
    ]);
    await asUser(urls[who], async (client) => {
      for (const table of tables) {
        const row = bank.find(({ name }) => name === table)?.row as object | undefined;
        expect(row, table).toBeDefined();
        await client.query('BEGIN');
        const within = (tenant: string) =>
          client.query("SELECT set_config('akashi.tenant', $1, true)", [tenant]);
        for (const tenant of ['', 'nobody', 'shop']) {
          await within(tenant);
          expect(await tried(client, `SELECT * FROM ${table} WHERE tenant = 'bank'`), table).toBe(0);
          expect(await tried(client, `SELECT * FROM ${table} WHERE tenant <> $1`, [tenant]), table).toBe(0);
          for (const text of [
            `UPDATE ${table} SET tenant = tenant WHERE tenant = 'bank'`,
            `UPDATE ${table} SET tenant = '${tenant}' WHERE tenant = 'bank'`,
            `DELETE FROM ${table} WHERE tenant = 'bank'`,
          ])
            expect([0, expect.stringMatching(REFUSED)], text).toContainEqual(await tried(client, text));
          const insert = `INSERT INTO ${table} SELECT * FROM jsonb_populate_record(NULL::${table}, $1)`;
          // Unlinked, as entries of the audit are put in.
          const fresh = table === 'audit_entries' ? { ...row, seq: null, link: null } : row;
          expect(await tried(client, insert, [fresh]), table).toMatch(REFUSED);
        }
        // It is the scope that decides: with the right one the rows are there, and even then they stay the tenant's.
        await within('bank');
        expect(await tried(client, `SELECT * FROM ${table}`), table).toBeGreaterThan(0);
        expect(await tried(client, `UPDATE ${table} SET tenant = 'shop'`), table).toMatch(REFUSED);
        await client.query('COMMIT');
      }
    });
    expect(await rowsOf(asksPostgres(database.superuser), 'bank')).toEqual(before);
  });
});
