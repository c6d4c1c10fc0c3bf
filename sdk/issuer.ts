import {
  ACCOUNTS_MAX,
  ACCOUNTS_SCHEMA,
  AkashiError,
  base64url16,
  base64url32,
  type Claim,
  type ClaimsSchema,
  type Credential,
  claimBody,
  type Evidence,
  encodeBase64url,
  enrolmentAnswer,
  enrolmentBody,
  evidenceAnswer,
  issuerAnswer,
  issuerBody,
  issuerSourceBody,
  type Policy,
  parse,
  parseField,
  policiesAnswer,
  policyAnswer,
  policyBody,
  policyFaults,
  publicJwkShape,
  reference,
  type SignedEvidence,
  type Start,
  signJws,
  startBody,
  subjectDevicesAnswer,
  tenantScope,
  text,
  type Verification,
  verificationShape,
} from '@akashi/circuits';
import { accountReference, accountsTree } from '@akashi/circuits/poseidon';
import * as v from 'valibot';
import type { IssuedClaims } from './claims.ts';
import { commitClaims } from './claims-issuer.ts';
import {
  checkAnswer,
  type HttpAnswer,
  type HttpCall,
  openConnection,
  readAnswer,
  twice,
} from './connection.ts';
import type { CredentialFilter } from './credential-store.ts';
import { checkEvidence, type ExpectedEvidence } from './evidence.ts';
import type { IssuedAccounts } from './issued-accounts.ts';
import { accountKeys, type IssuerKeys, importSigningKey } from './issuer-keys.ts';
import { openPublication, type PublicationOptions } from './publication.ts';
import { checkReceipt, verifierKeys } from './receipt.ts';
import { watchVerification } from './watch.ts';

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
export type { IssuedClaims } from './claims.ts';
export {
  type CredentialFilter,
  type CredentialStore,
  type IssuedCredential,
  memoryCredentials,
} from './credential-store.ts';
export type { ExpectedEvidence } from './evidence.ts';
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

export interface Account {
  /** As the tenant's records have it: the same account must always be spelt alike. */
  readonly number: string;
  /** Shown to the customer on the device. */
  readonly label: string;
}

export interface IssueOptions extends Call {
  readonly receipt: string;
  /** The customer who is logged in to the tenant's own app: the receipt must be about this one. */
  readonly subject: string;
  /** 1 to 16, all different. */
  readonly accounts: readonly Account[];
  /** Default 90 days. */
  readonly lifetimeSeconds?: number;
}

export interface IssueClaimsOptions extends Call {
  readonly receipt: string;
  /** As for accounts. */
  readonly subject: string;
  readonly schema: ClaimsSchema;
  /**
   * By name, all of the schema's. integer: decimal. money: minor units, decimal. date: `YYYY-MM-DD`, 1900 or later.
   * enumeration: one of its numbers. text: as it is, Unicode form NFC.
   */
  readonly claims: Readonly<Record<string, string>>;
  /** Default 90 days. Of a volatile schema 24 hours, and no more. */
  readonly lifetimeSeconds?: number;
}

export interface StartOptions extends Call {
  /** Makes a repeated start one start; default: a new one for each call. */
  readonly idempotencyKey?: string;
}

export type SubjectDevice = v.InferOutput<typeof subjectDevicesAnswer>['devices'][number];

export interface Call {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A tenant's back end. Every method may throw AkashiError: `unauthorized` (API key), `malformed`, `network`, `timeout`,
 * `aborted`, or a code of the verifier.
 */
export interface Issuer {
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
  /** Signs the accounts of a subject over a receipt, and revokes what that device had before. Throws also `receipt_invalid`. */
  issueAccounts(options: IssueOptions): Promise<IssuedAccounts>;
  /** Vouches for claims of a subject over a receipt. Throws also `receipt_invalid`, and `malformed` for a value outside its type. */
  issueClaims(options: IssueClaimsOptions): Promise<IssuedClaims>;
  /** Starts a verification, pre-call ones included. Throws also `no_device`, `policy_unknown`. */
  start(start: Start, options?: StartOptions): Promise<Verification>;
  verification(id: string, options?: Call): Promise<Verification>;
  /** The verification once it is done. Of a pre-call one the verdict is then still to be claimed. */
  wait(id: string, options?: Call): Promise<Verification>;
  cancel(id: string, options?: Call): Promise<Verification>;
  devices(subject: string, options?: Call): Promise<readonly SubjectDevice[]>;
  revokeDevice(device: string, options?: Call): Promise<void>;
  /** The verifier's signed word on a verdict, to be kept beside what was done. Throws also `no_verdict`. */
  evidence(id: string, options?: Call): Promise<SignedEvidence>;
  /** What evidence says, once it is about what is expected. Throws also `evidence_invalid`. */
  checkEvidence(evidence: SignedEvidence, expected: ExpectedEvidence & Call): Promise<Evidence>;
  /** Takes over a pre-call pass, for an IVR. Throws also `claim_refused`. */
  claim(claim: Claim, options?: Call): Promise<Verification>;
}

const DEFAULT_LIFETIME_SECONDS = 90 * 24 * 60 * 60;

const accountsShape = v.pipe(
  v.array(v.strictObject({ number: v.pipe(v.string(), v.minLength(1), v.maxLength(128)), label: text })),
  v.minLength(1),
  v.maxLength(ACCOUNTS_MAX),
  v.check((accounts) => new Set(accounts.map(({ number }) => number)).size === accounts.length),
);

/** @throws AkashiError `malformed` for keys or a tenant of another form */
export async function openIssuer(options: IssuerOptions): Promise<Issuer> {
  const { apiKey, now = Date.now } = options;
  const tenant = parse(reference, options.tenant);
  const { jwk, kid, privateKey } = await importSigningKey(options.signingKey);
  const accountKeyOf = await accountKeys(options.accountKey);
  const seconds = () => Math.floor(now() / 1000);
  const publication =
    options.publication &&
    openPublication(options.publication, {
      signingKey: { kid, privateKey },
      published: [jwk, ...(options.retiredKeys ?? []).map((key) => parse(publicJwkShape, key))],
      now: seconds,
    });
  const connection = openConnection(options);
  const keysFor = verifierKeys(connection);

  const send = (call: HttpCall): Promise<HttpAnswer> =>
    connection.send({ ...call, headers: { ...call.headers, Authorization: `Bearer ${apiKey}` } });
  /** For calls that a second arrival does not change. */
  const call = async <S extends v.GenericSchema>(httpCall: HttpCall, shape: S): Promise<v.InferOutput<S>> =>
    readAnswer(await twice(() => send(httpCall)), shape);
  const pathOf = (id: string) => `/v1/verifications/${parse(base64url16, id)}`;
  const post = (path: string, shape: v.GenericSchema, body: unknown) =>
    ({ method: 'POST', path, body: JSON.stringify(parse(shape, body)) }) as const;

  /** The receipt, and what every credential over it says. */
  const checkedReceipt = async ({
    jws,
    subject,
    lifetimeSeconds,
    signal,
  }: {
    readonly jws: string;
    readonly subject: string;
    readonly lifetimeSeconds: number;
    readonly signal: AbortSignal | undefined;
  }) => {
    const time = Math.floor(now() / 1000);
    const verifier = connection.origin;
    const expected = { verifier, tenant, subject, now: time };
    const receipt = await checkReceipt(jws, await keysFor(jws, time, signal), expected);
    const cnf = { jkt: receipt.jkt };
    const life = { iat: time, exp: time + lifetimeSeconds };
    return { receipt, common: { iss: kid, aud: verifier, tenant, sub: subject, cnf, ...life } };
  };
  /** Takes a place for it first, and so revokes what that device had of this schema: nothing is issued where that fails. */
  const signCredential = async (credential: Credential): Promise<string> => {
    const { sub: subject, cnf, schema, iat: issuedAt, exp: expiresAt } = credential;
    const status = await publication?.place({ subject, jkt: cnf.jkt, schema, issuedAt, expiresAt });
    const payload = status === undefined ? credential : { ...credential, status };
    return signJws('credential', payload, { kid, privateKey });
  };

  return {
    issuer: kid,
    async register({ signal } = {}) {
      if (publication === undefined) {
        await call({ ...post('/v1/issuers', issuerBody, { jwk }), signal }, issuerAnswer);
        return;
      }
      const body = JSON.stringify(parse(issuerSourceBody, publication.source));
      await call({ method: 'PUT', path: '/v1/issuers/source', body, signal }, issuerSourceBody);
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
      return call({ ...post('/v1/policies', policyBody, policy), signal }, policyAnswer);
    },
    async policies({ signal } = {}) {
      return (await call({ method: 'GET', path: '/v1/policies', signal }, policiesAnswer)).policies;
    },
    async requestEnrolment(subject, { signal } = {}) {
      const answer = await send({ ...post('/v1/enrolments', enrolmentBody, { subject }), signal });
      const { token, root, expiresAt } = readAnswer(answer, enrolmentAnswer);
      return { token, root, fragment: `#enrol=${token}.${root}`, expiresAt };
    },
    accountKeyOf: async (accountNumber) => String(await accountKeyOf(accountNumber)),
    accountReference: async (accountNumber) =>
      String(accountReference(await accountKeyOf(accountNumber), await tenantScope(tenant))),
    async issueAccounts({
      receipt: jws,
      subject,
      accounts,
      lifetimeSeconds = DEFAULT_LIFETIME_SECONDS,
      signal,
    }) {
      const listed = parse(accountsShape, accounts);
      const { receipt, common } = await checkedReceipt({ jws, subject, lifetimeSeconds, signal });
      const secrets = await Promise.all(listed.map(({ number }) => accountKeyOf(number)));
      const { root, paths } = accountsTree(secrets, parseField(receipt.holder));
      const credential = { ...common, schema: ACCOUNTS_SCHEMA, accountsRoot: String(root) } as const;
      return {
        credential: await signCredential(credential),
        accounts: listed.map(({ label }, index) => ({
          label,
          accountKey: String(secrets[index]),
          index,
          siblings: (paths[index] ?? []).map(String),
        })),
      };
    },
    async issueClaims({ receipt: jws, subject, schema, claims, lifetimeSeconds, signal }) {
      const { committed, commitment, longest } = commitClaims(schema, claims);
      const seconds = lifetimeSeconds ?? Math.min(longest, DEFAULT_LIFETIME_SECONDS);
      if (seconds > longest) throw new AkashiError('malformed');
      const { receipt, common } = await checkedReceipt({ jws, subject, lifetimeSeconds: seconds, signal });
      const credential = {
        ...common,
        schema: String(committed.schema),
        credential: String(commitment(parseField(receipt.holder))),
      };
      return {
        credential: await signCredential(credential),
        schema,
        salt: String(committed.salt),
        claims: { ...claims },
      };
    },
    async start(start, { idempotencyKey, signal } = {}) {
      const key = idempotencyKey ?? encodeBase64url(crypto.getRandomValues(new Uint8Array(16)));
      const headers = { 'Idempotency-Key': key };
      return call({ ...post('/v1/verifications', startBody, start), headers, signal }, verificationShape);
    },
    async verification(id, { signal } = {}) {
      return call({ method: 'GET', path: pathOf(id), signal }, verificationShape);
    },
    async wait(id, { signal } = {}) {
      const headers = () => ({ Authorization: `Bearer ${apiKey}` });
      const states = watchVerification(connection, { path: pathOf(id), headers, transport: 'poll', signal });
      for await (const state of states) if (state.state === 'done') return state;
      throw new AkashiError('unexpected_answer');
    },
    async cancel(id, { signal } = {}) {
      return call({ method: 'DELETE', path: pathOf(id), signal }, verificationShape);
    },
    async evidence(id, { signal } = {}) {
      return call({ method: 'GET', path: `${pathOf(id)}/evidence`, signal }, evidenceAnswer);
    },
    async checkEvidence(signed, { signal, ...expected }) {
      const keys = await keysFor(signed.evidence, Math.floor(now() / 1000), signal);
      return checkEvidence(signed, expected, { verifier: connection.origin, tenant, keys });
    },
    async devices(subject, { signal } = {}) {
      const path = `/v1/devices?subject=${encodeURIComponent(parse(reference, subject))}`;
      return (await call({ method: 'GET', path, signal }, subjectDevicesAnswer)).devices;
    },
    async revokeDevice(device, { signal } = {}) {
      const path = `/v1/devices/${parse(base64url16, device)}`;
      checkAnswer(await twice(() => send({ method: 'DELETE', path, signal })));
    },
    async claim(claim, { signal } = {}) {
      return readAnswer(await send({ ...post('/v1/claims', claimBody, claim), signal }), verificationShape);
    },
  };
}
