import { sql } from 'drizzle-orm';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { PostgresDatabase } from './postgres-database.ts';
import { createTestDatabase, type TestDatabase } from './postgres-fixtures.ts';
import { insertedOnce, lastly, selection, together } from './statement.ts';

// What is asked in one turn is one message: what holds of it when one of its statements fails.

let database: TestDatabase;
let db: PostgresDatabase;
const bank = { tenant: 'bank' };
const one = sql`(SELECT 1) AS one`;
const scope = selection(({ query }) =>
  query
    .select({ tenant: sql<string>`current_setting('akashi.tenant')`, bytes: sql`'\\x00ff'::bytea` })
    .from(one),
);
const quotient = selection(({ query }) =>
  query.select({ value: sql<number>`1 / ${sql.placeholder('by')}::int` }).from(one),
);
const addTenant = insertedOnce((tables) => tables.tenants);
const added = () => addTenant({ ...bank, name: 'The bank', createdAt: 1 });

beforeAll(async () => {
  database = await createTestDatabase();
  db = await PostgresDatabase.open({ url: database.url, random: (length) => new Uint8Array(length) });
});
afterAll(async () => {
  await db.close();
  await database.remove();
});
afterEach(() => void vi.restoreAllMocks());

const read = () => db.read(bank, () => scope.one());
const readWith = (by: number) =>
  db.read(bank, () => together(scope.one(), quotient.one({ by }), scope.all()));

it('a statement that fails takes those of its message with it, and nothing beyond it', async () => {
  await expect(readWith(0)).rejects.toMatchObject({ code: '22012' });
  expect(await read()).toMatchObject({ tenant: 'bank' });
  expect((await readWith(1))[1]).toEqual({ value: 1 });
  await expect(readWith(0)).rejects.toMatchObject({ code: '22012' });
  expect(await read()).toEqual({ tenant: 'bank', bytes: Buffer.from([0, 255]) });
});

it('nothing stands of a transaction in which one fails, whether or not it is waited for', async () => {
  const failing = db.write(bank, function* () {
    yield* added();
    yield* quotient.one({ by: 0 });
  });
  await expect(failing).rejects.toMatchObject({ code: '22012' });
  expect(await db.write(bank, added)).toBe(1);
});

it('a transaction that ends with its one statement is one message, commit and all', async () => {
  await db.write(bank, () => lastly(added()));
  const asked = vi.spyOn(pg.Client.prototype, 'query');
  expect(await db.write(bank, () => lastly(added()))).toBe(0);
  expect(asked).toHaveBeenCalledTimes(1);
});

it('and nothing comes behind that statement', async () => {
  const late = db.write(bank, function* () {
    yield* lastly(added());
    yield* added();
  });
  await expect(late).rejects.toThrow('a statement behind the last one');
});

it('a value that is no parameter is refused before anything is sent', async () => {
  const odd = db.read(bank, () => quotient.one({ by: { toString: () => '1' } }));
  await expect(odd).rejects.toThrow(TypeError);
  expect(await read()).toMatchObject({ tenant: 'bank' });
});
