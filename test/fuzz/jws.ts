import { encodeBase64url, type PublicJwk, parse, publicJwkShape, thumbprint } from '@akashi/circuits';
import fc from 'fast-check';
import type * as v from 'valibot';
import { type Brokenness, brokenness, brokenText, type Spoil, spoil, spoiledBy } from './spoils.ts';
import { spoiledValuesOf } from './values.ts';

// JWS with something wrong in header, payload, signature or text, and the rest as it should be: most of them are signed by
// the right key, so that what is behind the signature is tried as well.

export interface SpoiledJws {
  readonly typ: string;
  readonly kid: string;
  readonly payload: unknown;
  readonly header: Spoil | null;
  readonly broken: Brokenness | null;
  /** By a key that is in the header, as DPoP proofs and key statements have it. */
  readonly rooted?: boolean;
}

export function spoiledJwsOf(typ: string, kid: string, shape: v.GenericSchema): fc.Arbitrary<SpoiledJws> {
  return fc.record({
    typ: fc.constant(typ),
    kid: fc.constant(kid),
    payload: spoiledValuesOf(shape),
    header: fc.oneof({ arbitrary: fc.constant(null), weight: 6 }, { arbitrary: spoil, weight: 1 }),
    broken: fc.oneof({ arbitrary: fc.constant(null), weight: 4 }, { arbitrary: brokenness, weight: 1 }),
  });
}

const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;

export interface Signer {
  readonly key: { readonly kid: string; readonly jwk: PublicJwk };
  readonly keys: readonly { kid: string; jwk: PublicJwk; nbf: number; exp: number }[];
  /** Its thumbprint. */
  readonly root: string;
  sign(jws: SpoiledJws): Promise<string>;
}

export async function openSigner(): Promise<Signer> {
  const pair = await crypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  const jwk = parse(publicJwkShape, { kty, crv, x, y });
  const kid = await thumbprint(jwk);
  return {
    ...{ key: { kid, jwk }, keys: [{ kid, jwk, nbf: 0, exp: Number.MAX_SAFE_INTEGER }], root: kid },
    async sign({ typ, kid, payload, header, broken, rooted }) {
      const plain = rooted ? { typ, alg: 'ES256', jwk } : { alg: 'ES256', typ, kid };
      const parts = [header === null ? plain : spoiledBy(plain, header), payload].map(encode);
      const signed = new TextEncoder().encode(parts.join('.'));
      const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, signed);
      const text = [...parts, encodeBase64url(new Uint8Array(signature))].join('.');
      return broken === null ? text : new TextDecoder().decode(brokenText(text, broken));
    },
  };
}

function encode(value: unknown): string {
  return encodeBase64url(new TextEncoder().encode(JSON.stringify(value) ?? ''));
}
