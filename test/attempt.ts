import { type PendingRequest, parse, pendingRequest, type Start } from '@akashi/circuits';
import { startOf, type TestTenant, type World } from './harness.ts';
import {
  acceptRequest,
  codeOf,
  type OpenRequest,
  openRequest,
  postPresentation,
  type RawPhone,
} from './raw-phone.ts';

// One attempt after another at verifications of one phone, with what the audit says of each.

/** An open attempt, and the code that goes with it. */
export interface OpenAttempt extends OpenRequest {
  readonly code: string;
}

/** What became of a post: refused with a code, or the verification's state, with the reason that the audit has. */
export type Outcome =
  | { readonly status: number; readonly code: string }
  | {
      readonly state: PendingRequest['state'];
      readonly verdict: string | null;
      readonly reason: string | null;
    };

export interface Attempts {
  /** The open attempt; a new verification when the last one is over. */
  next(): Promise<OpenAttempt>;
  post(open: OpenAttempt, presentation: object | string): Promise<Outcome>;
}

/** Attempts of a phone at verifications that the tenant's back end starts on a call. */
export function attemptsOf(world: World, bank: TestTenant, phone: RawPhone, start: Partial<Start>): Attempts {
  let current: OpenAttempt | undefined;

  const begin = async (): Promise<OpenAttempt> => {
    const { verification, code = '' } = await bank.issuer.start(startOf(phone.subject, start));
    return { ...(await acceptRequest(phone, verification)), code };
  };

  return {
    async next() {
      current ??= await begin();
      return current;
    },
    async post(open, presentation) {
      const response = await postPresentation(phone, open.verification, presentation);
      if (!response.ok) return { status: response.status, code: await codeOf(response) };
      const answer = parse(pendingRequest, await response.json());
      const { state, verdict = null } = answer;
      // Another attempt is open now, or none.
      current = state === 'accepted' ? { ...openRequest(answer), code: open.code } : undefined;
      return { state, verdict, reason: await reasonOf(world, bank.id, open.attempt) };
    },
  };
}

/** Why the audit says that an attempt failed; `null`: it did not. */
async function reasonOf(world: World, tenant: string, attempt: string): Promise<string | null> {
  const lines = await world.audit(tenant);
  const failed = lines.find((line) => line.event === 'attempt.failed' && line.attempt === attempt);
  return typeof failed?.reason === 'string' ? failed.reason : null;
}
