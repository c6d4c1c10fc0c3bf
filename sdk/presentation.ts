import {
  AkashiError,
  type AskedClaim,
  type Attempt,
  base64url32,
  challenge,
  decodeBase64url,
  type FactId,
  needsCredential,
  type PendingRequest,
  parse,
  parseCode,
  parsePin,
  type WirePresentation,
} from '@akashi/circuits';
import { findAccount, type HeldAccount } from './accounts.ts';
import { findClaims, type HeldClaims, readClaims } from './claims.ts';
import { hasCode } from './connection.ts';
import type { Identity } from './holder-record.ts';
import { enterPin, type PinDesk, type PinEntry } from './pin-entry.ts';
import { proveAsked } from './prepared-proof.ts';
import type { Prover, ProvingStage } from './prover.ts';
import type { OpenRequest } from './request.ts';
import type { RequestDesk } from './request-desk.ts';
import { pause, withinTime } from './time-limit.ts';

// Proves what a request asks for, from what was prepared before it came, and sends it (docs/protocol.md, sections 3 and 6).

export interface PresentOptions {
  /** The transfer code as typed; none in pre-call mode. */
  readonly code?: string;
  /** The PIN as typed. Not needed again for a further attempt of the same verification. */
  readonly pin?: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: PresentProgress) => void;
}

export interface PresentProgress {
  readonly phase: 'pin' | 'proving' | 'sending';
  /** While proving: which fact, and how far. */
  readonly fact?: FactId;
  readonly stage?: ProvingStage;
  /** Facts proven, of how many. */
  readonly done: number;
  readonly total: number;
}

export interface PresentationDesk extends PinDesk {
  readonly prover: Prover;
  readonly requests: RequestDesk;
  readonly timeoutSeconds: number;
}

/** What the facts of one presentation are proven from, besides the device's record. */
interface Secrets {
  readonly pinKey: bigint | null;
  readonly account: HeldAccount | null;
  /** By place in the request's list. */
  readonly claims: readonly (HeldClaims | null)[];
}

/**
 * One attempt at an accepted verification.
 * @returns the verifier's answer after it: done, or accepted with the next attempt open
 * @throws AkashiError `malformed` (no six digits, or any in pre-call mode), `account_unknown`,
 * `claim_unknown`, `claim_unmet`, `credential_expired`, `pin_wrong`, `pin_locked`: the attempt is not used up
 */
export async function present(
  desk: PresentationDesk,
  identity: Identity,
  { open, attempt }: { readonly open: OpenRequest; readonly attempt: Attempt },
  entry: PinEntry,
  options: PresentOptions,
): Promise<PendingRequest> {
  const { request, jws } = open;
  const { signal, onProgress } = options;
  const total = request.facts.length;
  // Whatever can be refused without a try is refused first.
  if (request.mode === 'precall' && options.code !== undefined) throw new AkashiError('malformed');
  const code = request.mode === 'call' ? parseCode(options.code ?? '') : null;
  const secrets = await gatherSecrets(desk, identity, open, entry, options);
  const nonce = decodeBase64url(parse(base64url32, attempt.nonce));

  const facts: WirePresentation['facts'] = [];
  for (const [index, asked] of request.facts.entries()) {
    const bound = challenge({ request: jws, index, nonce, code });
    const claims = secrets.claims[index] ?? null;
    const proof = await proveAsked(desk, identity, { ...secrets, asked, claims }, bound, {
      signal,
      onProgress: (stage) => onProgress?.({ phase: 'proving', fact: asked.fact, stage, done: index, total }),
    });
    const held = claims?.jws ?? identity.record.issued.credential;
    const credential = needsCredential(asked.fact) ? { credential: held } : {};
    facts.push({ fact: asked.fact, version: asked.version, proof, ...credential });
  }

  onProgress?.({ phase: 'sending', done: total, total });
  const presentation: WirePresentation = {
    attempt: attempt.attempt,
    ...(code === null ? {} : { code }),
    facts,
  };
  return sendPresentation(desk, identity, request.jti, presentation, signal);
}

async function gatherSecrets(
  desk: PresentationDesk,
  identity: Identity,
  { request }: OpenRequest,
  entry: PinEntry,
  { pin, signal, onProgress }: PresentOptions,
): Promise<Secrets> {
  let account: HeldAccount | null = null;
  let pinKey: bigint | null = null;
  const now = desk.connection.verifierTime();
  const claims: (HeldClaims | null)[] = [];
  for (const asked of request.facts) {
    claims.push('schema' in asked ? await heldClaims(desk, identity, asked, now) : null);
    if (asked.fact !== 'account') continue;
    if (identity.record.accountsExpireAt <= now) throw new AkashiError('credential_expired');
    account = await findAccount(identity.record.issued, asked);
  }
  if (request.facts.some(({ fact }) => fact === 'pin')) {
    onProgress?.({ phase: 'pin', done: 0, total: request.facts.length });
    pinKey = await enterPin(desk, identity, entry, {
      pin: pin === undefined ? undefined : parsePin(pin),
      use: { use: 'verification', verification: request.jti },
      signal,
    });
  }
  return { pinKey, account, claims };
}

async function heldClaims(
  { storage }: PresentationDesk,
  { record }: Identity,
  asked: AskedClaim,
  now: number,
): Promise<HeldClaims> {
  return findClaims(await readClaims(storage, record), asked, now);
}

const ANSWER_LOST = ['network', 'timeout', 'attempt_used'] as const;

/** Sends, and after a lost answer finds out what became of it: the attempt is good once, whatever was heard. */
async function sendPresentation(
  { requests, timeoutSeconds }: PresentationDesk,
  identity: Identity,
  id: string,
  presentation: WirePresentation,
  signal: AbortSignal | undefined,
): Promise<PendingRequest> {
  const post = (within: AbortSignal | undefined) =>
    requests.post(identity, id, 'presentation', { body: presentation, repeatable: false, signal: within });
  try {
    return await post(signal);
  } catch (error) {
    if (!hasCode(error, ...ANSWER_LOST)) throw error;
  }
  return withinTime({ seconds: timeoutSeconds, signal }, async (limited) => {
    for (;;) {
      const answer = await requests.get(identity, id, limited);
      const open = answer.state === 'accepted' && answer.attempt?.attempt === presentation.attempt;
      if (answer.state !== 'accepted' || (answer.attempt && !open)) return answer;
      // Still this attempt: it never arrived, or is being checked right now. Sending it again is harmless either way.
      if (open) {
        try {
          return await post(limited);
        } catch (error) {
          if (!hasCode(error, ...ANSWER_LOST)) throw error;
        }
      }
      await pause(300, limited);
    }
  });
}
