import { CompactSign, calculateJwkThumbprint, compactVerify, type JWK, type JWSHeaderParameters } from 'jose';
import * as v from 'valibot';
import { AkashiError } from './error.ts';
import { base64url32, parse } from './shape.ts';

/** `typ` of every kind of JWS here. One kind never passes for another. */
export const JWS_TYPES = {
  request: 'akashi-request+jwt',
  receipt: 'akashi-receipt+jwt',
  credential: 'akashi-credential+jwt',
  keys: 'akashi-keys+jwt',
  evidence: 'akashi-evidence+jwt',
} as const;

export type JwsKind = keyof typeof JWS_TYPES;

/** A P-256 public key as the wire carries it. */
export const publicJwkShape = v.strictObject({
  kty: v.literal('EC'),
  crv: v.literal('P-256'),
  x: base64url32,
  y: base64url32,
});
export type PublicJwk = v.InferOutput<typeof publicJwkShape>;

export interface SigningKey {
  /** Name of the key in the JWS header. */
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

const headerShape = v.strictObject({ alg: v.literal('ES256'), typ: v.string(), kid: v.string() });
const rootHeaderShape = v.strictObject({ alg: v.literal('ES256'), typ: v.string(), jwk: publicJwkShape });

/** RFC 7638 thumbprint, SHA-256, base64url. */
export async function thumbprint(jwk: PublicJwk): Promise<string> {
  return calculateJwkThumbprint(jwk, 'sha256');
}

/** Signs `payload` as JSON: compact JWS, ES256, header `{alg, typ, kid}`. */
export async function signJws(kind: JwsKind, payload: object, key: SigningKey): Promise<string> {
  return sign(payload, { alg: 'ES256', typ: JWS_TYPES[kind], kid: key.kid }, key.privateKey);
}

/**
 * The payload of a JWS of this kind, after its signature held under the key that `findKey` gives for its `kid`.
 * @throws AkashiError `signature_invalid`: other kind, other header, unknown key or bad signature
 */
export async function verifyJws(
  kind: JwsKind,
  jws: string,
  findKey: (kid: string) => JWK | CryptoKey | undefined,
): Promise<unknown> {
  return verify(jws, JWS_TYPES[kind], (header) => findKey(parse(headerShape, header).kid));
}

/** Signs a key statement by the root key: the header carries the root's public key, which its readers know by thumbprint. */
export async function signKeyStatement(
  payload: object,
  rootKey: { readonly jwk: PublicJwk; readonly privateKey: CryptoKey },
): Promise<string> {
  return sign(payload, { alg: 'ES256', typ: JWS_TYPES.keys, jwk: rootKey.jwk }, rootKey.privateKey);
}

/**
 * The payload of a key statement signed by the root key with this thumbprint.
 * @throws AkashiError `key_statement_invalid`
 */
export async function verifyKeyStatement(jws: string, rootThumbprint: string): Promise<unknown> {
  let root: PublicJwk | undefined;
  try {
    const payload = await verify(jws, JWS_TYPES.keys, (header) => {
      root = parse(rootHeaderShape, header).jwk;
      return root;
    });
    if (root === undefined || (await thumbprint(root)) !== rootThumbprint) {
      throw new AkashiError('key_statement_invalid');
    }
    return payload;
  } catch (cause) {
    throw new AkashiError('key_statement_invalid', { cause });
  }
}

async function sign(payload: object, header: JWSHeaderParameters & { alg: string }, key: CryptoKey) {
  const bytes = new TextEncoder().encode(JSON.stringify(payload));
  return new CompactSign(bytes).setProtectedHeader(header).sign(key);
}

async function verify(
  jws: string,
  typ: string,
  findKey: (header: JWSHeaderParameters) => JWK | CryptoKey | undefined,
): Promise<unknown> {
  try {
    const { payload } = await compactVerify(
      jws,
      (header) => {
        const key = header.typ === typ ? findKey(header) : undefined;
        if (key === undefined) throw new AkashiError('signature_invalid');
        return key;
      },
      { algorithms: ['ES256'] },
    );
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch (cause) {
    throw new AkashiError('signature_invalid', { cause });
  }
}
