import { IDBFactory } from 'fake-indexeddb';
import { describe, expect, test } from 'vitest';
import type { KeptDevice } from './storage.ts';
import { indexedDbStorage } from './storage-indexeddb.ts';

describe('IndexedDB', () => {
  const open = (indexedDB: IDBFactory, marks = newMarks(), name = 'aoba') =>
    indexedDbStorage({ name, indexedDB, marks, locks: null, persist: null });

  test('holds keys that nobody can export', async () => {
    const indexedDB = new IDBFactory();
    const storage = open(indexedDB);
    await storage.replace(await storage.createKey(), { a: 1 });
    const kept = await open(indexedDB).key();
    expect(kept?.privateKey.extractable).toBe(false);
    if (kept) await expect(crypto.subtle.exportKey('jwk', kept.privateKey)).rejects.toThrow();
    const row = await readRow(indexedDB, 'akashi:aoba', 'device');
    expect((row as KeptDevice).storageKey.extractable).toBe(false);
  });

  test('tells lost storage from a fresh start', async () => {
    const marks = newMarks();
    const storage = open(new IDBFactory(), marks);
    await storage.replace(await storage.createKey(), { a: 1 });
    const evicted = open(new IDBFactory(), marks);
    expect([await evicted.key(), await evicted.wasKept()]).toEqual([null, true]);
    expect(await open(new IDBFactory(), newMarks()).wasKept()).toBe(false);
  });

  test('that the browser refuses is an error with a code', async () => {
    const refused = {
      open: () => {
        throw new DOMException('denied', 'SecurityError');
      },
    } as unknown as IDBFactory;
    await expect(open(refused).key()).rejects.toMatchObject({ code: 'storage_unavailable' });
    await expect(open(refused).clear()).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  test('keeps tenants apart by name', async () => {
    const indexedDB = new IDBFactory();
    const storage = open(indexedDB);
    await storage.replace(await storage.createKey(), { a: 1 });
    expect(await open(indexedDB, newMarks(), 'other').key()).toBeNull();
  });

  test('works without marks, and asks for persistence once there is something to keep', async () => {
    let asked = 0;
    const persist = () => {
      asked += 1;
      return Promise.reject(new Error('denied'));
    };
    const full = {
      ...newMarks(),
      setItem: () => {
        throw new DOMException('full', 'QuotaExceededError');
      },
    };
    const storage = indexedDbStorage({
      name: 'a',
      indexedDB: new IDBFactory(),
      marks: full,
      locks: null,
      persist,
    });
    expect(await storage.key()).toBeNull();
    expect(asked).toBe(0);
    await storage.replace(await storage.createKey(), { a: 1 });
    expect([asked, await storage.read('a')]).toEqual([1, 1]);
  });

  test('uses the lock of all tabs where there is one', async () => {
    const names: unknown[] = [];
    const request = (async (name: string, work: () => Promise<unknown>) => {
      names.push(name);
      return work();
    }) as LockManager['request'];
    const storage = indexedDbStorage({
      name: 'a',
      indexedDB: new IDBFactory(),
      marks: null,
      locks: { request },
      persist: null,
    });
    expect(await storage.exclusive(async () => 5)).toBe(5);
    expect(names).toEqual(['akashi:a']);
  });
});

function newMarks(): Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> {
  const marks = new Map<string, string>();
  return {
    getItem: (name) => marks.get(name) ?? null,
    setItem: (name, value) => void marks.set(name, value),
    removeItem: (name) => void marks.delete(name),
  };
}

function readRow(indexedDB: IDBFactory, name: string, key: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const reading = opening.result.transaction('kept').objectStore('kept').get(key);
      reading.onsuccess = () => resolve(reading.result);
      reading.onerror = () => reject(reading.error);
    };
  });
}
