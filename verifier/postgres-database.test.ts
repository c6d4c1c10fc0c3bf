import { setTimeout } from 'node:timers/promises';
import { eq, sql } from 'drizzle-orm';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkDurability } from './postgres-connections.ts';
import { PostgresDatabase } from './postgres-database.ts';
import {
  asUser,
  type Cable,
  createTestDatabase,
  emptyTables,
  layCable,
  type TestDatabase,
} from './postgres-fixtures.ts';
import { openPostgresStore } from './postgres-store.ts';
import { command, selection, updated, within } from './statement.ts';
import type { Store } from './store.ts';
import {
  accepted,
  addTenants,
  enrolled,
  events,
  hash,
  id,
  NOW,
  result,
  started,
  thumb,
  use,
} from './store-fixtures.ts';

// What holds of the server's connections, whatever the verbs do: durability, the role, cuts, floods, wake-ups.

let database: TestDatabase;
let cable: Cable;
let store: Store;
const random = (length: number) => new Uint8Array(length);
const bank = { tenant: 'bank' };

beforeAll(async () => {
  database = await createTestDatabase();
  cable = await layCable(database.url);
  store = await openPostgresStore({ url: cable.url });
});
afterAll(async () => {
  await store.close();
  await cable.close();
  await database.remove();
});
beforeEach(async () => {
  await emptyTables(database);
  await addTenants(store);
});
afterEach(() => cable.mend());

const evaluation = (label: string) =>
  ({ ...bank, device: id('phone'), use: 'current', digest: hash(label) }) as const;
const triesOf = async () => (await store.deviceByThumbprint(thumb('phone'), NOW))?.tries;

describe('a server', () => {
  it('is refused where an acknowledged commit could be lost', async () => {
    const weaker = new URL(database.url);
    weaker.searchParams.set('options', '-c synchronous_commit=off');
    await expect(openPostgresStore({ url: weaker.href })).rejects.toThrow(
      'postgres does not hold synchronous_commit',
    );
    for (const weak of ['fsync', 'full_page_writes']) {
      const query = async (_text: string, [name]: string[]) => ({
        rows: [{ value: name === weak ? 'off' : 'on' }],
      });
      await expect(checkDurability({ query } as unknown as pg.ClientBase)).rejects.toThrow(
        `does not hold ${weak}`,
      );
    }
  });

  it('is asked for durable commits even where the role is not', async () => {
    await asUser(database.superuser, (client) =>
      client.query(`ALTER ROLE ${database.role} SET synchronous_commit = off`),
    );
    const db = await PostgresDatabase.open({ url: database.url, random });
    const setting = selection(({ query }) =>
      query
        .select({ value: sql<string>`current_setting('synchronous_commit')` })
        .from(sql`(SELECT 1) AS one`),
    );
    expect(await db.read(bank, () => setting.one())).toEqual({ value: 'on' });
    await db.close();
    await asUser(database.superuser, (client) =>
      client.query(`ALTER ROLE ${database.role} RESET synchronous_commit`),
    );
  });

  it('that is not there is an error at the start', async () => {
    cable.cut(true);
    await expect(openPostgresStore({ url: cable.url })).rejects.toThrow();
  });
});

describe('a connection that is cut', () => {
  it('costs nothing when it was idle, for reads and for writes', async () => {
    await enrolled(store, 'phone');
    cable.cut();
    expect((await store.tenant('bank'))?.name).toBe('The bank');
    cable.cut();
    expect(await store.countEvaluation(evaluation('a'), NOW)).toMatchObject({ triesLeft: 4 });
  });

  it('before the commit lets the transaction run again, once', async () => {
    await enrolled(store, 'phone');
    cable.cutBehind('update "devices"');
    expect(await store.countEvaluation(evaluation('a'), NOW)).toMatchObject({ triesLeft: 4 });
    expect(await triesOf()).toBe(1);
  });

  it('behind the commit lets nothing run again: the try stays counted, once', async () => {
    await enrolled(store, 'phone');
    cable.cutBehind('COMMIT\0');
    await expect(store.countEvaluation(evaluation('a'), NOW)).rejects.toMatchObject({ code: 'busy' });
    await expect.poll(triesOf).toBe(1);
    expect((await events(store)).filter((event) => event === 'pin.evaluated')).toHaveLength(1);
  });

  it('for good is busy, and over when the server is back', async () => {
    cable.cut(true);
    const began = performance.now();
    const calls = [
      store.tenant('bank'),
      store.ping(),
      store.takeLimits([{ ...bank, key: 'k', count: 1, seconds: 1 }], NOW),
    ];
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({
        status: 'rejected',
        reason: { code: 'busy', retryAfter: expect.any(Number) },
      });
    }
    expect(performance.now() - began).toBeLessThan(3_000);
    cable.mend();
    await store.ping();
    expect((await store.tenant('bank'))?.name).toBe('The bank');
  });

  it('is no verdict: a pass that nobody confirmed stands or does not, once', async () => {
    await enrolled(store, 'phone');
    await accepted(store, 'v');
    await store.consumeAttempt(use('v'), NOW);
    cable.cutBehind('COMMIT\0');
    await expect(store.recordResult(result('v'), NOW)).rejects.toMatchObject({ code: 'busy' });
    const row = async () => (await store.verification('bank', id('v'), NOW))?.verdict;
    await expect.poll(row).toBe('passed');
    expect((await events(store)).filter((event) => event === 'verification.passed')).toHaveLength(1);
  });
});

describe('verbs that are in each other’s way', () => {
  const nameOf = updated(
    (tables) => tables.tenants,
    (tables) => tables.tenants.tenant,
  );

  it('in a circle are run again: both are done', async () => {
    const db = await PostgresDatabase.open({ url: database.url, random });
    let runs = 0;
    const both = (first: string, second: string) =>
      db.write({ tenant: first }, function* () {
        runs += 1;
        yield* within({ tenant: first });
        yield* nameOf(first, { acceptScreenLock: true });
        yield* pause.one();
        yield* within({ tenant: second });
        yield* nameOf(second, { acceptScreenLock: true });
        return second;
      });
    expect(await Promise.all([both('bank', 'shop'), both('shop', 'bank')])).toEqual(['shop', 'bank']);
    expect(runs).toBe(3);
    await db.close();
  });

  it('wait for a while only, and then are busy', async () => {
    await enrolled(store, 'phone');
    await asUser(database.superuser, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM devices FOR UPDATE');
      await expect(store.countEvaluation(evaluation('a'), NOW)).rejects.toMatchObject({ code: 'busy' });
    });
    expect(await triesOf()).toBe(0);
  });

  it('beyond what may wait are refused at once, and the others are done', async () => {
    await asUser(database.superuser, async (client) => {
      await client.query('BEGIN');
      await client.query('LOCK TABLE views IN ACCESS EXCLUSIVE MODE');
      await started(store, 'v');
      const seen = Array.from({ length: 530 }, () =>
        store.recordSeen('bank', id('v'), id('operator bank'), NOW),
      );
      const refused = Promise.allSettled(seen).then((all) =>
        all.filter(({ status }) => status === 'rejected'),
      );
      await setTimeout(300);
      await client.query('COMMIT');
      const answers = await refused;
      expect(answers.length).toBeGreaterThanOrEqual(20);
      expect(answers.length).toBeLessThan(40);
      for (const answer of answers) expect(answer).toMatchObject({ reason: { code: 'busy', retryAfter: 2 } });
    });
    expect((await events(store)).filter((event) => event === 'verdict.seen')).toHaveLength(1);
  });
});

const pause = selection(({ query }) =>
  query.select({ done: sql`pg_sleep(0.2)::text` }).from(sql`(SELECT 1) AS one`),
);

describe('changes made by another verifier', () => {
  let other: Store;
  let heard: string[];
  let stop: () => void;

  beforeEach(async () => {
    other = await openPostgresStore({ url: database.url });
    heard = [];
    await setTimeout(20);
    stop = store.subscribe(`verification:${id('v')}`, () => heard.push('v'));
  });
  afterEach(async () => {
    stop();
    await other.close();
  });

  it('are heard at once, and only by who listens for them', async () => {
    const began = performance.now();
    await started(other, 'w');
    await setTimeout(100);
    expect(heard).toEqual([]);
    await started(other, 'v');
    await expect.poll(() => heard, { interval: 2, timeout: 900 }).toEqual(['v']);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('are looked for when the connection that listens was lost, and heard again after', async () => {
    cable.cut(true);
    await started(other, 'v');
    expect(heard).toEqual([]);
    await expect.poll(() => heard.length, { timeout: 3_000 }).toBeGreaterThan(0);
    cable.mend();
    await setTimeout(2_500);
    heard.length = 0;
    await other.cancel('bank', id('v'), { kind: 'backend' }, NOW);
    await expect.poll(() => heard.length, { interval: 2, timeout: 500 }).toBeGreaterThan(0);
  });

  it('that were never told are found by looking again', async () => {
    const { tenant, subject } = await started(other, 'v');
    await expect.poll(() => heard.length).toBeGreaterThan(0);
    await setTimeout(100);
    heard.length = 0;
    await asUser(database.superuser, (client) =>
      client.query('UPDATE verifications SET later = true WHERE tenant = $1 AND subject = $2', [
        tenant,
        subject,
      ]),
    );
    await expect.poll(() => heard.length, { timeout: 12_000 }).toBeGreaterThan(0);
  });

  it('name no subject to other roles of the database', async () => {
    const seen: string[] = [];
    await asUser(database.superuser, async (client) => {
      client.on('notification', ({ payload }) => void seen.push(payload ?? ''));
      await client.query('LISTEN akashi');
      await started(other, 'v', { subject: 'customer-7' });
      await expect.poll(() => seen.length).toBeGreaterThan(0);
    });
    expect(seen.join()).toMatch(/^[\w-]{22}(?:,[\w-]{22})+$/);
  });
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
      expect(rows).toHaveLength(20);
      for (const { name, walled } of rows) {
        expect([name, walled]).toEqual([name, true]);
        expect((await client.query(`SELECT * FROM ${name}`)).rows).toEqual([]);
      }
      await client.query('SET row_security = off');
      await expect(client.query('SELECT * FROM verifications')).rejects.toThrow('row-level security');
    });
  });

  it('and the audit cannot be taken away by the verifier’s role', async () => {
    const forbidden = [
      'ALTER TABLE verifications DISABLE ROW LEVEL SECURITY',
      'DROP POLICY of_tenant ON verifications',
      'DELETE FROM verifications',
      'DELETE FROM audit_entries',
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
        await expect(client.query(text)).rejects.toThrow('audit entries are never deleted');
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
