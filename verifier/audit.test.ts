import { join } from 'node:path';
import Client from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditBroken, type AuditHead, auditOrigin, entryHash, nextLink, verifyAudit } from './audit.ts';
import { temporaryFolder } from './folder-fixtures.ts';
import type { AuditEntry } from './records.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';
import { addTenants, enrolled, NOW, started, unclaimedPass } from './store-fixtures.ts';

describe('a hash of the audit', () => {
  // Made once with coreutils: printf of the bytes below, piped to sha256sum.
  it('is what the protocol says', () => {
    const entry = { tenant: 'bank', id: 'AAAAAAAAAAAAAAAAAAAAAA', at: 1, content: '{"event":"x"}' };
    expect(hex(auditOrigin('bank').link)).toBe(ORIGIN);
    expect(hex(entryHash(entry))).toBe(ENTRY);
    expect(hex(nextLink(auditOrigin('bank').link, entryHash(entry)))).toBe(LINK);
  });

  it('depends on every part of an entry', () => {
    const entry = { tenant: 'bank', id: 'i', at: 1, content: '{}' };
    const others = [
      { ...entry, tenant: 'shop' },
      { ...entry, id: 'j' },
      { ...entry, at: 2 },
      { ...entry, content: '[]' },
    ];
    expect(new Set([entry, ...others].map((each) => hex(entryHash(each)))).size).toBe(5);
  });
});

describe('an audit behind whose back rows were changed', () => {
  let store: Store;
  let client: Client.Database;
  let head: AuditHead;
  let dispose = async () => {};

  beforeEach(async () => {
    const { folder, remove } = await temporaryFolder();
    const file = join(folder, 'akashi.sqlite');
    store = openSqliteStore({ file });
    client = new Client(file);
    dispose = async () => {
      client.close();
      await store.close();
      await remove();
    };
    await addTenants(store);
    await enrolled(store, 'phone');
    await unclaimedPass(store, 'v');
    await enrolled(store, 'elsewhere', { tenant: 'shop' });
    await store.linkAudit();
    head = verifyAudit('bank', await entries());
  });
  afterEach(() => dispose());

  const entries = (tenant = 'bank') => store.auditEntries(tenant, 0, 1_000);
  /** As somebody with the file and SQL, but without a head kept elsewhere. */
  const tamper = (...statements: readonly string[]) => {
    for (const name of ['stay', 'are_linked_once']) client.exec(`DROP TRIGGER audit_entries_${name}`);
    client.exec('DROP TRIGGER audit_entries_start_unlinked');
    for (const statement of statements) client.exec(statement);
  };
  const row = (seq: number) => `tenant = 'bank' AND seq = ${seq}`;
  const fault = async (end?: AuditHead) => {
    try {
      verifyAudit('bank', await entries(), end === undefined ? {} : { end });
    } catch (cause) {
      if (cause instanceof AuditBroken) return `${cause.fault} at ${cause.at}`;
      throw cause;
    }
    return 'none';
  };

  it('holds as long as nobody does, also with its known head', async () => {
    expect(await fault(head)).toBe('none');
    expect(head.seq).toBeGreaterThan(8);
  });

  it.each([
    ['content', `UPDATE audit_entries SET content = replace(content, 'c-1', 'c-2') WHERE ${row(4)}`],
    ['time', `UPDATE audit_entries SET at = at + 1 WHERE ${row(4)}`],
    ['id', `UPDATE audit_entries SET id = 'x' WHERE ${row(4)}`],
    ['hash', `UPDATE audit_entries SET hash = zeroblob(32) WHERE ${row(4)}`],
  ])('tells an edited %s', async (_, statement) => {
    tamper(statement);
    expect(await fault()).toBe('content at 4');
  });

  it('tells an edited link, and an edited entry whose hash was made to fit', async () => {
    tamper(`UPDATE audit_entries SET link = zeroblob(32) WHERE ${row(4)}`);
    expect(await fault()).toBe('link at 4');
    const entry = (await entries())[4];
    if (entry === undefined) throw new Error('no entry');
    const content = '{"event":"forged"}';
    const edit = client.prepare(`UPDATE audit_entries SET content = ?, hash = ? WHERE ${row(5)}`);
    edit.run(content, Buffer.from(entryHash({ ...entry, content })));
    client.exec(
      `UPDATE audit_entries SET link = x'${hex(nextLink(linkOf(await entries(), 3), (await entries())[3]?.hash ?? Buffer.alloc(0)))}' WHERE ${row(4)}`,
    );
    expect(await fault()).toBe('link at 5');
  });

  it('tells a removed entry, also when the numbers were closed up', async () => {
    tamper(`DELETE FROM audit_entries WHERE ${row(4)}`);
    expect(await fault()).toBe('gap at 4');
    for (let seq = 5; seq <= head.seq; seq += 1) {
      client.exec(`UPDATE audit_entries SET seq = ${seq - 1} WHERE ${row(seq)}`);
    }
    expect(await fault()).toBe('link at 4');
  });

  it('tells two entries that changed places', async () => {
    tamper(
      `UPDATE audit_entries SET seq = 1000 WHERE ${row(4)}`,
      `UPDATE audit_entries SET seq = 4 WHERE ${row(5)}`,
      `UPDATE audit_entries SET seq = 5 WHERE ${row(1000)}`,
    );
    expect(await fault()).toBe('link at 4');
  });

  it('tells an entry that was put in between', async () => {
    tamper();
    for (let seq = head.seq; seq >= 4; seq -= 1) {
      client.exec(`UPDATE audit_entries SET seq = ${seq + 1} WHERE ${row(seq)}`);
    }
    const forged = { tenant: 'bank', id: 'forged', at: NOW, content: '{}' };
    const hash = entryHash(forged);
    const link = nextLink(linkOf(await entries(), 3), hash);
    client
      .prepare(
        "INSERT INTO audit_entries (tenant, id, at, content, hash, seq, link) VALUES ('bank', 'forged', ?, '{}', ?, 4, ?)",
      )
      .run(NOW, Buffer.from(hash), Buffer.from(link));
    expect(await fault()).toBe('link at 5');
  });

  it('tells an entry of another tenant', async () => {
    const [foreign] = await entries('shop');
    if (foreign === undefined) throw new Error('no entry');
    expect(() => verifyAudit('bank', [foreign])).toThrow('tenant');
    expect(() => verifyAudit('bank', [{ ...foreign, tenant: 'bank' }])).toThrow('content');
  });

  it('tells entries cut off at the end, but only with a head kept elsewhere', async () => {
    tamper(`DELETE FROM audit_entries WHERE ${row(head.seq)}`);
    expect(await fault()).toBe('none');
    expect(await fault(head)).toBe(`head at ${head.seq - 1}`);
  });

  it('stops the sequencer when entries were cut off', async () => {
    tamper(`DELETE FROM audit_entries WHERE ${row(head.seq)}`);
    await started(store, 'w');
    await expect(store.linkAudit()).rejects.toMatchObject({ fault: 'head', tenant: 'bank', at: head.seq });
  });

  it('stops the sequencer when the last link was edited', async () => {
    tamper(`UPDATE audit_entries SET link = zeroblob(32) WHERE ${row(head.seq)}`);
    await started(store, 'w');
    await expect(store.linkAudit()).rejects.toMatchObject({ fault: 'head', at: head.seq });
  });

  it.each([
    ['first', 'min'],
    ['last', 'max'],
  ])('stops the sequencer when the %s of the entries not yet linked was removed', async (_, which) => {
    await started(store, 'w');
    await started(store, 'x');
    await started(store, 'y');
    const position = client.prepare<[], { at: number }>(
      `SELECT ${which}(position) AS at FROM audit_entries WHERE seq IS NULL`,
    );
    const at = position.get()?.at;
    tamper(`DELETE FROM audit_entries WHERE position = ${at}`);
    await expect(store.linkAudit()).rejects.toMatchObject({ fault: 'gap', at });
  });

  it('stops the sequencer when an entry was edited before it was linked', async () => {
    await started(store, 'w');
    tamper("UPDATE audit_entries SET content = '{}' WHERE seq IS NULL");
    await expect(store.linkAudit()).rejects.toMatchObject({ fault: 'content' });
  });

  it('links nothing at all when it stops', async () => {
    await started(store, 'w');
    await started(store, 'x');
    tamper('DELETE FROM audit_entries WHERE position = (SELECT max(position) FROM audit_entries)');
    await expect(store.linkAudit()).rejects.toThrow(AuditBroken);
    expect(await fault(head)).toBe('none');
  });

  it.each([
    ['deleting', `DELETE FROM audit_entries WHERE ${row(4)}`],
    ['editing', `UPDATE audit_entries SET content = '{}' WHERE ${row(4)}`],
    ['renumbering', `UPDATE audit_entries SET seq = 99 WHERE ${row(4)}`],
    ['unlinking', `UPDATE audit_entries SET seq = NULL, link = NULL WHERE ${row(4)}`],
    [
      'replacing',
      `REPLACE INTO audit_entries SELECT position, tenant, id, at, '{}', hash, NULL, NULL FROM audit_entries WHERE ${row(4)}`,
    ],
    [
      'linking',
      `INSERT INTO audit_entries SELECT NULL, tenant, 'new', at, content, hash, 99, link FROM audit_entries WHERE ${row(4)}`,
    ],
  ])('is not there without dropping the triggers: %s is refused', async (_, statement) => {
    client.pragma('recursive_triggers = ON');
    expect(() => client.exec(statement)).toThrow('audit entries are');
    expect(await fault(head)).toBe('none');
  });
});

const ORIGIN = '1901045a3fb48e2a708b02ac99e2ac300e57e62173d506c72e60448f31c44485';
const ENTRY = '1ce56a6a293beb065bd61293182cdc2f428adde6fa68821c5bb11cddb916e365';
const LINK = 'ba34f2c52b05b70e558628fc59723081c0b07621086214d17daa3d22f75792a6';

function linkOf(entries: readonly AuditEntry[], seq: number): Uint8Array {
  const link = entries[seq - 1]?.link;
  if (!link) throw new Error('no link');
  return link;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
