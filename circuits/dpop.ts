import * as v from 'valibot';
import { sha256 } from '#es256';
import { encodeBase64url } from './base64url.ts';
import { signCompact, verifyCompact } from './compact-jws.ts';
import { AkashiError } from './error.ts';
import { type PublicJwk, publicJwkShape, thumbprint } from './public-jwk.ts';
import { base64url16, base64url32, parse, time } from './shape.ts';

// Device authentication: a DPoP proof (RFC 9449) whose claim `bh` also covers the body (docs/protocol.md, section 4).

const TYP = 'dpop+jwt';

const headerShape = v.strictObject({ typ: v.literal(TYP), alg: v.literal('ES256'), jwk: publicJwkShape });

const claimsShape = v.strictObject({
  jti: base64url16,
  htm: v.picklist(['GET', 'POST', 'PUT', 'DELETE']),
  htu: v.pipe(v.string(), v.maxLength(512)),
  iat: time,
  bh: base64url32,
  nonce: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,128}$/))),
});

export interface DpopCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Public origin and path, without query and fragment. */
  readonly url: string;
  /** The body exactly as sent; empty where there is none. */
  readonly body: Uint8Array;
}

export interface DpopClaims {
  /** 128 random bits, base64url. */
  readonly jti: string;
  /** The last `DPoP-Nonce` of the verifier; none on the very first call. */
  readonly nonce: string | undefined;
  /** UTC seconds by the device's clock: not relied on. */
  readonly iat: number;
}

export interface DeviceKey {
  readonly jwk: PublicJwk;
  readonly privateKey: CryptoKey;
}

/** The value of the `DPoP` header for one call. */
export async function signDpop(call: DpopCall, claims: DpopClaims, key: DeviceKey): Promise<string> {
  const { jti, nonce, iat } = claims;
  const payload = {
    jti,
    htm: call.method,
    htu: call.url,
    iat,
    bh: await bodyHash(call.body),
    ...(nonce === undefined ? {} : { nonce }),
  };
  return signCompact({ typ: TYP, alg: 'ES256', jwk: key.jwk }, payload, key.privateKey);
}

export interface VerifiedDpop {
  /** Thumbprint of the key that signed: whether it is a registered one is the caller's to check. */
  readonly thumbprint: string;
  readonly jwk: PublicJwk;
  /** To be consumed once: replay is the caller's to check. */
  readonly jti: string;
  /** To be compared with what the verifier gave out: freshness is the caller's to check. */
  readonly nonce: string | undefined;
}

/**
 * Checks signature, method, URL and body hash of a DPoP proof.
 * @throws AkashiError `unauthorized`, whatever is wrong
 */
export async function verifyDpop(proof: string, call: DpopCall): Promise<VerifiedDpop> {
  try {
    if (proof.length > 2048) throw new AkashiError('malformed');
    let jwk: PublicJwk | undefined;
    const payload = await verifyCompact(proof, (header) => {
      jwk = parse(headerShape, header).jwk;
      return jwk;
    });
    const claims = parse(claimsShape, payload);
    const good =
      claims.htm === call.method &&
      claims.htu === call.url &&
      claims.bh === (await bodyHash(call.body)) &&
      jwk;
    if (!good) throw new AkashiError('unauthorized');
    return { thumbprint: await thumbprint(good), jwk: good, jti: claims.jti, nonce: claims.nonce };
  } catch (cause) {
    throw new AkashiError('unauthorized', { cause });
  }
}

async function bodyHash(body: Uint8Array): Promise<string> {
  return encodeBase64url(await sha256(new Uint8Array(body)));
}
