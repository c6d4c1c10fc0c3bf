import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Client from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from './folder-fixtures.ts';
import { migrationFiles } from './migration-files.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { attempt, enrolled, events, hash, id, NOW, started, thumb, use } from './store-fixtures.ts';

// A file that any earlier version of this program left behind, with something in it, becomes one of this version.

const FILES = migrationFiles('sqlite');

/** What a verifier of the first version could have: a tenant, an operator, a policy, a device, an open verification. */
const LEFT: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  tenants: { tenant: 'bank', name: 'The bank', created_at: NOW - 50 },
  origins: { tenant: 'bank', origin: 'https://bank.example' },
  api_keys: { key_hash: Buffer.from(hash('key')), tenant: 'bank', created_at: NOW - 50 },
  operators: { operator: id('o'), tenant: 'bank', name: 'Sato', role: 'operator', created_at: NOW - 50 },
  policies: {
    ...{ tenant: 'bank', policy: 'standard', version: 1, created_at: NOW - 50 },
    ...{ facts: '["pin"]', purposes: '[{"id":"p","text":{"en":"P"}}]' },
  },
  devices: {
    ...{ device: id('phone'), tenant: 'bank', subject: 'c-1', thumbprint: thumb('phone'), state: 'active' },
    ...{ enrolled_at: NOW - 40, pin_changed_at: NOW - 40, holder: '1', commitment: '2', tries: 3 },
    evaluation_key: '{"kek":"k","iv":"AAAA","ciphertext":"AAAA"}',
  },
  verifications: {
    ...{ verification: id('left'), tenant: 'bank', subject: 'c-1', operator: id('o'), policy: 'standard' },
    ...{ purpose: 'p', mode: 'call', direction: 'inbound', facts: '[{"fact":"pin","version":1}]' },
    audience: JSON.stringify([thumb('phone')]),
    request: '{"kek":"k","iv":"AAAA","ciphertext":"AAAA"}',
    ...{ request_hash: Buffer.from(hash('r')), started_at: NOW - 30, expires_at: NOW + 90 },
    ...{ state: 'pending', later: 0, attempts_used: 0, factors: '[]', claim_tries: 0, revision: 1 },
  },
};

describe('a SQLite file', () => {
  let path = '';
  let remove = async () => {};

  beforeEach(async () => {
    const temporary = await temporaryFolder();
    path = join(temporary.folder, 'data', 'akashi.sqlite');
    remove = temporary.remove;
  });
  afterEach(() => remove());

  it.each(FILES.map(({ name }, i) => ({ name, count: i + 1 })))('as $name left it', async ({ count }) => {
    leave(path, count);
    const store = openSqliteStore({ file: path });
    expect(await store.tenantByApiKey(hash('key'))).toMatchObject({
      ...{ tenant: 'bank', origins: ['https://bank.example'], passkeys: null },
    });
    expect(await store.policies('bank')).toEqual([
      { policy: 'standard', version: 1, facts: ['pin'], purposes: [{ id: 'p', text: { en: 'P' } }] },
    ]);
    // What was under way goes on, and what was spent stays spent.
    const evaluation = { tenant: 'bank', device: id('phone'), use: 'current', digest: hash('x') } as const;
    expect(await store.countEvaluation(evaluation, NOW)).toMatchObject({ triesLeft: 1 });
    expect(await store.accept('bank', id('left'), id('phone'), attempt('left 1'), NOW)).toMatchObject({
      ...{ state: 'accepted', operator: id('o'), policyVersion: 1, transactionHash: null },
    });
    expect(await store.consumeAttempt(use('left'), NOW)).toMatchObject({ attemptsUsed: 1 });
    await enrolled(store, 'tablet');
    await started(store, 'v');
    expect((await events(store)).slice(0, 2)).toEqual(['pin.evaluated', 'verification.accepted']);
    await store.close();
    expect(tablesOf(path)).toEqual(tablesOf(await fresh(path)));
    const client = new Client(path, { readonly: true });
    const revoked = client
      .prepare("SELECT revoked_at > 0 FROM devices WHERE state = 'revoked'")
      .pluck()
      .all();
    expect(revoked).toEqual([1]);
    client.close();
  });
});

/** A file to which the first `count` migrations were applied. */
function leave(path: string, count: number): void {
  mkdirSync(dirname(path), { recursive: true });
  const client = new Client(path);
  client.exec('CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY, hash TEXT NOT NULL) STRICT');
  for (const [i, { name, sql, hash }] of FILES.slice(0, count).entries()) {
    client.exec(sql);
    client.prepare('INSERT INTO migrations VALUES (?, ?)').run(name, hash);
    if (i > 0) continue;
    const revoked = { ...LEFT.devices, device: id('old'), thumbprint: thumb('old'), state: 'revoked' };
    for (const [table, row] of [...Object.entries(LEFT), ['devices', revoked] as const]) {
      const marks = Object.keys(row).map(() => '?');
      const text = `INSERT INTO ${table} (${Object.keys(row).join()}) VALUES (${marks.join()})`;
      client.prepare(text).run(...Object.values(row));
    }
  }
  client.close();
}

async function fresh(path: string): Promise<string> {
  const file = join(dirname(path), 'fresh.sqlite');
  await openSqliteStore({ file }).close();
  return file;
}

/** Tables with their columns, indexes and triggers, by name. */
function tablesOf(file: string): unknown {
  const client = new Client(file, { readonly: true });
  const things = client
    .prepare<[], { type: string; name: string }>(
      "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .all();
  const known = things.map(({ type, name }) => [type, name, client.pragma(`table_info(${name})`)]);
  client.close();
  return known;
}
