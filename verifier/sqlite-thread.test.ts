import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { AkashiError } from '@akashi/circuits';
import Client from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AuditBroken } from './audit.ts';
import { temporaryFolder } from './folder-fixtures.ts';
import { openSqliteHarness } from './sqlite-fixtures.ts';
import { openSqliteThreadStore, sentFault, type WriterThread } from './sqlite-thread.ts';
import { serveWrites } from './sqlite-writer.ts';
import type { Store } from './store.ts';
import { storeContract } from './store-contract.ts';
import { addTenants, id, NOW, started } from './store-fixtures.ts';
import { StorePeer } from './store-peers.ts';
import { startThread } from './thread.ts';
import { faultOf } from './verifier.ts';

const peers: StorePeer[] = [];
beforeAll(() => {
  peers.push(new StorePeer(), new StorePeer());
});
afterAll(() => {
  for (const peer of peers) peer.stop();
});

/** Both ends of the line in this thread: what travels is copied as between threads. */
function sameThread(file: string): WriterThread {
  const { port1, port2 } = new MessageChannel();
  serveWrites(port2, file);
  port1.on('close', () => port1.emit('exit', 0));
  return port1 as unknown as WriterThread;
}

storeContract('sqlite, written to over a line', () =>
  openSqliteHarness(peers, (file) => openSqliteThreadStore({ file, random: randomBytes, start: sameThread })),
);

describe('a thread that writes', () => {
  let file: string;
  let remove: () => Promise<void>;
  let thread: Worker;
  let store: Store;

  beforeEach(async () => {
    const temporary = await temporaryFolder();
    remove = temporary.remove;
    file = join(temporary.folder, 'akashi.sqlite');
    store = await openSqliteThreadStore({
      ...{ file, random: randomBytes },
      start: (path) => {
        thread = startThread('sqlite-writer-thread', { file: path });
        return thread;
      },
    });
    await addTenants(store);
  });
  afterEach(async () => {
    await store.close();
    await remove();
  });

  it('is open when its thread writes, and not when that cannot', async () => {
    const nobody = (): WriterThread => {
      const { port1, port2 } = new MessageChannel();
      port1.on('close', () => port1.emit('exit', 1));
      port2.close();
      return port1 as unknown as WriterThread;
    };
    const opening = openSqliteThreadStore({ file, random: randomBytes, start: nobody });
    await expect(opening).rejects.toMatchObject({ code: 'busy' });
  });

  it('lets the thread that reads go on while a commit waits', async () => {
    await started(store, 'v');
    const holder = new Client(file);
    holder.exec('BEGIN IMMEDIATE');
    const cancelled = store.cancel('bank', id('v'), { kind: 'backend' }, NOW);
    const began = performance.now();
    for (let i = 0; i < 20; i++) {
      expect(await store.verification('bank', id('v'), NOW)).toMatchObject({ state: 'pending' });
      await setTimeout(5);
    }
    expect(performance.now() - began).toBeLessThan(2_000);
    await expect(store.ping()).rejects.toMatchObject({ code: 'busy', retryAfter: 2 });
    holder.exec('COMMIT');
    holder.close();
    expect(await cancelled).toMatchObject({ verdict: 'cancelled' });
    expect(await store.verification('bank', id('v'), NOW)).toMatchObject({ verdict: 'cancelled' });
    await expect(store.ping()).resolves.toBeUndefined();
  });

  it('that ends is busy for those who waited, and the next one is another', async () => {
    await started(store, 'v');
    const first = thread;
    // By a fault of its own. Ended from outside, better-sqlite3 takes the whole process with it where it is at work.
    first.postMessage(null);
    const cancelled = store.cancel('bank', id('v'), { kind: 'backend' }, NOW);
    await expect(cancelled).rejects.toMatchObject({
      ...{ code: 'busy', retryAfter: 2 },
      cause: { message: 'the writing thread ended', cause: { name: 'TypeError' } },
    });
    expect(await store.verification('bank', id('v'), NOW)).toMatchObject({ state: 'pending' });
    expect(await store.cancel('bank', id('v'), { kind: 'backend' }, NOW)).toMatchObject({
      verdict: 'cancelled',
    });
    expect(thread).not.toBe(first);
  });

  it('answers what was asked before it is closed, and is asked nothing after', async () => {
    await started(store, 'v');
    const asked = store.cancel('bank', id('v'), { kind: 'backend' }, NOW);
    await Promise.all([store.close(), expect(asked).resolves.toMatchObject({ verdict: 'cancelled' })]);
    const last = thread;
    await expect(store.cancel('bank', id('v'), { kind: 'backend' }, NOW)).rejects.toThrow(TypeError);
    expect(thread).toBe(last);
  });

  it('tells of a fault what the log needs: its class, its code and its place', async () => {
    const other = new Client(file);
    other.exec('DROP TABLE views');
    other.close();
    const fault = await store.recordSeen('bank', id('v'), id('o'), NOW).catch((cause: unknown) => cause);
    expect(faultOf(fault)).toMatch(/^SqliteError SQLITE_ERROR at /);
  });

  it('tells under a busy what made it so', () => {
    const cause = Object.assign(new Error('disk full'), { name: 'SqliteError', code: 'SQLITE_FULL' });
    const sent = sentFault(new AkashiError('busy', { retryAfter: 2, cause }));
    expect(sent).toMatchObject({ code: 'busy', retryAfter: 2, cause: { fields: { code: 'SQLITE_FULL' } } });
  });

  it('says of a broken audit that it is broken', async () => {
    const other = new Client(file);
    other.exec('DROP TRIGGER audit_entries_are_linked_once; UPDATE audit_entries SET at = at + 1');
    other.close();
    const fault = await store.linkAudit().catch((cause: unknown) => cause);
    expect(fault).toBeInstanceOf(AuditBroken);
    expect(fault).toMatchObject({ fault: 'content', at: 1 });
  });
});
