import {
  base64url32,
  decodeBase64url,
  encodeBase64url,
  fieldFromBytes,
  type PublicJwk,
  parse,
  publicJwkShape,
  thumbprint,
} from '@akashi/circuits';
import * as v from 'valibot';

// The secrets of an issuer: what credentials are signed with, and what account numbers become (docs/protocol.md, section 3).

const privateJwkShape = v.strictObject({ ...publicJwkShape.entries, d: base64url32 });
/** A P-256 private key: `{kty, crv, x, y, d}`. */
export type PrivateJwk = v.InferOutput<typeof privateJwkShape>;

/** The secrets of an issuer, as JSON: made once, kept where the back end keeps its secrets. */
export interface IssuerKeys {
  /** Signs credentials. */
  readonly signingKey: PrivateJwk;
  /** 32 random bytes, base64url: turns account numbers into account keys. Another one makes other accounts. */
  readonly accountKey: string;
  /** Public halves of signing keys that this one took the place of, as long as credentials under them are to be believed. */
  readonly retiredKeys?: readonly PublicJwk[];
}

/** Fresh secrets of a new issuer. */
export async function generateIssuerKeys(): Promise<IssuerKeys> {
  const { privateKey } = await crypto.subtle.generateKey(ECDSA, true, ['sign']);
  const { kty, crv, x, y, d } = await crypto.subtle.exportKey('jwk', privateKey);
  return {
    signingKey: parse(privateJwkShape, { kty, crv, x, y, d }),
    accountKey: encodeBase64url(crypto.getRandomValues(new Uint8Array(32))),
  };
}

/** The same issuer with a new signing key; the one before is retired, and can be dropped when no credential needs it. */
export async function rotateIssuerKeys(keys: IssuerKeys): Promise<IssuerKeys> {
  const { signingKey } = await generateIssuerKeys();
  const { d: _, ...retired } = parse(privateJwkShape, keys.signingKey);
  return { ...keys, signingKey, retiredKeys: [retired, ...(keys.retiredKeys ?? [])] };
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' };

/**
 * A signing key as it is used, beside its public half and the name of that.
 * @throws AkashiError `malformed` for a key of another form
 */
export async function importSigningKey(
  signingKey: PrivateJwk,
): Promise<{ readonly jwk: PublicJwk; readonly kid: string; readonly privateKey: CryptoKey }> {
  const { d, ...jwk } = parse(privateJwkShape, signingKey);
  const privateKey = await crypto.subtle.importKey('jwk', { ...jwk, d }, ECDSA, false, ['sign']);
  return { jwk, kid: await thumbprint(jwk), privateKey };
}

/** `accountKey` of an account number: HMAC-SHA-256 under the tenant's key, first 31 bytes (docs/protocol.md, section 3). */
export async function accountKeys(secret: string): Promise<(accountNumber: string) => Promise<bigint>> {
  const bytes = new Uint8Array(decodeBase64url(parse(base64url32, secret)));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return async (accountNumber) =>
    fieldFromBytes(
      new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(accountNumber))),
    );
}
