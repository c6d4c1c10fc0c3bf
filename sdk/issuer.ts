import {
  AkashiError,
  base64url16,
  base64url32,
  enrolmentAnswer,
  enrolmentBody,
  issuerAnswer,
  issuerBody,
  issuerSourceBody,
  type Policy,
  parse,
  policiesAnswer,
  policyAnswer,
  policyBody,
  policyFaults,
  publicJwkShape,
  reference,
  subjectDevicesAnswer,
  tenantScope,
} from '@akashi/circuits';
import { accountReference } from '@akashi/circuits/poseidon';
import type * as v from 'valibot';
import { type Call, openBackendConnection, post } from './backend-connection.ts';
import { type BackendVerifications, openBackendVerifications } from './backend-verifications.ts';
import { checkAnswer, openConnection, readAnswer, twice } from './connection.ts';
import type { CredentialFilter } from './credential-store.ts';
import { type Issuance, openIssuance } from './issuance.ts';
import { accountKeys, type IssuerKeys, importSigningKey } from './issuer-keys.ts';
import { openPublication, type PublicationOptions } from './publication.ts';
import { verifierKeys } from './receipt.ts';

export type {
  ClaimDefinition,
  ClaimsSchema,
  Evidence,
  Policy,
  PolicyFact,
  PolicyFault,
  Requirement,
  RiskSignals,
  SignedEvidence,
  StepUp,
  Transaction,
} from '@akashi/circuits';
export type { Call } from './backend-connection.ts';
export type { StartOptions } from './backend-verifications.ts';
export type { IssuedClaims } from './claims.ts';
export {
  type CredentialFilter,
  type CredentialStore,
  type IssuedCredential,
  memoryCredentials,
} from './credential-store.ts';
export type { ExpectedEvidence } from './evidence.ts';
export type { Account, IssueClaimsOptions, IssueOptions } from './issuance.ts';
export type { IssuedAccounts } from './issued-accounts.ts';
export {
  generateIssuerKeys,
  type IssuerKeys,
  type PrivateJwk,
  rotateIssuerKeys,
} from './issuer-keys.ts';
export type { PublicationOptions } from './publication.ts';

export interface IssuerOptions extends IssuerKeys {
  /** Public origin of the verifier. */
  readonly verifier: string;
  readonly apiKey: string;
  /** Id of the tenant. */
  readonly tenant: string;
  /** Publishes the keys and what was revoked. Without it the key is pinned, and credentials end only by themselves. */
  readonly publication?: PublicationOptions;
  readonly fetch?: typeof fetch;
  /** Milliseconds, like `Date.now`. */
  readonly now?: () => number;
  /** For each call; default 20. */
  readonly timeoutSeconds?: number;
}

export interface Enrolment {
  readonly token: string;
  readonly root: string;
  /** `#enrol=<token>.<root>`, to be put behind the address of the phone page. */
  readonly fragment: string;
  /** UTC seconds. */
  readonly expiresAt: number;
}

export type SubjectDevice = v.InferOutput<typeof subjectDevicesAnswer>['devices'][number];

/**
 * A tenant's back end. Every method may throw AkashiError: `unauthorized` (API key), `malformed`, `network`, `timeout`,
 * `aborted`, or a code of the verifier.
 */
export interface Issuer extends Issuance, BackendVerifications {
  /** Thumbprint of the signing key. */
  readonly issuer: string;
  /** Makes the signing key known to the verifier, or where it is published. Again is harmless. */
  register(options?: Call): Promise<void>;
  /** Takes a pinned key back, by its thumbprint. Throws also `not_found`. */
  unregister(issuer: string, options?: Call): Promise<void>;
  /** Answers the verifier's GET of an address below `publication.url`, of which only the path counts. */
  answer(url: string): Promise<Response>;
  /** Revokes credentials of a subject; how many. Throws TypeError without `publication`. */
  revoke(filter: CredentialFilter): Promise<number>;
  /** Throws also `policy_too_wide`, `policy_not_two_factor`, `passkeys_off`; of `malformed`, `cause` is a list of `PolicyFault`: what, where. */
  putPolicy(policy: Omit<Policy, 'version'>, options?: Call): Promise<Policy>;
  policies(options?: Call): Promise<readonly Policy[]>;
  requestEnrolment(subject: string, options?: Call): Promise<Enrolment>;
  /** `accountKey` of an account, decimal. Secret: with it, `accountRef` of the account can be recognised. */
  accountKeyOf(accountNumber: string): Promise<string>;
  /** `accountRef` for `start`, decimal. */
  accountReference(accountNumber: string): Promise<string>;
  devices(subject: string, options?: Call): Promise<readonly SubjectDevice[]>;
  revokeDevice(device: string, options?: Call): Promise<void>;
}

/** @throws AkashiError `malformed` for keys or a tenant of another form */
export async function openIssuer(options: IssuerOptions): Promise<Issuer> {
  const { now: clock = Date.now } = options;
  const now = () => Math.floor(clock() / 1000);
  const tenant = parse(reference, options.tenant);
  const { jwk, kid, privateKey } = await importSigningKey(options.signingKey);
  const signingKey = { kid, privateKey };
  const accountKeyOf = await accountKeys(options.accountKey);
  const published = [jwk, ...(options.retiredKeys ?? []).map((key) => parse(publicJwkShape, key))];
  const publication =
    options.publication && openPublication(options.publication, { signingKey, published, now });
  const connection = openConnection(options);
  const backend = openBackendConnection(connection, options.apiKey);
  const { send, ask } = backend;
  const common = { tenant, keysFor: verifierKeys(connection), now };

  return {
    ...openIssuance({ ...common, verifier: connection.origin, signingKey, accountKeyOf, publication }),
    ...openBackendVerifications({ ...common, connection: backend }),
    issuer: kid,
    async register({ signal } = {}) {
      if (publication === undefined) {
        await ask({ ...post('/v1/issuers', issuerBody, { jwk }), signal }, issuerAnswer);
        return;
      }
      const body = JSON.stringify(parse(issuerSourceBody, publication.source));
      await ask({ method: 'PUT', path: '/v1/issuers/source', body, signal }, issuerSourceBody);
    },
    async unregister(issuer, { signal } = {}) {
      const path = `/v1/issuers/${parse(base64url32, issuer)}`;
      checkAnswer(await send({ method: 'DELETE', path, signal }));
    },
    answer: async (url) => (publication ? publication.answer(url) : new Response(null, { status: 404 })),
    async revoke(filter) {
      if (publication === undefined) throw new TypeError('an issuer without a publication revokes nothing');
      return publication.revoke(filter);
    },
    async putPolicy(policy, { signal } = {}) {
      const faults = policyFaults(policy);
      if (faults.length > 0) throw new AkashiError('malformed', { cause: faults });
      return ask({ ...post('/v1/policies', policyBody, policy), signal }, policyAnswer);
    },
    async policies({ signal } = {}) {
      return (await ask({ method: 'GET', path: '/v1/policies', signal }, policiesAnswer)).policies;
    },
    async requestEnrolment(subject, { signal } = {}) {
      const answer = await send({ ...post('/v1/enrolments', enrolmentBody, { subject }), signal });
      const { token, root, expiresAt } = readAnswer(answer, enrolmentAnswer);
      return { token, root, fragment: `#enrol=${token}.${root}`, expiresAt };
    },
    accountKeyOf: async (accountNumber) => String(await accountKeyOf(accountNumber)),
    accountReference: async (accountNumber) =>
      String(accountReference(await accountKeyOf(accountNumber), await tenantScope(tenant))),
    async devices(subject, { signal } = {}) {
      const path = `/v1/devices?subject=${encodeURIComponent(parse(reference, subject))}`;
      return (await ask({ method: 'GET', path, signal }, subjectDevicesAnswer)).devices;
    },
    async revokeDevice(device, { signal } = {}) {
      const path = `/v1/devices/${parse(base64url16, device)}`;
      checkAnswer(await twice(() => send({ method: 'DELETE', path, signal })));
    },
  };
}
