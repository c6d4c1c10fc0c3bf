import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Client from 'better-sqlite3';
import { count } from 'drizzle-orm';
import { integer, sqliteTable } from 'drizzle-orm/sqlite-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from './folder-fixtures.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import { inserted, selection } from './statement.ts';

// What the callers of one turn of the event loop share, and what they do not.

it('what a process left in its log is in the file, with syncs that held, before anything is written behind it', async () => {
  const { folder, remove } = await temporaryFolder();
  const random = (length: number) => new Uint8Array(length);
  const [left, found] = [join(folder, 'left.sqlite'), join(folder, 'found.sqlite')];
  const first = new SqliteDatabase({ file: left, random });
  const other = new Client(left);
  other.exec('CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (7)');
  // As a process that is killed leaves them.
  for (const end of ['', '-wal']) copyFileSync(`${left}${end}`, `${found}${end}`);
  expect(statSync(`${found}-wal`).size).toBeGreaterThan(0);
  const second = new SqliteDatabase({ file: found, random });
  // The file alone has it.
  copyFileSync(found, join(folder, 'alone.sqlite'));
  const alone = new Client(join(folder, 'alone.sqlite'));
  expect(alone.prepare('SELECT number FROM numbers').pluck().get()).toBe(7);
  alone.close();
  other.close();
  await first.close();
  await second.close();
  await remove();
});

describe('verbs that share a commit', () => {
  let db: SqliteDatabase;
  let other: Client.Database;
  let remove = async () => {};

  beforeEach(async () => {
    const temporary = await temporaryFolder();
    const file = join(temporary.folder, 'akashi.sqlite');
    db = new SqliteDatabase({ file, random: (length) => new Uint8Array(length) });
    other = new Client(file);
    other.exec('CREATE TABLE numbers (number INTEGER NOT NULL PRIMARY KEY)');
    remove = async () => {
      await db.close();
      other.close();
      await temporary.remove();
    };
  });
  afterEach(async () => {
    await remove();
  });

  const scope = { tenant: 'bank' };
  const numbersTable = sqliteTable('numbers', { number: integer('number') });
  const addNumber = inserted(() => numbersTable);
  const counted = selection(({ query }) => query.select({ n: count() }).from(numbersTable));
  const addOrphan = inserted(() => sqliteTable('children', { parent: integer('parent') }));
  const add = (...numbers: readonly number[]) =>
    db.write(scope, function* (tx) {
      for (const number of numbers) yield* addNumber({ number });
      tx.touch(`number:${numbers[0]}`);
      return numbers.length;
    });
  const stored = () => other.prepare('SELECT number FROM numbers ORDER BY number').pluck().all();
  it('are answered when another connection sees them, in the order they came', async () => {
    const seen: unknown[] = [];
    const note = async (number: number) => {
      await add(number);
      seen.push([number, stored().includes(number)]);
    };
    await Promise.all([note(3), note(1), note(2)]);
    expect(seen).toEqual([
      [3, true],
      [1, true],
      [2, true],
    ]);
  });

  it('one that throws undoes all of itself and nothing of the others, and its listeners hear nothing', async () => {
    const heard: string[] = [];
    for (const topic of ['number:1', 'number:2', 'number:3']) db.subscribe(topic, () => heard.push(topic));
    const answers = await Promise.allSettled([add(1), add(2, 1), add(3)]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(stored()).toEqual([1, 3]);
    expect(heard).toEqual(['number:1', 'number:3']);
  });

  it('see what those before them wrote', async () => {
    const read = () =>
      db.write(scope, function* () {
        return (yield* counted.one())?.n;
      });
    expect(await Promise.all([read(), add(1), read(), add(2), read()])).toEqual([0, 1, 1, 1, 2]);
  });

  it('are all refused, and none of them stands, when the commit fails', async () => {
    other.exec('CREATE TABLE parents (number INTEGER NOT NULL PRIMARY KEY)');
    other.exec(
      'CREATE TABLE children (parent INTEGER NOT NULL REFERENCES parents DEFERRABLE INITIALLY DEFERRED)',
    );
    const orphan = db.write(scope, () => addOrphan({ parent: 7 }));
    const answers = await Promise.allSettled([add(1), orphan, add(2)]);
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(stored()).toEqual([]);
    await add(4);
    expect(stored()).toEqual([4]);
  });

  it('that wait when the database closes are written first', async () => {
    const last = add(9);
    await db.close();
    expect(await last).toBe(1);
    expect(stored()).toEqual([9]);
  });

  it('afterwards are refused', async () => {
    await db.close();
    await expect(add(1)).rejects.toThrow('not open');
    expect(stored()).toEqual([]);
  });

  it('sync the disk once', async () => {
    /** Pages written to the log since the last time: a commit writes each page that it changed once. */
    const pages = () => {
      const [state] = other.pragma('wal_checkpoint(PASSIVE)') as { log: number }[];
      return state?.log;
    };
    pages();
    await Promise.all(Array.from({ length: 20 }, (_, i) => add(100 + i)));
    expect(pages()).toBe(1);
    for (let i = 0; i < 20; i++) await add(200 + i);
    expect(pages()).toBe(20);
  });
});
