import { AuditBroken, verifyAudit } from '@akashi/verifier';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openWorld, startOf, type TestTenant, type World } from './harness.ts';

// Somebody with a hand on the database edits what was recorded. The database itself refuses, and where that is got
// round, the chain tells.

let world: World;
let bank: TestTenant;

beforeEach(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  const phone = await bank.phone('customer-1');
  const desk = await bank.desk();
  for (let i = 0; i < 3; i++) {
    const { verification } = await desk.start(startOf(phone.subject));
    await phone.holder.decline(verification);
  }
  await world.store.linkAudit();
});

afterEach(() => world.close());

/** Runs SQL on the database behind the verifier's back. */
function tamper(...statements: readonly string[]): void {
  const database = new Database(world.file);
  try {
    for (const statement of statements) database.exec(statement);
  } finally {
    database.close();
  }
}

/** What keeps honest hands off, taken away. */
function dropTriggers(): void {
  const database = new Database(world.file);
  const triggers = database
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'`)
    .pluck()
    .all();
  database.close();
  expect(triggers.length).toBeGreaterThan(0);
  tamper(...triggers.map((name) => `DROP TRIGGER "${name}"`));
}

const entries = () => world.store.auditEntries('aoba', 0, 10_000);

const CHANGES: Readonly<Record<string, string>> = {
  edited: `UPDATE audit_entries SET content = replace(content, 'declined', 'passed') WHERE content LIKE '%declined%'`,
  deleted: `DELETE FROM audit_entries WHERE seq = 5`,
  moved: `UPDATE audit_entries SET at = at - 60 WHERE seq = 5`,
};

test('the record of what happened is complete and holds', async () => {
  const recorded = await entries();
  expect(verifyAudit('aoba', recorded).seq).toBe(recorded.length);
  const events = recorded.map(({ content }) => JSON.parse(content).event);
  expect(events.filter((event) => event === 'verification.declined')).toHaveLength(3);
});

describe.each(Object.entries(CHANGES))('an entry %s', (_, statement) => {
  test('is refused by the database', () => {
    expect(() => tamper(statement)).toThrow();
  });

  test('is found by anyone who checks an export', async () => {
    const head = verifyAudit('aoba', await entries());
    dropTriggers();
    tamper(statement);
    const changed = await entries();
    expect(() => verifyAudit('aoba', changed, { end: head })).toThrow(AuditBroken);
  });
});

test('a chain that was cut at its end is found with a head kept elsewhere, and by the verifier itself', async () => {
  const head = verifyAudit('aoba', await entries());
  dropTriggers();
  tamper(`DELETE FROM audit_entries WHERE seq > ${head.seq - 2}`);
  const cut = await entries();
  // By itself it is a good chain, only shorter: this is why heads are to be kept outside.
  expect(verifyAudit('aoba', cut).seq).toBe(head.seq - 2);
  expect(() => verifyAudit('aoba', cut, { end: head })).toThrow(AuditBroken);
  // With the next thing that happens the verifier sees that the chain no longer ends where it ended, and says so.
  await bank.issuer.requestEnrolment('customer-2');
  await expect(world.store.linkAudit()).rejects.toThrow(AuditBroken);
  await vi.waitUntil(() => world.log().some(({ event }) => event === 'audit.broken'), { timeout: 30_000 });
});
