import { type Credential, type PublicJwk, parseCredential, verifyJws } from '@akashi/circuits';
import { decodeProtectedHeader } from 'jose';
import type { Store } from './store.ts';

// The checks of a credential (docs/protocol.md, section 6). The first one that fails gives the reason, which only
// the audit learns.

/** Seconds by which an issuer's clock may be ahead. */
const LEEWAY_SECONDS = 60;

export type CredentialRefusal =
  | 'issuer' // no key of the tenant has this name
  | 'signature'
  | 'shape'
  | 'audience'
  | 'tenant'
  | 'subject'
  | 'device'
  | 'schema' // of something else than was asked about
  | 'lifetime' // longer than its schema allows
  | 'not_yet'
  | 'expired';

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

/** The credential, if all of it is as expected; else why not. */
export async function checkCredential(
  jws: string,
  expected: CredentialExpectation,
  issuerKey: Store['issuerKey'],
): Promise<Credential | CredentialRefusal> {
  const issuer = issuerName(jws);
  // Of the tenant's list only: a key in a header would vouch for itself.
  const key = issuer === undefined ? undefined : await issuerKey(expected.tenant, issuer);
  if (issuer === undefined || key === undefined) return 'issuer';
  const payload = await verifiedPayload(jws, issuer, key);
  if (payload === undefined) return 'signature';
  const credential = parsedCredential(payload);
  if (credential === undefined) return 'shape';
  if (credential.iss !== issuer) return 'issuer';
  if (credential.aud !== expected.audience) return 'audience';
  if (credential.tenant !== expected.tenant) return 'tenant';
  if (credential.sub !== expected.subject) return 'subject';
  if (credential.cnf.jkt !== expected.thumbprint) return 'device';
  if (credential.schema !== expected.schema) return 'schema';
  const { lifetimeSeconds } = expected;
  if (lifetimeSeconds !== null && credential.exp - credential.iat > lifetimeSeconds) return 'lifetime';
  if (credential.iat > expected.now + LEEWAY_SECONDS) return 'not_yet';
  if (credential.exp <= expected.now) return 'expired';
  return credential;
}

function issuerName(jws: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(jws);
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined;
  }
}

async function verifiedPayload(jws: string, issuer: string, key: PublicJwk): Promise<unknown> {
  try {
    return await verifyJws('credential', jws, (kid) => (kid === issuer ? key : undefined));
  } catch {
    return undefined;
  }
}

function parsedCredential(payload: unknown): Credential | undefined {
  try {
    return parseCredential(payload);
  } catch {
    return undefined;
  }
}
