import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileStorage } from './storage-file.ts';

describe('a file', () => {
  test('can be read by its owner only, also where one lay that others could read', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'device.json.new'), 'left by a crash', { mode: 0o666 });
    chmodSync(join(folder, 'device.json.new'), 0o666);
    const storage = fileStorage(folder);
    await storage.replace(await storage.createKey(), { a: 1 });
    expect(statSync(join(folder, 'device.json')).mode & 0o777).toBe(0o600);
    await storage.write('a', 2);
    expect(statSync(join(folder, 'device.json')).mode & 0o777).toBe(0o600);
    expect(await fileStorage(folder).read('a')).toBe(2);
  });

  test.each(['', '{', '[]', '{"jwk":{}}'])(
    'that is damaged is lost, not an empty start: %j',
    async (text) => {
      const folder = newFolder();
      writeFileSync(join(folder, 'device.json'), text);
      const storage = fileStorage(folder);
      expect([await storage.key(), await storage.wasKept()]).toEqual([null, true]);
      await storage.replace(await storage.createKey(), { a: 1 });
      expect(await storage.read('a')).toBe(1);
    },
  );

  test('with a record that is damaged says so', async () => {
    const folder = newFolder();
    await fileStorage(folder).replace(await fileStorage(folder).createKey(), { a: 1 });
    const file = JSON.parse(readFileSync(join(folder, 'device.json'), 'utf8'));
    for (const ciphertext of [file.records.a.ciphertext.slice(0, -2), 'AB', 'A']) {
      const records = { a: { ...file.records.a, ciphertext } };
      writeFileSync(join(folder, 'device.json'), JSON.stringify({ ...file, records }));
      await expect(fileStorage(folder).read('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
    }
  });

  test('whose keys do not belong together is lost', async () => {
    const folder = newFolder();
    const storage = fileStorage(folder);
    await storage.replace(await storage.createKey(), { a: 1 });
    const file = JSON.parse(readFileSync(join(folder, 'device.json'), 'utf8'));
    const { jwk } = await storage.createKey();
    writeFileSync(join(folder, 'device.json'), JSON.stringify({ ...file, jwk }));
    expect(await fileStorage(folder).key()).toBeNull();
  });

  test('that cannot be written is an error with a code', async () => {
    const blocked = join(newFolder(), 'file');
    writeFileSync(blocked, '');
    const storage = fileStorage(blocked);
    await expect(storage.replace(await storage.createKey(), {})).rejects.toMatchObject({
      code: 'storage_unavailable',
    });
  });
});

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'akashi-storage-'));
}
