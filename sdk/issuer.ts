import {
  ACCOUNTS_MAX,
  ACCOUNTS_SCHEMA,
  AkashiError,
  base64url16,
  base64url32,
  type Claim,
  type Credential,
  claimBody,
  type Evidence,
  enrolmentAnswer,
  enrolmentBody,
  evidenceAnswer,
  fieldFromBytes,
  issuerAnswer,
  issuerBody,
  type Policy,
  parse,
  parseField,
  policiesAnswer,
  policyAnswer,
  policyBody,
  publicJwkShape,
  reference,
  type SignedEvidence,
  type Start,
  signJws,
  startBody,
  subjectDevicesAnswer,
  tenantScope,
  text,
  thumbprint,
  type Verification,
  verificationShape,
} from '@akashi/circuits';
import { accountReference, accountsTree } from '@akashi/circuits/poseidon';
import { base64url } from 'jose';
import * as v from 'valibot';
import type { IssuedAccounts } from './accounts.ts';
import {
  checkAnswer,
  type HttpAnswer,
  type HttpCall,
  openConnection,
  readAnswer,
  twice,
} from './connection.ts';
import { checkEvidence, type ExpectedEvidence } from './evidence.ts';
import { checkReceipt, verifierKeys } from './receipt.ts';
import { watchVerification } from './watch.ts';

export type { Evidence, SignedEvidence, Transaction } from '@akashi/circuits';
export type { IssuedAccounts } from './accounts.ts';
export type { ExpectedEvidence } from './evidence.ts';

const privateJwkShape = v.strictObject({ ...publicJwkShape.entries, d: base64url32 });
/** A P-256 private key: `{kty, crv, x, y, d}`. */
export type PrivateJwk = v.InferOutput<typeof privateJwkShape>;

/** The secrets of an issuer, as JSON: made once, kept where the back end keeps its secrets. */
export interface IssuerKeys {
  /** Signs credentials. */
  readonly signingKey: PrivateJwk;
  /** 32 random bytes, base64url: turns account numbers into account keys. Another one makes other accounts. */
  readonly accountKey: string;
}

export interface IssuerOptions extends IssuerKeys {
  /** Public origin of the verifier. */
  readonly verifier: string;
  readonly apiKey: string;
  /** Id of the tenant. */
  readonly tenant: string;
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
  /** Makes the signing key known to the verifier. Again is harmless. */
  register(options?: Call): Promise<void>;
  putPolicy(policy: Omit<Policy, 'version'>, options?: Call): Promise<Policy>;
  policies(options?: Call): Promise<readonly Policy[]>;
  requestEnrolment(subject: string, options?: Call): Promise<Enrolment>;
  /** `accountKey` of an account, decimal. Secret: with it, `accountRef` of the account can be recognised. */
  accountKeyOf(accountNumber: string): Promise<string>;
  /** `accountRef` for `start`, decimal. */
  accountReference(accountNumber: string): Promise<string>;
  /** Signs the accounts of a subject over a receipt. Throws also `receipt_invalid`. */
  issueAccounts(options: IssueOptions): Promise<IssuedAccounts>;
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

export async function generateIssuerKeys(): Promise<IssuerKeys> {
  const { privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
  ]);
  const { kty, crv, x, y, d } = await crypto.subtle.exportKey('jwk', privateKey);
  return {
    signingKey: parse(privateJwkShape, { kty, crv, x, y, d }),
    accountKey: base64url.encode(crypto.getRandomValues(new Uint8Array(32))),
  };
}

/** @throws AkashiError `malformed` for keys or a tenant of another form */
export async function openIssuer(options: IssuerOptions): Promise<Issuer> {
  const { apiKey, now = Date.now } = options;
  const tenant = parse(reference, options.tenant);
  const { d, ...jwk } = parse(privateJwkShape, options.signingKey);
  const kid = await thumbprint(jwk);
  const privateKey = await crypto.subtle.importKey('jwk', { ...jwk, d }, ECDSA, false, ['sign']);
  const accountKeyOf = await accountKeys(options.accountKey);
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

  return {
    issuer: kid,
    async register({ signal } = {}) {
      await call({ ...post('/v1/issuers', issuerBody, { jwk }), signal }, issuerAnswer);
    },
    async putPolicy(policy, { signal } = {}) {
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
      String(accountReference(await accountKeyOf(accountNumber), tenantScope(tenant))),
    async issueAccounts({
      receipt: jws,
      subject,
      accounts,
      lifetimeSeconds = DEFAULT_LIFETIME_SECONDS,
      signal,
    }) {
      const listed = parse(accountsShape, accounts);
      const time = Math.floor(now() / 1000);
      const verifier = connection.origin;
      const receipt = await checkReceipt(jws, await keysFor(jws, time, signal), {
        verifier,
        tenant,
        subject,
        now: time,
      });
      const secrets = await Promise.all(listed.map(({ number }) => accountKeyOf(number)));
      const { root, paths } = accountsTree(secrets, parseField(receipt.holder));
      const credential: Credential = {
        iss: kid,
        aud: verifier,
        tenant,
        sub: subject,
        cnf: { jkt: receipt.jkt },
        schema: ACCOUNTS_SCHEMA,
        accountsRoot: String(root),
        iat: time,
        exp: time + lifetimeSeconds,
      };
      return {
        credential: await signJws('credential', credential, { kid, privateKey }),
        accounts: listed.map(({ label }, index) => ({
          label,
          accountKey: String(secrets[index]),
          index,
          siblings: (paths[index] ?? []).map(String),
        })),
      };
    },
    async start(start, { idempotencyKey, signal } = {}) {
      const key = idempotencyKey ?? base64url.encode(crypto.getRandomValues(new Uint8Array(16)));
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

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' };

/** `accountKey` of an account number: HMAC-SHA-256 under the tenant's key, first 31 bytes (docs/protocol.md, section 3). */
async function accountKeys(secret: string): Promise<(accountNumber: string) => Promise<bigint>> {
  const bytes = new Uint8Array(base64url.decode(parse(base64url32, secret)));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return async (accountNumber) =>
    fieldFromBytes(
      new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(accountNumber))),
    );
}
