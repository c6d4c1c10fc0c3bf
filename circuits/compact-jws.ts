import { importPublicKey, sign, verify } from '#es256';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { AkashiError } from './error.ts';
import type { PublicJwk } from './public-jwk.ts';
import { remembered } from './remembered.ts';
import { jwsOfAnyLength, parse } from './shape.ts';

// Compact JWS (RFC 7515) with ES256: the one form and the one algorithm that this protocol has. A library for all of JOSE was most of what a phone page loads before anything happens.

const importKey = remembered(({ x, y }: PublicJwk) => importPublicKey(x, y));

export async function signCompact(
  header: { readonly alg: 'ES256'; readonly typ: string; readonly kid?: string; readonly jwk?: PublicJwk },
  payload: object,
  key: CryptoKey,
): Promise<string> {
  const signed = `${encodeJson(header)}.${encodeJson(payload)}`;
  const signature = await sign(key, new TextEncoder().encode(signed));
  return `${signed}.${encodeBase64url(signature)}`;
}

/**
 * The payload, after the signature held.
 * @param keyOf checks all of the header, and gives the key for it; what it throws comes through
 * @throws AkashiError `signature_invalid`, `malformed`; DOMException, TypeError in Node, for a key that is no point of the curve
 */
export async function verifyCompact(jws: string, keyOf: (header: unknown) => PublicJwk): Promise<unknown> {
  const { header, payload, signature } = partsOf(jws);
  const key = await importKey(keyOf(decodeJson(header)));
  const signed = new TextEncoder().encode(`${header}.${payload}`);
  const holds = await verify(key, decodeBase64url(signature), signed);
  if (!holds) throw new AkashiError('signature_invalid');
  return decodeJson(payload);
}

/** What a JWS says of which nothing is checked yet, or that somebody else checks. @throws AkashiError `malformed` */
export function unverifiedJws(jws: string): { readonly header: unknown; readonly payload: unknown } {
  const { header, payload } = partsOf(jws);
  return { header: decodeJson(header), payload: decodeJson(payload) };
}

function partsOf(jws: string) {
  const [header = '', payload = '', signature = ''] = parse(jwsOfAnyLength, jws).split('.');
  return { header, payload, signature };
}

function encodeJson(value: object): string {
  return encodeBase64url(new TextEncoder().encode(JSON.stringify(value)));
}

function decodeJson(part: string): unknown {
  try {
    return JSON.parse(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(decodeBase64url(part)),
    );
  } catch (cause) {
    throw new AkashiError('malformed', { cause });
  }
}
