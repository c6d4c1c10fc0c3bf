import { randomBytes } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileStorage } from '@akashi/sdk/storage-file';
import { openKeys } from '@akashi/verifier';
import Database from 'better-sqlite3';
import { base64url } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { unseal } from '../verifier/sealed.ts';
import { openWorld, policyOf, startOf, type TestTenant, type World } from './harness.ts';
import { searchPins } from './pin-search.ts';
import { newPrivateFolder } from './run.ts';

// Somebody copied the database, and the device's storage with its key. Without the keys that lie outside of the
// database that is not enough to try PINs, although there are only 10,000 of them.

/** Low, so that the control ends soon; and one that the phone takes. */
const PIN = '0073';

let world: World;
let bank: TestTenant;
const loot = newPrivateFolder();

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  const storage = fileStorage(join(loot, 'phone'));
  const phone = await bank.phone('customer-1', { pin: PIN, storage });
  // A wrong PIN and the right one, so that everything that use leaves behind is there.
  const started = await bank.issuer.start(startOf(phone.subject, { policy: policyOf('pin') }));
  const code = started.code ?? '';
  await phone.holder.present(started.verification, { code, pin: '8046' }).catch(() => undefined);
  const outcome = await phone.holder.present(started.verification, { code, pin: PIN });
  expect(outcome.verdict).toBe('passed');
  for (const suffix of ['', '-wal', '-shm']) {
    const file = `${world.file}${suffix}`;
    if (existsSync(file)) copyFileSync(file, join(loot, `copy.db${suffix}`));
  }
  cpSync(join(loot, 'phone'), join(loot, 'phone-copy'), { recursive: true });
});

afterAll(() => world.close());

interface DeviceRow {
  readonly device: string;
  readonly tenant: string;
  readonly commitment: string;
  readonly evaluation_key: string;
}

/** The one device, out of the copied database. */
function stolenDevice(): DeviceRow {
  const database = new Database(join(loot, 'copy.db'), { readonly: true });
  try {
    const rows = database.prepare('SELECT device, tenant, commitment, evaluation_key FROM devices').all();
    expect(rows).toHaveLength(1);
    return rows[0] as DeviceRow;
  } finally {
    database.close();
  }
}

/** What the copied storage opens to, its own key lying beside it. */
async function stolenRecord(): Promise<{ readonly holderSecret: string; readonly commitment: string }> {
  const record = await fileStorage(join(loot, 'phone-copy')).read('holder');
  return record as { holderSecret: string; commitment: string };
}

function sealedKey({ evaluation_key }: DeviceRow) {
  const { kek, iv, ciphertext } = JSON.parse(evaluation_key) as Record<'kek' | 'iv' | 'ciphertext', string>;
  return { kek, iv: base64url.decode(iv), ciphertext: base64url.decode(ciphertext) };
}

/** A scalar of the group, which is little-endian, as the search takes it. */
const scalar = (bytes: Uint8Array) => Buffer.from(bytes).reverse().toString('hex');

test('database and device together do not confirm a single PIN', async () => {
  const { holderSecret, commitment } = await stolenRecord();
  const row = stolenDevice();
  expect(row.commitment).toBe(commitment);
  const { storageKey } = JSON.parse(readFileSync(join(loot, 'phone-copy', 'device.json'), 'utf8'));
  const keys = {
    'the sealed key as it is': scalar(sealedKey(row).ciphertext.subarray(0, 32)),
    'the storage key of the device': scalar(base64url.decode(storageKey)),
  };
  expect(await searchPins({ holderSecret, commitment, keys })).toEqual({ tried: 10_000, matches: [] });
}, 240_000);

test('the control: with the keys from outside the same search finds it', async () => {
  const { holderSecret, commitment } = await stolenRecord();
  const row = stolenDevice();
  const { keyEncryption } = await openKeys(world.keys);
  const place = { kind: 'evaluation-key', tenant: row.tenant, row: row.device } as const;
  const evaluationKey = unseal(keyEncryption, place, sealedKey(row));
  const keys = { 'the evaluation key': scalar(evaluationKey) };
  const { matches } = await searchPins({ holderSecret, commitment, keys }, 100);
  expect(matches).toEqual([{ pin: PIN, by: 'the evaluation key' }]);
});

test('no other key of the verifier opens it, and none opens it in another place', async () => {
  const row = stolenDevice();
  const keys = await openKeys(world.keys);
  const sealed = sealedKey(row);
  const place = { kind: 'evaluation-key', tenant: row.tenant, row: row.device } as const;
  for (const key of [keys.codeKey, keys.nonceKey, new Uint8Array(32), randomBytes(32)]) {
    const others = { current: sealed.kek, keys: new Map([[sealed.kek, key]]) };
    expect(() => unseal(others, place, sealed)).toThrow();
  }
  const elsewhere = [
    { ...place, tenant: 'kita' },
    { ...place, row: 'another-device' },
    { ...place, kind: 'request' as const },
  ];
  for (const other of elsewhere) expect(() => unseal(keys.keyEncryption, other, sealed)).toThrow();
});
