import { readFileSync } from 'node:fs';
import {
  base64url,
  CompactSign,
  calculateJwkThumbprint,
  compactVerify,
  exportJWK,
  generateKeyPair,
  SignJWT,
} from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { verifyDpop } from './dpop.ts';
import {
  JWS_TYPES,
  type JwsKind,
  signJws,
  signKeyStatement,
  unverifiedJws,
  verifyJws,
  verifyKeyStatement,
} from './jws.ts';
import { publicJwkShape, thumbprint } from './public-jwk.ts';
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

  test('may be as long as a request with many lines', async () => {
    const { jwk, kid, privateKey } = await newKey();
    const payload = { lines: Array.from({ length: 200 }, (_, i) => `${i} ${'x'.repeat(100)}`) };
    const jws = await signJws('request', payload, { kid, privateKey });
    expect(jws.length).toBeGreaterThan(20_000);
    expect(await verifyJws('request', jws, () => jwk)).toEqual(payload);
  });

  test('signs and verifies anew', async () => {
    const key = await newKey();
    const jws = await signJws('receipt', { a: 1 }, key);
    expect(await verifyJws('receipt', jws, (kid) => (kid === key.kid ? key.jwk : undefined))).toEqual({
      a: 1,
    });
  });

  test('is what jose signs and verifies, name of the key included', async () => {
    for (let round = 0; round < 20; round++) {
      const key = await newKey();
      expect(await calculateJwkThumbprint(key.jwk)).toBe(key.kid);
      const payload = { text: `日本 ${'"\\\u2028'.repeat(round)}`, round };
      const ours = await compactVerify(await signJws('request', payload, key), key.jwk);
      expect(JSON.parse(new TextDecoder().decode(ours.payload))).toEqual(payload);
      expect(ours.protectedHeader).toEqual({ alg: 'ES256', typ: JWS_TYPES.request, kid: key.kid });
      const theirs = await new SignJWT(payload)
        .setProtectedHeader({ alg: 'ES256', typ: JWS_TYPES.request, kid: key.kid })
        .sign(key.privateKey);
      expect(await verifyJws('request', theirs, () => key.jwk)).toEqual(payload);
    }
  });

  test('fails in any form but the compact one', async () => {
    const { jws } = vectors.receipt;
    const [header, payload, signature] = jws.split('.');
    const zeros = `${header}.${payload}.${'A'.repeat(86)}`;
    const other = [
      '',
      'a',
      `${header}.${payload}`,
      `${jws}.`,
      `${jws}.${signature}`,
      `${jws}=`,
      `${jws} `,
      ` ${jws}`,
      `${jws}\n`,
      `${header}..${signature}`,
      `${header}.${payload}.`,
      zeros,
      `${header}.${payload}.${signature}AA`,
      `${header}.${payload}.${signature.slice(0, -1)}`,
      `${header}.${payload.replaceAll('-', '+').replaceAll('_', '/')}=.${signature}`,
      JSON.stringify({ protected: header, payload, signature }),
    ];
    for (const form of other) {
      await expect(verifyJws('receipt', form, findKey), form).rejects.toThrow('signature invalid');
      if (form !== zeros) expect(() => unverifiedJws(form), form).toThrow('malformed');
    }
  });

  test('fails when header or payload is signed, and is no JSON in UTF-8', async () => {
    const key = await newKey();
    const good = new TextEncoder().encode(
      JSON.stringify({ alg: 'ES256', typ: JWS_TYPES.receipt, kid: key.kid }),
    );
    const odd = [
      new Uint8Array([0xff, 0xfe]),
      new Uint8Array([0xef, 0xbb, 0xbf, ...good]),
      new TextEncoder().encode('{'),
      new Uint8Array([...good, 0x20, 0x7b]),
    ];
    const sign = async (header: Uint8Array, payload: Uint8Array) => {
      const signed = `${base64url.encode(header)}.${base64url.encode(payload)}`;
      const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
      const bytes = new Uint8Array(
        await crypto.subtle.sign(algorithm, key.privateKey, new TextEncoder().encode(signed)),
      );
      return `${signed}.${base64url.encode(bytes)}`;
    };
    expect(await verifyJws('receipt', await sign(good, good), () => key.jwk)).toMatchObject({ alg: 'ES256' });
    for (const bytes of odd) {
      for (const jws of [await sign(good, bytes), await sign(bytes, good)]) {
        await expect(verifyJws('receipt', jws, () => key.jwk)).rejects.toThrow('signature invalid');
      }
    }
  });

  test('fails under a key that is no point of the curve', async () => {
    const { jwk } = await newKey();
    const off = { ...jwk, y: jwk.x };
    await expect(verifyJws('receipt', vectors.receipt.jws, () => off)).rejects.toThrow('signature invalid');
  });

  test('with a signature of zeros, or with s and r swapped, fails', async () => {
    const key = await newKey();
    const jws = await signJws('receipt', {}, key);
    const cut = jws.lastIndexOf('.') + 1;
    const bytes = base64url.decode(jws.slice(cut));
    const swapped = new Uint8Array([...bytes.subarray(32), ...bytes.subarray(0, 32)]);
    for (const other of [new Uint8Array(64), swapped]) {
      const forged = jws.slice(0, cut) + base64url.encode(other);
      await expect(verifyJws('receipt', forged, () => key.jwk)).rejects.toThrow('signature invalid');
    }
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
