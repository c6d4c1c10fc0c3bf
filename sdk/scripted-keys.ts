import {
  encodeBase64url,
  type PublicJwk,
  parse,
  publicJwkShape,
  signKeyStatement,
  thumbprint,
} from '@akashi/circuits';

// Test support: keys, ids and key statements of a scripted verifier.

export const ORIGIN = 'https://verify.example';

export interface Signer {
  readonly jwk: PublicJwk;
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

export async function newSigner(): Promise<Signer> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  const jwk = parse(publicJwkShape, { kty, crv, x, y });
  return { jwk, kid: await thumbprint(jwk), privateKey: pair.privateKey };
}

export function newId(length = 16): string {
  return encodeBase64url(crypto.getRandomValues(new Uint8Array(length)));
}

/** A statement by `root` over one signing key, valid for a day. */
export async function statementOf(
  root: Signer,
  { jwk, kid }: Signer,
  now: number,
  rest: object = {},
): Promise<string> {
  const keys = [{ jwk, kid, nbf: now - 60, exp: now + 86_400 }];
  return signKeyStatement({ iss: ORIGIN, keys, iat: now, ...rest }, root);
}
