import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { bodyDigest, codeOf, isCode, transactionSalt } from './codes.ts';

const key = new Uint8Array(32).fill(7);

test('a code is the first 8 bytes of its HMAC, mod a million, with its leading zeros', () => {
  let leadingZeros = 0;
  for (let i = 0; i < 100; i++) {
    const mac = createHmac('sha256', key).update(`akashi/transfer-code/v1verification-${i}`).digest('hex');
    const expected = (BigInt(`0x${mac.slice(0, 16)}`) % 1_000_000n).toString().padStart(6, '0');
    expect(codeOf('transfer', key, `verification-${i}`)).toBe(expected);
    if (expected.startsWith('0')) leadingZeros++;
  }
  expect(leadingZeros).toBeGreaterThan(0);
});

test('the two kinds, two verifications, two keys have nothing to do with each other', () => {
  const codes = [
    codeOf('transfer', key, 'a'),
    codeOf('claim', key, 'a'),
    codeOf('transfer', key, 'b'),
    codeOf('transfer', new Uint8Array(32).fill(8), 'a'),
  ];
  expect(new Set(codes).size).toBe(4);
});

test('the salt of a transaction is the HMAC under a label of its own', () => {
  const mac = createHmac('sha256', key).update('akashi/transaction-salt/v1a').digest();
  expect(Buffer.from(transactionSalt(key, 'a'))).toEqual(mac);
  expect(transactionSalt(key, 'b')).not.toEqual(transactionSalt(key, 'a'));
});

test('what is kept of a body cannot be made without the key', () => {
  const body = new TextEncoder().encode('{"transaction":{}}');
  const mac = createHmac('sha256', key).update('akashi/start-body/v1').update(body).digest();
  expect(Buffer.from(bodyDigest(key, body))).toEqual(mac);
  expect(bodyDigest(new Uint8Array(32), body)).not.toEqual(bodyDigest(key, body));
});

test('only the code itself is the code', () => {
  const code = codeOf('transfer', key, 'a');
  const other = String((Number(code) + 1) % 1_000_000).padStart(6, '0');
  expect(isCode('transfer', key, 'a', code)).toBe(true);
  for (const typed of [other, '', code.slice(1), `${code}0`, codeOf('claim', key, 'a')]) {
    expect(isCode('transfer', key, 'a', typed)).toBe(false);
  }
});
