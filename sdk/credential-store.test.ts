import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileCredentials } from './credential-file.ts';
import { type CredentialStore, type IssuedCredential, memoryCredentials } from './credential-store.ts';

const NOW = 1_900_000_000;
const JKT = `${'a'.repeat(42)}A`;
const OTHER = `${'b'.repeat(42)}A`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'akashi-credentials-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = () => join(folder, 'bank', 'credentials.jsonl');
const at = (index: number, change: Partial<IssuedCredential> = {}): IssuedCredential => ({
  list: 0,
  index,
  subject: 'c-1',
  jkt: JKT,
  schema: 'akashi/accounts/v1',
  issuedAt: NOW,
  expiresAt: NOW + 100,
  ...change,
});
const revoked = async (store: CredentialStore, list = 0, now = NOW) =>
  [...(await store.revoked(list, now))].sort((a, b) => a - b);

const stores: Record<string, () => Promise<CredentialStore>> = {
  memory: async () => memoryCredentials(),
  file: () => fileCredentials(path()),
};

describe.each(Object.keys(stores))('a store of credentials in %s', (kind) => {
  let store: CredentialStore;
  beforeEach(async () => {
    store = (await stores[kind]?.()) ?? memoryCredentials();
  });

  test('gives a place once', async () => {
    expect(await store.add(at(7))).toBe(0);
    expect(await store.add(at(7, { subject: 'c-2' }))).toBeNull();
    expect(await store.add(at(7))).toBeNull();
    expect(await revoked(store)).toEqual([]);
    expect(await store.add(at(7, { subject: 'c-2', list: 1 }))).toBe(0);
  });

  test('gives one of many that want the same place at once', async () => {
    const wanted = Array.from({ length: 50 }, (_, i) => store.add(at(7, { subject: `c-${i}` })));
    expect((await Promise.all(wanted)).filter((count) => count !== null)).toEqual([0]);
  });

  test('revokes what a credential takes the place of, and nothing else', async () => {
    await store.add(at(1));
    await store.add(at(2, { jkt: OTHER }));
    await store.add(at(3, { schema: 'income' }));
    await store.add(at(4, { subject: 'c-2' }));
    expect(await store.add(at(5, { list: 1 }))).toBe(1);
    expect(await revoked(store)).toEqual([1]);
    expect(await store.add(at(6))).toBe(1);
    expect([await revoked(store), await revoked(store, 1)]).toEqual([[1], [5]]);
  });

  test('leaves one good credential when a device is issued many at once', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.add(at(i))));
    expect(await revoked(store)).toHaveLength(19);
  });

  test('revokes by subject, by device, by schema', async () => {
    const all = [at(1), at(2, { jkt: OTHER }), at(3, { schema: 'income' }), at(4, { subject: 'c-2' })];
    for (const credential of all) await store.add(credential);
    expect(await store.revoke({ subject: 'c-1', jkt: OTHER })).toBe(1);
    expect(await revoked(store)).toEqual([2]);
    expect(await store.revoke({ subject: 'c-1', schema: 'income' })).toBe(1);
    expect(await store.revoke({ subject: 'c-1' })).toBe(1);
    expect(await store.revoke({ subject: 'c-1' })).toBe(0);
    expect(await store.revoke({ subject: 'nobody' })).toBe(0);
    expect(await revoked(store)).toEqual([1, 2, 3]);
  });

  test('knows its newest list', async () => {
    expect(await store.newestList()).toBe(0);
    await store.add(at(1, { list: 2 }));
    await store.add(at(1, { list: 1, subject: 'c-2' }));
    expect(await store.newestList()).toBe(2);
    expect(await revoked(store, 9)).toEqual([]);
  });

  test('lists a revoked place until its credential is over', async () => {
    await store.add(at(1));
    await store.revoke({ subject: 'c-1' });
    expect(await revoked(store, 0, NOW + 99)).toEqual([1]);
    expect(await revoked(store, 0, NOW + 100)).toEqual([]);
  });
});

describe('a file of credentials', () => {
  const fill = async () => {
    const store = await fileCredentials(path());
    for (const credential of [at(1), at(2, { subject: 'c-2' }), at(3, { subject: 'c-2' })])
      await store.add(credential);
    await store.revoke({ subject: 'c-1' });
    return store;
  };

  test('holds what was said to it when it is opened again, and only its owner can read it', async () => {
    await fill();
    const again = await fileCredentials(path());
    expect(await revoked(again)).toEqual([1, 2]);
    expect(await again.add(at(3))).toBeNull();
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'bank')).mode & 0o777).toBe(0o700);
  });

  test('survives a crash in the middle of a line: that verb never resolved', async () => {
    await fill();
    const whole = readFileSync(path(), 'utf8');
    appendFileSync(path(), '{"revoke":{"subject":"c-2');
    const store = await fileCredentials(path());
    expect(await revoked(store)).toEqual([1, 2]);
    expect(readFileSync(path(), 'utf8')).toBe(whole);
    await store.revoke({ subject: 'c-2' });
    expect(await revoked(await fileCredentials(path()))).toEqual([1, 2, 3]);
  });

  test.each([
    ['that was edited', (text: string) => text.replace('"index":2', '"index":"2"')],
    ['with one place given twice', (text: string) => text.replace('"index":2', '"index":1')],
    ['with a line that is none', (text: string) => `x\n${text}`],
  ])('%s is not opened', async (_, edit) => {
    await fill();
    writeFileSync(path(), edit(readFileSync(path(), 'utf8')));
    await expect(fileCredentials(path())).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  test('that cannot be written any more says so, and does nothing from then on', async () => {
    const store = await fill();
    rmSync(join(folder, 'bank'), { recursive: true });
    writeFileSync(join(folder, 'bank'), '');
    chmodSync(join(folder, 'bank'), 0o600);
    for (const work of [() => store.add(at(9)), () => store.revoke({ subject: 'c-2' })])
      await expect(work()).rejects.toMatchObject({ code: 'storage_unavailable' });
  });
});
