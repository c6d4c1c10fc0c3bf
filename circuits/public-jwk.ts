import * as v from 'valibot';
import { sha256 } from '#es256';
import { encodeBase64url } from './base64url.ts';
import { remembered } from './remembered.ts';
import { base64url32 } from './shape.ts';

/** A P-256 public key as the wire carries it. */
export const publicJwkShape = v.strictObject({
  kty: v.literal('EC'),
  crv: v.literal('P-256'),
  x: base64url32,
  y: base64url32,
});
export type PublicJwk = v.InferOutput<typeof publicJwkShape>;

/** RFC 7638 thumbprint, SHA-256, base64url. */
export const thumbprint = remembered(async ({ kty, crv, x, y }: PublicJwk) => {
  // The members in the order of section 3.2; none of these values needs an escape.
  const text = JSON.stringify({ crv, kty, x, y });
  return encodeBase64url(await sha256(new TextEncoder().encode(text)));
});
