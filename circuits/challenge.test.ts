import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { base64url } from 'jose';
import { describe, expect, test } from 'vitest';
import { challenge, challengeBytes, passkeyChallenge, pinChangeChallenge } from './challenge.ts';
import { FIELD_ORDER } from './field.ts';
import { tenantScope } from './scope.ts';

interface Vectors {
  challenge: {
    request: string;
    index: number;
    nonce: string;
    code: string | null;
    bytes: string;
    field: string;
  }[];
  pinChange: { thumbprint: string; nonce: string; commitment: string; field: string }[];
  passkey: { thumbprint: string; challenge: string; id: string; field: string }[];
  scope: { tenant: string; field: string }[];
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('./vectors/challenge.json', import.meta.url), 'utf8'),
);

describe('the challenge', () => {
  test.each(vectors.challenge)('equals the vector for index $index, code $code', (vector) => {
    const parts = { ...vector, nonce: base64url.decode(vector.nonce) };
    expect(Buffer.from(challengeBytes(parts)).toString('hex')).toBe(vector.bytes);
    expect(challenge(parts).toString()).toBe(vector.field);
  });

  test('changes with every part of it', () => {
    const parts = { request: 'a.b.c', index: 0, nonce: new Uint8Array(32), code: '123456' };
    const others = [
      parts,
      { ...parts, request: 'a.b.d' },
      { ...parts, index: 1 },
      { ...parts, nonce: new Uint8Array(32).fill(1) },
      { ...parts, code: '123457' },
      { ...parts, code: null },
    ];
    expect(new Set(others.map(challenge)).size).toBe(others.length);
  });

  test('is always a field element, so nothing is reduced', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.nat(255),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (request, index, nonce) => {
          const value = challenge({ request, index, nonce, code: null });
          expect(value < FIELD_ORDER && value < 2n ** 248n).toBe(true);
        },
      ),
    );
  });

  test.each([
    ['a short nonce', { nonce: new Uint8Array(31) }],
    ['a long nonce', { nonce: new Uint8Array(33) }],
    ['a code of five digits', { code: '12345' }],
    ['full-width digits', { code: '１２３４５６' }],
    ['an empty code, which would be the pre-call form', { code: '' }],
    ['an index over a byte', { index: 256 }],
    ['a negative index', { index: -1 }],
  ])('refuses %s', (_, wrong) => {
    const parts = { request: 'a.b.c', index: 0, nonce: new Uint8Array(32), code: '123456' };
    expect(() => challenge({ ...parts, ...wrong })).toThrow(TypeError);
  });
});

test.each(vectors.pinChange)('the challenge of a PIN change equals the vector $#', (vector) => {
  const value = pinChangeChallenge({
    thumbprint: vector.thumbprint,
    nonce: base64url.decode(vector.nonce),
    commitment: BigInt(vector.commitment),
  });
  expect(value.toString()).toBe(vector.field);
});

test.each(vectors.passkey)('the challenge of a new passkey equals the vector $#', (vector) => {
  const value = passkeyChallenge({
    thumbprint: vector.thumbprint,
    challenge: base64url.decode(vector.challenge),
    id: base64url.decode(vector.id),
  });
  expect(value.toString()).toBe(vector.field);
});

test('the challenge of a new passkey refuses one of another length', () => {
  const parts = { thumbprint: 'A'.repeat(43), id: new Uint8Array(1) };
  for (const length of [31, 33]) {
    expect(() => passkeyChallenge({ ...parts, challenge: new Uint8Array(length) })).toThrow(TypeError);
  }
});

test.each(vectors.scope)('the scope of a tenant equals the vector $#', async (vector) => {
  expect((await tenantScope(vector.tenant)).toString()).toBe(vector.field);
});
