import {
  AkashiError,
  type AskedClaim,
  type Attempt,
  base64url32,
  type ChallengeParts,
  challenge,
  challengeBytes,
  decodeBase64url,
  type FactId,
  isRequestedFact,
  needsCredential,
  type PasskeyAssertion,
  type PendingRequest,
  parse,
  parseCode,
  parsePin,
  type Requested,
  type WirePresentation,
} from '@akashi/circuits';
import { findAccount, type HeldAccount } from './accounts.ts';
import { loadPasskeyActs, need } from './chunk.ts';
import { findClaims, type HeldClaims, readClaims } from './claims.ts';
import { hasCode } from './connection.ts';
import { type Identity, isOpen, type OpenIdentity } from './holder-record.ts';
import type { PasskeyPlatform } from './passkey-platform.ts';
import { enterPin, type PinDesk, type PinEntry } from './pin-entry.ts';
import { proveAsked } from './prepared-proof.ts';
import type { Prover, ProvingStage } from './prover.ts';
import { type OpenRequest, shownPlaces } from './request.ts';
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
  readonly phase: 'pin' | 'passkey' | 'proving' | 'sending';
  /** While proving: which fact, and how far. */
  readonly fact?: FactId;
  readonly stage?: ProvingStage;
  /** Facts proven and passkeys confirmed, of how many. */
  readonly done: number;
  readonly total: number;
}

export interface PresentationDesk extends PinDesk {
  readonly prover: Prover;
  readonly passkeys: PasskeyPlatform;
  readonly requests: RequestDesk;
  readonly timeoutSeconds: number;
}

/** What the facts of one presentation are proven from, besides the device's record. */
interface Secrets {
  readonly pinKey: bigint | null;
  readonly account: HeldAccount | null;
  /** By place in the request's list. */
  readonly claims: readonly (HeldClaims | undefined)[];
}

/**
 * One attempt at an accepted verification.
 * @returns the verifier's answer after it: done, or accepted with the next attempt open
 * @throws AkashiError `malformed` (no six digits, or any in pre-call mode), `account_unknown`,
 * `claim_unknown`, `claim_unmet`, `credential_expired`, `pin_wrong`, `pin_locked`, `passkey_missing`, `passkey_unavailable`,
 * `passkey_cancelled`: the attempt is not used up
 */
export async function present(
  desk: PresentationDesk,
  known: Identity,
  { open, attempt }: { readonly open: OpenRequest; readonly attempt: Attempt },
  entry: PinEntry,
  options: PresentOptions,
): Promise<PendingRequest> {
  const { request, jws, alternative } = open;
  const { signal, onProgress } = options;
  const list = listOf(open);
  const total = list.length;
  // Whatever can be refused without a try is refused first.
  if (request.mode === 'precall' && options.code !== undefined) throw new AkashiError('malformed');
  const code = request.mode === 'call' ? parseCode(options.code ?? '') : null;
  const nonce = decodeBase64url(parse(base64url32, attempt.nonce));
  const boundTo = (index: number) => ({ request: jws, index, nonce, code });
  // What is wrapped opens first: without it no PIN can be told right. One gesture does both, where both are asked.
  const opened = isOpen(known)
    ? { identity: known, assertion: null }
    : await openFor(desk, known, open, boundTo, options);
  const { identity } = opened;
  const secrets = await gatherSecrets(desk, identity, open, entry, options);
  // Else after the PIN: a wrong one is told before the phone asks for the face. Before the proofs: they wait for nobody.
  const assertion = opened.assertion ?? (await confirm(desk, identity, open, boundTo, options));

  const facts: WirePresentation['facts'] = [];
  for (const [done, { index, asked }] of list.entries()) {
    if (!isRequestedFact(asked)) continue;
    const bound = challenge(boundTo(index));
    const claims = secrets.claims[index] ?? null;
    const proof = await proveAsked(desk, identity, { ...secrets, asked, claims }, bound, {
      signal,
      onProgress: (stage) => onProgress?.({ phase: 'proving', fact: asked.fact, stage, done, total }),
    });
    const held = claims?.jws ?? identity.record.issued.credential;
    const credential = needsCredential(asked.fact) ? { credential: held } : {};
    facts.push({ fact: asked.fact, version: asked.version, proof, ...credential });
  }

  onProgress?.({ phase: 'sending', done: total, total });
  const presentation: WirePresentation = {
    attempt: attempt.attempt,
    ...(code === null ? {} : { code }),
    ...(alternative === null ? {} : { alternative }),
    facts,
    ...(assertion === null ? {} : { passkey: assertion }),
  };
  return sendPresentation(desk, identity, request.jti, presentation, signal);
}

/** What of the request's list this device shows, with the places there. */
function listOf(open: OpenRequest): readonly { readonly index: number; readonly asked: Requested }[] {
  return shownPlaces(open).flatMap((index) => {
    const asked = open.request.facts[index];
    return asked === undefined ? [] : [{ index, asked }];
  });
}

/** The customer's confirmation by passkey, where the request asks for one. */
async function confirm(
  { passkeys: platform }: PresentationDesk,
  { record: { passkeys } }: Identity,
  open: OpenRequest,
  boundTo: (index: number) => ChallengeParts,
  { signal, onProgress }: PresentOptions,
): Promise<PasskeyAssertion | null> {
  const asked = askedPasskey(open);
  if (asked === null) return null;
  onProgress?.({ phase: 'passkey', done: 0, total: listOf(open).length });
  const { assertPasskey } = await need(loadPasskeyActs, signal);
  const challenge = challengeBytes(boundTo(asked.index));
  const { rpId } = asked;
  return (await assertPasskey(platform, { passkeys, rpId, challenge, salt: null, signal })).assertion;
}

/** Opens wrapped secrets; by the very assertion that the request asks for, where it asks for one of that rpId. */
async function openFor(
  desk: PresentationDesk,
  identity: Identity,
  open: OpenRequest,
  boundTo: (index: number) => ChallengeParts,
  { signal, onProgress }: PresentOptions,
): Promise<{ readonly identity: OpenIdentity; readonly assertion: PasskeyAssertion | null }> {
  onProgress?.({ phase: 'passkey', done: 0, total: listOf(open).length });
  const { openSecrets, openSecretsBy } = await need(loadPasskeyActs, signal);
  const asked = askedPasskey(open);
  if (asked === null) return { ...(await openSecrets(desk, identity, signal)), assertion: null };
  const { rpId, index } = asked;
  return openSecretsBy(desk, identity, { rpId, challenge: challengeBytes(boundTo(index)), signal });
}

function askedPasskey(open: OpenRequest): { readonly rpId: string; readonly index: number } | null {
  for (const { index, asked } of listOf(open)) {
    if (!isRequestedFact(asked)) return { rpId: asked.rpId, index };
  }
  return null;
}

async function gatherSecrets(
  desk: PresentationDesk,
  identity: OpenIdentity,
  open: OpenRequest,
  entry: PinEntry,
  { pin, signal, onProgress }: PresentOptions,
): Promise<Secrets> {
  let account: HeldAccount | null = null;
  let pinKey: bigint | null = null;
  const now = desk.connection.verifierTime();
  const claims: HeldClaims[] = [];
  const list = listOf(open);
  for (const { index, asked } of list) {
    if ('schema' in asked) claims[index] = await heldClaims(desk, identity, asked, now);
    if (asked.fact !== 'account') continue;
    if (identity.record.accountsExpireAt <= now) throw new AkashiError('credential_expired');
    account = await findAccount(identity.record.issued, asked);
  }
  if (list.some(({ asked }) => asked.fact === 'pin')) {
    onProgress?.({ phase: 'pin', done: 0, total: list.length });
    pinKey = await enterPin(desk, identity, entry, {
      pin: pin === undefined ? undefined : parsePin(pin),
      use: { use: 'verification', verification: open.request.jti },
      signal,
    });
  }
  return { pinKey, account, claims };
}

async function heldClaims(
  { storage }: PresentationDesk,
  identity: OpenIdentity,
  asked: AskedClaim,
  now: number,
): Promise<HeldClaims> {
  return findClaims(await readClaims(storage, identity), asked, now);
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
