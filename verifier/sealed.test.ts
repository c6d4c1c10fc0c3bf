import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { SealedPlace } from './records.ts';
import { type KeyEncryption, seal, unseal } from './sealed.ts';

const keys: KeyEncryption = {
  current: 'two',
  keys: new Map([
    ['one', randomBytes(32)],
    ['two', randomBytes(32)],
  ]),
};
const place: SealedPlace = { kind: 'evaluation-key', tenant: 'bank', row: 'device-1' };
const secret = new TextEncoder().encode('a key of thirty-two bytes, or so');

test('what is sealed opens in its place, and shows nothing of itself', () => {
  const sealed = seal(keys, place, secret, randomBytes);
  expect(Buffer.from(unseal(keys, place, sealed)).equals(Buffer.from(secret))).toBe(true);
  expect(Buffer.from(sealed.ciphertext).includes('key of')).toBe(false);
});

test('it opens in no other place', () => {
  const sealed = seal(keys, place, secret, randomBytes);
  for (const other of [
    { ...place, kind: 'request' },
    { ...place, tenant: 'shop' },
    { ...place, row: 'device-2' },
    { ...place, tenant: 'ban', row: 'k\0device-1' },
  ] as const) {
    expect(() => unseal(keys, other, sealed)).toThrow();
  }
});

test('no bit of it can be changed, and no byte cut off', () => {
  const sealed = seal(keys, place, secret, randomBytes);
  for (let i = 0; i < sealed.ciphertext.length; i++) {
    const ciphertext = Uint8Array.from(sealed.ciphertext);
    ciphertext[i] = (ciphertext[i] ?? 0) ^ 1;
    expect(() => unseal(keys, place, { ...sealed, ciphertext })).toThrow();
    expect(() => unseal(keys, place, { ...sealed, ciphertext: sealed.ciphertext.slice(0, i) })).toThrow();
  }
  expect(() => unseal(keys, place, { ...sealed, iv: randomBytes(12) })).toThrow();
});

test('a key that is no longer the current one still opens what it sealed; an unknown one opens nothing', () => {
  const sealed = seal({ ...keys, current: 'one' }, place, secret, randomBytes);
  expect(sealed.kek).toBe('one');
  expect(unseal(keys, place, sealed).length).toBe(secret.length);
  expect(() => unseal(keys, place, { ...sealed, kek: 'two' })).toThrow();
  expect(() => unseal(keys, place, { ...sealed, kek: 'three' })).toThrow('not among the keys');
});
