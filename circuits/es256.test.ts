import { webcrypto } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeBase64url } from './base64url.ts';
import * as web from './es256.ts';
import * as node from './es256-node.ts';

const DATA = new TextEncoder().encode('the same bytes');

async function newKey() {
  const pair = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
    'sign',
    'verify',
  ]);
  const { x = '', y = '' } = await webcrypto.subtle.exportKey('jwk', pair.publicKey);
  return { privateKey: pair.privateKey, x, y };
}

type Es256 = Pick<typeof web, 'sign' | 'sha256'> & {
  check(
    key: Awaited<ReturnType<typeof newKey>>,
    signature: Uint8Array<ArrayBuffer>,
    data?: typeof DATA,
  ): Promise<boolean>;
  load(x: string, y: string): Promise<unknown>;
};

const IMPLEMENTATIONS: Readonly<Record<string, Es256>> = {
  web: {
    ...web,
    load: web.importPublicKey,
    check: async ({ x, y }, signature, data = DATA) =>
      web.verify(await web.importPublicKey(x, y), signature, data),
  },
  node: {
    ...node,
    load: node.importPublicKey,
    check: async ({ x, y }, signature, data = DATA) =>
      node.verify(await node.importPublicKey(x, y), signature, data),
  },
};

for (const [signer, { sign }] of Object.entries(IMPLEMENTATIONS)) {
  for (const [checker, { check }] of Object.entries(IMPLEMENTATIONS)) {
    it(`what ${signer} signs, ${checker} takes, and nothing else`, async () => {
      const key = await newKey();
      const signature = await sign(key.privateKey, DATA);
      expect(signature).toHaveLength(64);
      expect(await check(key, signature)).toBe(true);
      expect(await check(await newKey(), signature)).toBe(false);
      expect(await check(key, signature, new TextEncoder().encode('other bytes'))).toBe(false);
      for (const place of [0, 31, 32, 63]) {
        const altered = signature.slice();
        altered[place] = (altered[place] ?? 0) ^ 1;
        expect(await check(key, altered)).toBe(false);
      }
      for (const length of [0, 63, 65, 72]) {
        const other = new Uint8Array(length);
        other.set(signature.subarray(0, Math.min(length, 64)));
        expect(await check(key, other)).toBe(false);
      }
      // Zeros, r and s of the order itself: nothing that a signature can be.
      expect(await check(key, new Uint8Array(64))).toBe(false);
      expect(await check(key, new Uint8Array(64).fill(0xff))).toBe(false);
    });
  }
}

describe.each(Object.entries(IMPLEMENTATIONS))('%s', (_, { sha256, load }) => {
  it('hashes as FIPS 180-4 says', async () => {
    const hex = async (text: string) =>
      Buffer.from(await sha256(new TextEncoder().encode(text))).toString('hex');
    expect(await hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(await hex('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('takes no key that is no point of the curve', async () => {
    const { x, y } = await newKey();
    await expect(load(x, y)).resolves.toBeDefined();
    await expect(load(y, x)).rejects.toThrow();
    const zero = encodeBase64url(new Uint8Array(32));
    await expect(load(zero, zero)).rejects.toThrow();
  });
});
