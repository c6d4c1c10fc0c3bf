import { type Credential, JWS_TYPES, parseCredential, verifyJws } from '@akashi/circuits';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Issuers } from './issuers.ts';

// The checks of a credential (docs/protocol.md, section 6). The first one that fails gives the reason, which only
// the audit learns.

/** Seconds by which an issuer's clock may be ahead. */
const LEEWAY_SECONDS = 60;

export type CredentialRefusal =
  | 'type' // not a credential at all
  | 'tenant' // of another tenant
  | 'issuer' // no key of the tenant has this name
  | 'issuer_unavailable' // the tenant's keys cannot be had
  | 'signature'
  | 'schema' // of something else than was asked about
  | 'shape'
  | 'audience'
  | 'subject'
  | 'device' // bound to another one
  | 'lifetime' // longer than its schema allows
  | 'not_yet'
  | 'expired'
  | 'status' // no place in a status list of this tenant
  | 'revoked'
  | 'status_unavailable';

export interface CredentialExpectation {
  /** The verifier's public origin. */
  readonly audience: string;
  readonly tenant: string;
  readonly subject: string;
  /** Thumbprint of the presenting device's key. */
  readonly thumbprint: string;
  /** `schema` of the credential. */
  readonly schema: string;
  /** From issue to expiry, at most; `null`: as the issuer likes. */
  readonly lifetimeSeconds: number | null;
  readonly now: number;
}

/**
 * The credential, if all of it is as expected; else why not. It may wait for the tenant's server, for a bounded time.
 * @throws AkashiError `busy` when too many wait for that
 */
export async function checkCredential(
  jws: string,
  expected: CredentialExpectation,
  issuers: Issuers,
): Promise<Credential | CredentialRefusal> {
  const issuer = issuerName(jws);
  if (issuer === undefined) return 'type';
  // Of the tenant's own keys only: a key in a header would vouch for itself.
  const key = await issuers.key(expected.tenant, issuer);
  if (key === 'issuer') return saysOtherTenant(jws, expected.tenant) ? 'tenant' : 'issuer';
  if (typeof key === 'string') return key;
  const payload = await quietly(() =>
    verifyJws('credential', jws, (kid) => (kid === issuer ? key : undefined)),
  );
  if (payload === undefined) return 'signature';
  if (schemaOf(payload) !== expected.schema) return 'schema';
  const credential = await quietly(() => parseCredential(payload));
  if (credential === undefined) return 'shape';
  const refusal = refusalOf(credential, issuer, expected);
  if (refusal !== null) return refusal;
  const status = await issuers.status(expected.tenant, credential.status);
  return status === 'valid' ? credential : status;
}

/** Why a credential that was good a moment ago is not any more, as far as is known without asking anyone. */
export function lapsed(
  { exp, status }: Credential,
  { tenant, now }: Pick<CredentialExpectation, 'tenant' | 'now'>,
  issuers: Issuers,
): CredentialRefusal | null {
  if (exp <= now) return 'expired';
  return issuers.knownRevoked(tenant, status) ? 'revoked' : null;
}

function refusalOf(
  credential: Credential,
  issuer: string,
  expected: CredentialExpectation,
): CredentialRefusal | null {
  if (credential.iss !== issuer) return 'issuer';
  if (credential.aud !== expected.audience) return 'audience';
  if (credential.tenant !== expected.tenant) return 'tenant';
  if (credential.sub !== expected.subject) return 'subject';
  if (credential.cnf.jkt !== expected.thumbprint) return 'device';
  const { lifetimeSeconds } = expected;
  if (lifetimeSeconds !== null && credential.exp - credential.iat > lifetimeSeconds) return 'lifetime';
  if (credential.iat > expected.now + LEEWAY_SECONDS) return 'not_yet';
  if (credential.exp <= expected.now) return 'expired';
  return null;
}

/** The name of the key, if the header is that of a credential. */
function issuerName(jws: string): string | undefined {
  try {
    const { typ, alg, kid } = decodeProtectedHeader(jws);
    return typ === JWS_TYPES.credential && alg === 'ES256' ? kid : undefined;
  } catch {
    return undefined;
  }
}

/** What a credential whose signature nobody can check says of its tenant: it decides nothing but the reason. */
function saysOtherTenant(jws: string, tenant: string): boolean {
  try {
    const { tenant: said } = decodeJwt(jws);
    return typeof said === 'string' && said !== tenant;
  } catch {
    return false;
  }
}

function schemaOf(payload: unknown): unknown {
  return typeof payload === 'object' && payload !== null && 'schema' in payload ? payload.schema : null;
}

async function quietly<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}
