import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Client from 'better-sqlite3';
import { base64url } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCutCheck } from './audit-cut.ts';
import type { Checkpoint } from './checkpoint.ts';
import { runCommand } from './command-line.ts';
import { temporaryFolder } from './folder-fixtures.ts';
import type { AuditEntry } from './records.ts';
import { applyRetention } from './retention.ts';
import { systemClock } from './service.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { addClub, addTenants, id, LONG_AGO, started } from './store-fixtures.ts';

// A tenant's retention as its person in charge sees it, and a chain that lost its beginning to it.

let folder: string;
let remove = async () => {};
const path = (name: string) => join(folder, name);

beforeEach(async () => {
  ({ folder, remove } = await temporaryFolder());
  const store = openSqliteStore({ file: path('akashi.db') });
  await addTenants(store);
  await addClub(store);
  const now = systemClock();
  await started(store, 'young', { tenant: 'club', startedAt: now, expiresAt: now + 120 });
  await store.close();
});
afterEach(() => remove());

async function run(...args: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCommand(args, {
    ...{ env: { AKASHI_DATABASE: path('akashi.db') }, random: randomBytes, untilStopped: async () => {} },
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
  });
  return { code, out, err: err.join('\n') };
}

describe('akashi retention', () => {
  it('keeps what it is told, says what would go, and erases exactly that', async () => {
    expect((await run('retention', 'show', 'club')).out).toEqual([
      ...['verifications for ever', 'devices for ever', 'audit for ever'],
    ]);
    expect((await run('retention', 'run', '--dry-run')).out).toEqual([]);
    for (const [days, code] of [
      ['29', 1],
      ['36501', 1],
      ['-1', 2],
      ['month', 2],
    ] as const)
      expect((await run('retention', 'set', 'club', `--audit=${days}`)).code).toBe(code);
    expect((await run('retention', 'set', 'nobody', '--audit', '90')).code).toBe(1);
    const days = ['--verifications', '365', '--devices', '365', '--audit', '3650'];
    expect((await run('retention', 'set', 'club', ...days)).code).toBe(0);
    expect((await run('retention', 'show', 'club')).out).toEqual([
      ...['verifications 365 days', 'devices 365 days', 'audit 3650 days'],
    ]);
    const due = ['club views 1', 'club verifications 1', 'club devices 1'];
    for (const dry of [1, 2]) {
      expect([dry, (await run('retention', 'run', '--dry-run')).out]).toEqual([dry, due]);
    }
    expect((await run('retention', 'run')).out).toEqual(due);
    expect((await run('retention', 'run')).out).toEqual([]);
    const said = (await run('audit', 'export', 'club')).out.join('\n');
    expect(said.match(/retention\.erased/g)).toHaveLength(2);
  });

  it('stops when it is told to', async () => {
    await run('retention', 'set', 'club', '--verifications', '30');
    const store = openSqliteStore({ file: path('akashi.db') });
    const stopped = await applyRetention({ store, now: systemClock }, AbortSignal.abort());
    expect(stopped.size).toBe(0);
    expect(await store.verification('club', id('old'), systemClock())).toBeDefined();
    await store.close();
  });
});

describe('a chain that was cut', () => {
  const cutIt = async () => {
    await run('retention', 'set', 'club', '--audit', '30');
    await run('audit', 'verify', 'club');
    const { out } = await run('retention', 'run');
    expect(out).toEqual([expect.stringMatching(/^club audit_entries [1-9][0-9]*$/)]);
    return Number(out[0]?.split(' ')[2]);
  };
  const verifyFile = async (lines: readonly string[]) => {
    await writeFile(path('export'), lines.join('\n'));
    const { code, err, out } = await run('audit', 'verify', 'club', '--file', path('export'));
    return code === 0 ? out : err;
  };

  it('verifies from there, in the database and from an export', async () => {
    const { out: before } = await run('audit', 'export', 'club');
    const erased = await cutIt();
    const { code, out } = await run('audit', 'verify', 'club');
    expect([code, out[0]?.startsWith(`entries up to ${erased} are erased, those until `)]).toEqual([0, true]);
    const { out: lines } = await run('audit', 'export', 'club');
    expect(JSON.parse(lines[0] ?? '')).toEqual({ cut: { seq: erased, link: expect.any(String) } });
    expect(lines.slice(1, 1 + before.length - erased)).toEqual(before.slice(erased));
    expect(await verifyFile(lines)).toEqual(out);
    // An export of before and one of after make one chain.
    const joined = [...before.slice(0, erased), ...lines.slice(1)];
    expect(await verifyFile(joined)).toEqual([expect.stringMatching(/^[0-9]+:/)]);
  });

  it('is broken without its cut, with another, and where it does not say that it was cut', async () => {
    const erased = await cutIt();
    const { out: lines } = await run('audit', 'export', 'club');
    expect(await verifyFile(lines.slice(1))).toContain('gap');
    // Somebody removes one entry more, and moves the cut.
    const next = JSON.parse(lines[1] ?? '');
    const moved = { cut: { seq: next.seq, link: next.link } };
    const shorter = [JSON.stringify(moved), ...lines.slice(2)];
    expect(await verifyFile(shorter)).toBe(`audit chain broken: cut, at entry ${erased + 1}`);
    const client = new Client(path('akashi.db'));
    client
      .prepare("UPDATE audit_cuts SET seq = ?, link = ? WHERE tenant = 'club'")
      .run(next.seq, base64url.decode(next.link));
    client.prepare("DELETE FROM audit_entries WHERE tenant = 'club' AND seq = ?").run(next.seq);
    client.close();
    expect(await run('audit', 'verify', 'club')).toMatchObject({ code: 3 });
  });

  it('is not cut where it does not hold, so that what shows that stays', async () => {
    await run('retention', 'set', 'club', '--audit', '30');
    await run('audit', 'verify', 'club');
    const client = new Client(path('akashi.db'));
    client.exec('DROP TRIGGER audit_entries_are_linked_once');
    client.exec("UPDATE audit_entries SET content = '{}' WHERE tenant = 'club' AND seq = 2");
    expect(await run('retention', 'run')).toMatchObject({ code: 3, err: expect.stringContaining('content') });
    const left = client.prepare("SELECT min(seq) FROM audit_entries WHERE tenant = 'club'").pluck().get();
    client.close();
    expect(left).toBe(1);
  });

  it('by more than it says shows against a checkpoint of the time in between', () => {
    const link = new Uint8Array(32);
    const before = LONG_AGO;
    const content = { event: 'audit.cut', seq: 10, link: base64url.encode(link), before, entries: 10 };
    const entry: AuditEntry = {
      ...{ tenant: 'club', id: id('cut'), at: LONG_AGO, hash: link, seq: 11, link },
      content: JSON.stringify(content),
    };
    const checkpoint = (seq: number, iat: number): Checkpoint => ({
      ...{ iss: 'https://verifier.example', tenant: 'club', seq, link: content.link, epoch: 1, iat },
    });
    const endAt = (at: number, ...checkpoints: readonly Checkpoint[]) => {
      const check = createCutCheck('club', { seq: 10, link });
      check.entry({ ...entry, at });
      return check.end(checkpoints);
    };
    const month = LONG_AGO + 30 * 86_400;
    const good = [checkpoint(3, LONG_AGO), checkpoint(10, LONG_AGO + 86_400 * 20), checkpoint(11, month)];
    expect(endAt(month, ...good)).toMatchObject({ seq: 10 });
    // What came after the ninth entry was written a week after all that may have gone.
    expect(() => endAt(month, checkpoint(9, LONG_AGO + 7 * 86_400))).toThrow('cut');
    // No tenant keeps less than a month, and no cut is of tomorrow.
    expect(() => endAt(month - 1, ...good)).toThrow('cut');
    expect(() => endAt(month + 86_400, ...good)).toThrow('cut');
    const silent = createCutCheck('club', { seq: 10, link });
    expect(() => silent.end([])).toThrow('cut');
  });
});
