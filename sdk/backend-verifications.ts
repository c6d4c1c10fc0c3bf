import {
  AkashiError,
  base64url16,
  type Claim,
  claimBody,
  type Evidence,
  encodeBase64url,
  evidenceAnswer,
  parse,
  type SignedEvidence,
  type Start,
  startBody,
  type Verification,
  verificationShape,
} from '@akashi/circuits';
import { type BackendConnection, type Call, post } from './backend-connection.ts';
import { readAnswer } from './connection.ts';
import { checkEvidence, type ExpectedEvidence } from './evidence.ts';
import type { VerifierKeys } from './receipt.ts';
import { watchVerification } from './watch.ts';

// Verifications of a tenant's back end, from their start to the evidence of their verdict.

export interface StartOptions extends Call {
  /** Makes a repeated start one start; default: a new one for each call. */
  readonly idempotencyKey?: string;
}

export interface BackendVerifications {
  /** Starts a verification, pre-call ones included. Throws also `no_device`, `policy_unknown`. */
  start(start: Start, options?: StartOptions): Promise<Verification>;
  verification(id: string, options?: Call): Promise<Verification>;
  /** The verification once it is done. Of a pre-call one the verdict is then still to be claimed. */
  wait(id: string, options?: Call): Promise<Verification>;
  cancel(id: string, options?: Call): Promise<Verification>;
  /** The verifier's signed word on a verdict, to be kept beside what was done. Throws also `no_verdict`. */
  evidence(id: string, options?: Call): Promise<SignedEvidence>;
  /** What evidence says, once it is about what is expected. Throws also `evidence_invalid`. */
  checkEvidence(evidence: SignedEvidence, expected: ExpectedEvidence & Call): Promise<Evidence>;
  /** Takes over a pre-call pass, for an IVR. Throws also `claim_refused`. */
  claim(claim: Claim, options?: Call): Promise<Verification>;
}

export interface BackendVerificationsParts {
  readonly connection: BackendConnection;
  readonly tenant: string;
  readonly keysFor: VerifierKeys;
  /** UTC seconds. */
  readonly now: () => number;
}

export function openBackendVerifications({
  connection,
  tenant,
  keysFor,
  now,
}: BackendVerificationsParts): BackendVerifications {
  const { send, ask, origin } = connection;
  const pathOf = (id: string) => `/v1/verifications/${parse(base64url16, id)}`;
  return {
    async start(start, { idempotencyKey, signal } = {}) {
      const key = idempotencyKey ?? encodeBase64url(crypto.getRandomValues(new Uint8Array(16)));
      const headers = { 'Idempotency-Key': key };
      return ask({ ...post('/v1/verifications', startBody, start), headers, signal }, verificationShape);
    },
    async verification(id, { signal } = {}) {
      return ask({ method: 'GET', path: pathOf(id), signal }, verificationShape);
    },
    async wait(id, { signal } = {}) {
      const watch = { path: pathOf(id), transport: 'poll', signal } as const;
      for await (const state of watchVerification(connection, watch))
        if (state.state === 'done') return state;
      throw new AkashiError('unexpected_answer');
    },
    async cancel(id, { signal } = {}) {
      return ask({ method: 'DELETE', path: pathOf(id), signal }, verificationShape);
    },
    async evidence(id, { signal } = {}) {
      return ask({ method: 'GET', path: `${pathOf(id)}/evidence`, signal }, evidenceAnswer);
    },
    async checkEvidence(signed, { signal, ...expected }) {
      const keys = await keysFor(signed.evidence, now(), signal);
      return checkEvidence(signed, expected, { verifier: origin, tenant, keys });
    },
    async claim(claim, { signal } = {}) {
      return readAnswer(await send({ ...post('/v1/claims', claimBody, claim), signal }), verificationShape);
    },
  };
}
