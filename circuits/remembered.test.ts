import { describe, expect, it } from 'vitest';
import { encodeBase64url } from './base64url.ts';
import type { PublicJwk } from './public-jwk.ts';
import { remembered } from './remembered.ts';

function keyOf(n: number): PublicJwk {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, n);
  return { kty: 'EC', crv: 'P-256', x: encodeBase64url(bytes), y: encodeBase64url(new Uint8Array(32)) };
}

describe('what is remembered of a key', () => {
  it('is made once, also for callers at the same time, and not shared with another key', async () => {
    let made = 0;
    const number = remembered(async () => ++made);
    expect(await Promise.all([number(keyOf(1)), number(keyOf(1))])).toEqual([1, 1]);
    expect(await number({ ...keyOf(1), y: keyOf(2).x })).toBe(2);
    expect(await number({ ...keyOf(1), x: keyOf(2).x })).toBe(3);
    expect(await number(keyOf(1))).toBe(1);
  });

  it('is no failure: the next caller tries again', async () => {
    let tries = 0;
    const flaky = remembered(async () => {
      tries++;
      if (tries === 1) throw new Error('first');
      return tries;
    });
    await expect(flaky(keyOf(1))).rejects.toThrow('first');
    expect(await flaky(keyOf(1))).toBe(2);
  });

  it('is bounded: strangers with ever new keys fill no memory', async () => {
    let made = 0;
    const number = remembered(async () => ++made);
    for (let i = 0; i <= 4096; i++) await number(keyOf(i));
    expect(await number(keyOf(4096))).toBe(4097);
    expect(await number(keyOf(0))).toBe(4098);
  });
});
