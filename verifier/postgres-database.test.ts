import { setTimeout } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkDurability } from './postgres-connections.ts';
import { PostgresDatabase } from './postgres-database.ts';
import { asUser, type Cable, createTestDatabase, layCable, type TestDatabase } from './postgres-fixtures.ts';
import { openPostgresStore } from './postgres-store.ts';
import { selection, updated, within } from './statement.ts';
import type { Store } from './store.ts';
import {
  accepted,
  addTenants,
  enrolled,
  events,
  hash,
  id,
  LIFE,
  NOW,
  result,
  started,
  thumb,
  use,
} from './store-fixtures.ts';

// What holds of the server's connections, whatever the verbs do: durability, cuts, floods, wake-ups.

let database: TestDatabase;
let cable: Cable;
let store: Store;
const random = (length: number) => new Uint8Array(length);
const bank = { tenant: 'bank' };
/** On a machine of others. */
const SOON = { timeout: 30_000 };

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
  await database.empty();
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

  it('that cannot prove who it is gets nothing where the URL says that it must', async () => {
    const secure = new URL(database.url);
    secure.searchParams.set('sslmode', 'verify-full');
    await expect(openPostgresStore({ url: secure.href })).rejects.toThrow('does not support SSL');
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
    const cut = cable.cutBehind('BEGIN ISOLATION');
    expect(await store.countEvaluation(evaluation('a'), NOW)).toMatchObject({ triesLeft: 4 });
    await cut;
    expect(await triesOf()).toBe(1);
  });

  it('behind the commit lets nothing run again: the try stays counted, once', async () => {
    await enrolled(store, 'phone');
    const cut = cable.cutBehind('COMMIT\0');
    await expect(store.countEvaluation(evaluation('a'), NOW)).rejects.toMatchObject({ code: 'busy' });
    await cut;
    await expect.poll(triesOf, SOON).toBe(1);
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

  it('and does not say so is found out, for reads and for what was not committed yet', async () => {
    await enrolled(store, 'phone');
    cable.freeze();
    const calls = [store.tenant('bank'), store.countEvaluation(evaluation('a'), NOW), waitedForOnce()];
    expect(await Promise.all(calls)).toMatchObject([{ name: 'The bank' }, { triesLeft: 4 }, undefined]);
    expect(await triesOf()).toBe(1);
  });

  /** Where no connection can be had, from the server or from those who wait for one, nobody waits twice. */
  async function waitedForOnce(): Promise<void> {
    const silent = await layCable(database.url);
    const other = await openPostgresStore({ url: silent.url });
    silent.cut();
    silent.freeze(true);
    await setTimeout(50);
    const before = silent.came;
    const reads = await Promise.allSettled(Array.from({ length: 12 }, () => other.tenant('bank')));
    for (const read of reads) expect(read).toMatchObject({ status: 'rejected', reason: { code: 'busy' } });
    // Ten at a time: of who waited twice there would be twenty.
    expect(silent.came - before).toBeLessThan(20);
    await other.close();
    await silent.close();
  }

  it('is no verdict: a pass that nobody confirmed stands or does not, once', async () => {
    await enrolled(store, 'phone');
    await accepted(store, 'v');
    await store.consumeAttempt(use('v'), NOW);
    const cut = cable.cutBehind('COMMIT\0');
    await expect(store.recordResult(result('v'), NOW)).rejects.toMatchObject({ code: 'busy' });
    await cut;
    const row = async () => (await store.verification('bank', id('v'), NOW))?.verdict;
    await expect.poll(row, SOON).toBe('passed');
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
    let [runs, holding] = [0, 0];
    const both = (first: string, second: string) =>
      db.write({ tenant: first }, function* () {
        runs += 1;
        yield* within({ tenant: first });
        yield* nameOf(first, { acceptScreenLock: true });
        // Neither goes on before the other holds what it wants next. Nobody waits for an update: for what comes behind it.
        yield* pause.one();
        for (holding += 1; holding < 2; ) yield* pause.one();
        yield* within({ tenant: second });
        yield* nameOf(second, { acceptScreenLock: true });
        return second;
      });
    expect(await Promise.all([both('bank', 'shop'), both('shop', 'bank')])).toEqual(['shop', 'bank']);
    // Who runs again may be in the other's way once more.
    expect(runs).toBeGreaterThanOrEqual(3);
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

  it('do not wait for one another’s upkeep, unless somebody wants all of it', async () => {
    await asUser(database.superuser, async (client) => {
      await client.query('BEGIN');
      for (const line of ['audit', 'sweep'])
        await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 4202))', [line]);
      await started(store, 'over');
      expect(await store.linkAudit('leave')).toBe(0);
      expect(await store.sweep(NOW + LIFE, 'leave')).toBe(0);
      const all = store.linkAudit();
      await expect.poll(async () => (await client.query(WAITING)).rowCount, { ...SOON, interval: 5 }).toBe(1);
      await client.query('COMMIT');
      expect(await all).toBeGreaterThan(0);
    });
    expect(await store.linkAudit('leave')).toBe(0);
    expect(await store.sweep(NOW + LIFE, 'leave')).toBe(1);
    expect(await store.linkAudit('leave')).toBe(1);
  });

  it('beyond what may wait are refused at once, and the others are done', async () => {
    await asUser(database.superuser, async (client) => {
      await client.query('BEGIN');
      await client.query('LOCK TABLE views IN ACCESS EXCLUSIVE MODE');
      await started(store, 'v');
      // Ten that wait for the table have all connections, 500 wait for those.
      const seen = () => store.recordSeen('bank', id('v'), id('operator bank'), NOW);
      const calls = Array.from({ length: 530 }, (_, i) => (i < 10 ? seen() : store.ping()));
      const refused = Promise.allSettled(calls).then((all) =>
        all.filter(({ status }) => status === 'rejected'),
      );
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
  query.select({ done: sql`pg_sleep(0.02)::text` }).from(sql`(SELECT 1) AS one`),
);
/** Who waits for a turn at the upkeep of this database. */
const WAITING = `
  SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
  WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted`;

describe('changes made by another verifier', () => {
  const topic = `verification:${id('v')}`;
  let other: Store;
  let heard: string[];

  beforeEach(async () => {
    other = await openPostgresStore({ url: database.url });
    heard = [];
  });
  afterEach(() => other.close());

  /** Looks again so often, in milliseconds, or never. */
  const listening = (lookAgainMs = 600_000) => openPostgresStore({ url: cable.url, lookAgainMs });
  const listen = (to: Store) => to.subscribe(topic, () => heard.push('told'));
  const told = () => expect.poll(() => heard, { ...SOON, interval: 2 }).toContain('told');

  it('are heard at once, and only by who listens for them', async () => {
    const here = await listening();
    listen(here);
    await started(other, 'w');
    await setTimeout(100);
    expect(heard).toEqual([]);
    await started(other, 'v');
    await told();
    expect(heard).toEqual(['told']);
    await here.close();
  });

  it('are looked for when the connection that listens was lost', async () => {
    const here = await listening(50);
    cable.cut(true);
    await started(other, 'v');
    listen(here);
    await told();
    await here.close();
  });

  it('are heard when there is a connection again, those of the time without one too', async () => {
    const here = await listening();
    listen(here);
    cable.cut(true);
    await started(other, 'v');
    expect(heard).toEqual([]);
    cable.mend();
    await told();
    heard.length = 0;
    await other.cancel('bank', id('v'), { kind: 'backend' }, NOW);
    await told();
    await here.close();
  });

  it('that were never told are found by looking again', async () => {
    const { tenant, subject } = await started(other, 'v');
    const here = await listening(20);
    await asUser(database.superuser, (client) =>
      client.query('UPDATE verifications SET later = true WHERE tenant = $1 AND subject = $2', [
        tenant,
        subject,
      ]),
    );
    listen(here);
    await told();
    await here.close();
  });

  it('name no subject to other roles of the database', async () => {
    const seen: string[] = [];
    await asUser(database.superuser, async (client) => {
      client.on('notification', ({ payload }) => void seen.push(payload ?? ''));
      await client.query('LISTEN akashi');
      await started(other, 'v', { subject: 'customer-7' });
      await expect.poll(() => seen.length, SOON).toBeGreaterThan(0);
    });
    expect(seen.join()).toMatch(/^[\w-]{22}(?:,[\w-]{22})+$/);
  });
});

it('forgets all that has served, however much it is', async () => {
  const limits = Array.from({ length: 2_100 }, (_, i) => ({ ...bank, key: `k ${i}`, count: 1, seconds: 60 }));
  expect(await store.takeLimits(limits, NOW)).toEqual({ granted: 2_100, retryAfter: 0 });
  const left = () =>
    asUser(
      database.superuser,
      async (client) => (await client.query('SELECT count(*)::int AS n FROM limits')).rows[0]?.n,
    );
  await store.sweep(NOW + 59);
  expect(await left()).toBe(2_100);
  await store.sweep(NOW + 60);
  expect(await left()).toBe(0);
});
