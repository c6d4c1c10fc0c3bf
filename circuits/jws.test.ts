import { readFileSync } from 'node:fs';
import { base64url, CompactSign, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { verifyDpop } from './dpop.ts';
import {
  JWS_TYPES,
  type JwsKind,
  publicJwkShape,
  signJws,
  signKeyStatement,
  thumbprint,
  verifyJws,
  verifyKeyStatement,
} from './jws.ts';
import { parse } from './shape.ts';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`./vectors/${name}`, import.meta.url), 'utf8'));
const vectors = { ...read('wire.json'), evidence: read('evidence.json') };
const { signing, issuer, evidence } = vectors;
const findKey = (kid: string) => [signing, issuer, evidence].find((key) => key.kid === kid)?.jwk;
const signed = ['request', 'receipt', 'credential', 'evidence'] as const;

async function newKey() {
  const pair = await generateKeyPair('ES256', { extractable: true });
  const { kty, crv, x, y } = await exportJWK(pair.publicKey);
  const jwk = parse(publicJwkShape, { kty, crv, x, y });
  return { jwk, kid: await thumbprint(jwk), privateKey: pair.privateKey };
}

describe('a signed object', () => {
  test.each(signed)('of the kind %s verifies to its payload', async (kind) => {
    expect(await verifyJws(kind, vectors[kind].jws, findKey)).toEqual(vectors[kind].payload);
  });

  test.each(signed)('of the kind %s passes for no other kind', async (kind) => {
    for (const other of Object.keys(JWS_TYPES) as JwsKind[]) {
      if (other === kind) continue;
      await expect(verifyJws(other, vectors[kind].jws, findKey)).rejects.toThrow('signature invalid');
    }
  });

  test('fails with any single character changed', async () => {
    const { jws } = vectors.receipt;
    for (let i = 0; i < jws.length; i += 7) {
      const changed = jws.slice(0, i) + (jws[i] === 'A' ? 'B' : 'A') + jws.slice(i + 1);
      // The last character of a part may hold unused bits: such a change must fail as well, or change nothing.
      await expect(verifyJws('receipt', changed, findKey), `character ${i}`).rejects.toThrow(
        'signature invalid',
      );
    }
  });

  test('fails under an unknown key and under another key of the list', async () => {
    await expect(verifyJws('receipt', vectors.receipt.jws, () => undefined)).rejects.toThrow(
      'signature invalid',
    );
    await expect(verifyJws('receipt', vectors.receipt.jws, () => issuer.jwk)).rejects.toThrow(
      'signature invalid',
    );
  });

  test('fails with a header that says more or other than the protocol', async () => {
    const key = await newKey();
    const secret = new TextEncoder().encode(JSON.stringify(key.jwk));
    const typ = JWS_TYPES.receipt;
    const none = `${base64url.encode(JSON.stringify({ alg: 'none', typ, kid: key.kid }))}.${base64url.encode('{}')}.`;
    const forged = [
      none,
      await new SignJWT({}).setProtectedHeader({ alg: 'HS256', typ, kid: key.kid }).sign(secret),
      await new CompactSign(secret)
        .setProtectedHeader({ alg: 'ES256', typ, kid: key.kid, jku: 'https://evil.example' })
        .sign(key.privateKey),
      await new CompactSign(secret)
        .setProtectedHeader({ alg: 'ES256', typ, jwk: key.jwk })
        .sign(key.privateKey),
      await new CompactSign(secret).setProtectedHeader({ alg: 'ES256', kid: key.kid }).sign(key.privateKey),
    ];
    for (const jws of forged) {
      await expect(verifyJws('receipt', jws, () => key.jwk)).rejects.toThrow('signature invalid');
    }
  });

  test('signs and verifies anew', async () => {
    const key = await newKey();
    const jws = await signJws('receipt', { a: 1 }, key);
    expect(await verifyJws('receipt', jws, (kid) => (kid === key.kid ? key.jwk : undefined))).toEqual({
      a: 1,
    });
  });
});

describe('a key statement', () => {
  test('verifies under the thumbprint of its root key', async () => {
    expect(await verifyKeyStatement(vectors.keys.jws, vectors.rootThumbprint)).toEqual(vectors.keys.payload);
  });

  test('of another root key is refused, however good its signature', async () => {
    const other = await newKey();
    const jws = await signKeyStatement(vectors.keys.payload, other);
    await expect(verifyKeyStatement(jws, vectors.rootThumbprint)).rejects.toThrow('key statement invalid');
    expect(await verifyKeyStatement(jws, other.kid)).toEqual(vectors.keys.payload);
  });

  test('is not a request signed by a signing key', async () => {
    await expect(verifyKeyStatement(vectors.request.jws, signing.kid)).rejects.toThrow(
      'key statement invalid',
    );
  });
});

describe('a DPoP proof', () => {
  const {
    call: { method, url },
    body,
    proof,
    claims,
  } = vectors.dpop;
  const call = { method, url, body: new TextEncoder().encode(body) };
  let otherProof: string;

  beforeAll(async () => {
    const key = await newKey();
    otherProof = await new CompactSign(new TextEncoder().encode(JSON.stringify({ ...claims })))
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk })
      .sign(key.privateKey);
  });

  test('gives thumbprint, jti and nonce of the call it was made for', async () => {
    expect(await verifyDpop(proof, call)).toEqual({
      thumbprint: vectors.device.thumbprint,
      jwk: vectors.device.jwk,
      jti: claims.jti,
      nonce: claims.nonce,
    });
  });

  test.each([
    ['another method', { method: 'PUT' as const }],
    ['another path', { url: `${url}/x` }],
    ['another origin', { url: 'http://localhost:4301/v1/devices' }],
    ['a query', { url: `${url}?a=1` }],
    ['another body', { body: new TextEncoder().encode(`${body} `) }],
    ['no body', { body: new Uint8Array() }],
  ])('does not hold for %s', async (_, other) => {
    await expect(verifyDpop(proof, { ...call, ...other })).rejects.toThrow('unauthorized');
  });

  test('with claims missing, of another type, or too long is refused', async () => {
    await expect(verifyDpop(otherProof, call)).rejects.toThrow('unauthorized');
    await expect(verifyDpop(vectors.receipt.jws, call)).rejects.toThrow('unauthorized');
    await expect(verifyDpop('a'.repeat(100_000), call)).rejects.toThrow('unauthorized');
    await expect(verifyDpop('', call)).rejects.toThrow('unauthorized');
  });
});
