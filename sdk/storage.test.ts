import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IDBFactory } from 'fake-indexeddb';
import { describe, expect, test } from 'vitest';
import {
  type DeviceStorage,
  type KeptDevice,
  memoryStorage,
  type SealedRecord,
  sealedStorage,
} from './storage.ts';
import { fileStorage } from './storage-file.ts';
import { indexedDbStorage } from './storage-indexeddb.ts';

/** One place, and how to open it again as another tab or the next run would. */
type Place = () => DeviceStorage;

const places: readonly (readonly [string, () => Place])[] = [
  [
    'memory',
    () => {
      const storage = memoryStorage();
      return () => storage;
    },
  ],
  [
    'a file',
    () => {
      const folder = newFolder();
      return () => fileStorage(folder);
    },
  ],
  [
    'IndexedDB',
    () => {
      const indexedDB = new IDBFactory();
      const marks = newMarks();
      return () => indexedDbStorage({ name: 'aoba', indexedDB, marks, locks: null, persist: null });
    },
  ],
];

describe.each(places)('device storage in %s', (_, newPlace) => {
  test('is empty at first, and says so', async () => {
    const storage = newPlace()();
    expect([await storage.key(), await storage.read('holder'), await storage.wasKept()]).toEqual([
      null,
      undefined,
      false,
    ]);
    await expect(storage.write('holder', 1)).rejects.toMatchObject({ code: 'not_enrolled' });
  });

  test('keeps key and records for the next one who opens it', async () => {
    const open = newPlace();
    const key = await open().createKey();
    expect(await open().key()).toBeNull(); // making one keeps nothing
    await open().replace(key, { holder: { secret: '42' }, list: [1, 2] });
    const again = open();
    const kept = await again.key();
    expect(kept?.jwk).toEqual(key.jwk);
    expect(await again.read('holder')).toEqual({ secret: '42' });
    expect(await again.read('list')).toEqual([1, 2]);
    expect(await again.read('other')).toBeUndefined();
    expect(await again.wasKept()).toBe(true);
    if (kept) await signsFor(kept.privateKey, key.jwk);
  });

  test('overwrites single records, and replaces all of them with the next device', async () => {
    const open = newPlace();
    const storage = open();
    await storage.replace(await storage.createKey(), { a: 1, b: 1 });
    await storage.write('a', 2);
    expect([await open().read('a'), await open().read('b')]).toEqual([2, 1]);
    await storage.replace(await storage.createKey(), { c: 3 });
    expect([await open().read('a'), await open().read('b'), await open().read('c')]).toEqual([
      undefined,
      undefined,
      3,
    ]);
  });

  test('clears everything', async () => {
    const open = newPlace();
    const storage = open();
    await storage.replace(await storage.createKey(), { a: 1 });
    await storage.clear();
    expect([await open().key(), await open().read('a'), await open().wasKept()]).toEqual([
      null,
      undefined,
      false,
    ]);
  });

  test('lets one task after the other in, also after one that failed', async () => {
    const storage = newPlace()();
    const order: string[] = [];
    const task = (name: string, ms: number) =>
      storage.exclusive(async () => {
        order.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, ms));
        order.push(`${name} out`);
        if (name === 'a') throw new Error('a fails');
      });
    const results = await Promise.allSettled([task('a', 15), task('b', 1)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(order).toEqual(['a in', 'a out', 'b in', 'b out']);
  });
});

describe('sealed records', () => {
  const shelf = () => {
    const kept: { device: KeptDevice | null; records: Map<string, SealedRecord> } = {
      device: null,
      records: new Map(),
    };
    const storage = sealedStorage({
      extractable: false,
      device: async () => kept.device,
      record: async (name) => kept.records.get(name) ?? null,
      replace: async (device, records) => {
        kept.device = device;
        kept.records = new Map(records);
      },
      put: async (name, record) => void kept.records.set(name, record),
      clear: async () => kept.records.clear(),
      wasKept: async () => kept.device !== null,
      exclusive: (work) => work(),
    });
    return { kept, storage };
  };

  test('open under their own name only', async () => {
    const { kept, storage } = shelf();
    await storage.replace(await storage.createKey(), { a: 'A', b: 'B' });
    const [a, b] = [kept.records.get('a'), kept.records.get('b')];
    if (!a || !b) throw new TypeError();
    kept.records = new Map([
      ['a', b],
      ['b', a],
    ]);
    await expect(storage.read('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  test('open for their own device only, even under its storage key', async () => {
    const { kept, storage } = shelf();
    await storage.replace(await storage.createKey(), { a: 'A' });
    if (!kept.device) throw new TypeError();
    kept.device = { ...kept.device, ...(await storage.createKey()) };
    await expect(storage.read('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  test('do not open when a bit of them was changed', async () => {
    const { kept, storage } = shelf();
    await storage.replace(await storage.createKey(), { a: 'A' });
    const record = kept.records.get('a');
    if (!record) throw new TypeError();
    for (const bytes of [record.iv, record.ciphertext]) {
      const first = bytes[0] ?? 0;
      bytes[0] = first ^ 1;
      await expect(storage.read('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
      bytes[0] = first;
    }
    expect(await storage.read('a')).toBe('A');
  });

  test('never repeat a nonce, and do not show what they hold', async () => {
    const { kept, storage } = shelf();
    await storage.replace(await storage.createKey(), {});
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      await storage.write('a', 'a secret that is the same each time');
      const record = kept.records.get('a');
      seen.add(Buffer.from(record?.iv ?? []).toString('hex'));
      expect(Buffer.from(record?.ciphertext ?? []).toString('latin1')).not.toContain('secret');
    }
    expect(seen.size).toBe(50);
  });
});

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'akashi-storage-'));
}

function newMarks(): Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> {
  const marks = new Map<string, string>();
  return {
    getItem: (name) => marks.get(name) ?? null,
    setItem: (name, value) => void marks.set(name, value),
    removeItem: (name) => void marks.delete(name),
  };
}

async function signsFor(privateKey: CryptoKey, jwk: JsonWebKey): Promise<void> {
  const publicKey = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, [
    'verify',
  ]);
  const bytes = new TextEncoder().encode('message');
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const signature = await crypto.subtle.sign(algorithm, privateKey, bytes);
  expect(await crypto.subtle.verify(algorithm, publicKey, signature, bytes)).toBe(true);
}
