import {
  type AskedClaim,
  challenge,
  challengeBytes,
  encodeBounds,
  encodeValues,
  isRequestedFact,
  type PasskeyAssertion,
  parse,
  passkeyChallenge,
  pinChangeChallenge,
  type Requested,
  type RequestedFact,
  requestShape,
  type WireProof,
} from '@akashi/circuits';
import { base64url, decodeJwt } from 'jose';
import { type Answer, send, startOf, type TenantFixture, textOf, type World } from './app-fixtures.ts';
import type { EnrolledPhone, IssuedAccount, IssuedClaims } from './phone-fixtures.ts';

/** A verification of a phone's subject that the desk started and the phone accepted. */
export interface Accepted {
  readonly verification: string;
  /** What the operator speaks. */
  readonly code: string;
  /** The answer that opened the first attempt. */
  readonly opened: Answer;
  /** Where its presentations go. */
  readonly path: string;
}

export async function startAccepted(
  world: World,
  { session }: TenantFixture,
  phone: EnrolledPhone,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<Accepted> {
  const body = startOf(phone.subject, changes);
  const started = await send(world, 'POST', '/v1/verifications', { token: session, body });
  const verification = textOf(started, 'verification');
  const opened = await phone.call('POST', `/v1/requests/${verification}/accept`);
  const path = `/v1/requests/${verification}/presentation`;
  return { verification, code: textOf(started, 'code'), opened, path };
}

/** A code that is not this one. */
export function otherCode(code: string): string {
  return String((Number(code) + 1) % 1_000_000).padStart(6, '0');
}

export interface AttemptParts {
  /** The answer that opened the attempt, or that holds it still. */
  readonly opened: Answer;
  readonly code?: string;
  readonly account?: IssuedAccount;
  /** Of one schema, for whatever is asked; or of several. */
  readonly claims?: IssuedClaims | readonly IssuedClaims[];
  /** Which of the request's alternatives is shown. */
  readonly alternative?: number;
  /** Proves these entries instead of those that the request asks for. */
  readonly asked?: readonly Requested[];
  /** Another PIN key than the phone's own. */
  readonly pinKey?: bigint;
  /** Signs where a passkey is asked for. */
  readonly passkey?: (bound: Uint8Array, rpId: string) => Promise<PasskeyAssertion>;
}

/** A presentation for the open attempt, as a good phone makes it. */
export async function makePresentation(
  phone: EnrolledPhone,
  { opened, code, account, claims, alternative, asked, pinKey, passkey }: AttemptParts,
) {
  const request = textOf(opened, 'request');
  const { attempt, nonce } = attemptOf(opened);
  const { facts: list, alternatives } = parse(requestShape, decodeJwt(request));
  const entries = asked ?? list;
  const shown = alternative === undefined ? undefined : alternatives?.[alternative];
  const facts = [];
  let assertion: PasskeyAssertion | undefined;
  for (const [index, entry] of entries.entries()) {
    if (shown?.includes(index) === false) continue;
    const parts = { request, index, nonce: base64url.decode(nonce), code: code ?? null };
    if (!isRequestedFact(entry)) {
      assertion = await passkey?.(challengeBytes(parts), entry.rpId);
      continue;
    }
    const bound = challenge(parts);
    const { fact, version } = entry;
    switch (fact) {
      case 'pin':
        facts.push({ fact, version, proof: await provePin(phone, bound, pinKey) });
        break;
      case 'account':
        facts.push({
          fact,
          version,
          proof: await proveAccount(phone, bound, entry, account),
          credential: account?.credential,
        });
        break;
      default: {
        const held = claimsFor(entry, claims);
        const proof = await proveClaim(phone, bound, entry, held);
        facts.push({ fact, version, proof, credential: held?.credential });
      }
    }
  }
  return {
    attempt,
    ...(code === undefined ? {} : { code }),
    ...(alternative === undefined ? {} : { alternative }),
    facts,
    ...(assertion === undefined ? {} : { passkey: assertion }),
  };
}

export function attemptOf(answer: Answer): {
  readonly attempt: string;
  readonly nonce: string;
  readonly left: number;
} {
  const open = answer.json.attempt as { attempt: string; nonce: string; left: number } | undefined;
  if (open === undefined) throw new TypeError(`no attempt is open: ${answer.status} ${answer.text}`);
  return open;
}

export function provePin(phone: EnrolledPhone, bound: bigint, pinKey = phone.pinKey): Promise<WireProof> {
  const { holderSecret } = phone;
  return phone.prove('pin', { challenge: bound, pinKey, holderSecret });
}

/** The proof that puts a new PIN in the place of the old one. */
export function proveChange(phone: EnrolledPhone, nonce: string, commitment: bigint): Promise<WireProof> {
  const parts = { thumbprint: phone.thumbprint, nonce: base64url.decode(nonce), commitment };
  return provePin(phone, pinChangeChallenge(parts));
}

/** The proof of the PIN that comes with a new passkey. */
export function provePasskeyOwner(
  phone: EnrolledPhone,
  made: Uint8Array,
  id: string,
  pinKey?: bigint,
): Promise<WireProof> {
  const parts = { thumbprint: phone.thumbprint, challenge: made, id: base64url.decode(id) };
  return provePin(phone, passkeyChallenge(parts), pinKey);
}

function proveAccount(
  phone: EnrolledPhone,
  bound: bigint,
  entry: Extract<RequestedFact, { fact: 'account' }>,
  account: IssuedAccount | undefined,
): Promise<WireProof> {
  if (account === undefined) throw new TypeError('the request asks for an account');
  const { accountKey, index, siblings } = account;
  return phone.prove('account', {
    challenge: bound,
    scope: BigInt(entry.scope),
    reveal: entry.accountRef === '0' ? 0n : 1n,
    accountKey,
    holderSecret: phone.holderSecret,
    index,
    siblings,
  });
}

function claimsFor({ schema }: AskedClaim, claims: AttemptParts['claims']): IssuedClaims | undefined {
  if (claims === undefined || 'credential' in claims) return claims;
  return claims.find((issued) => String(issued.schema) === schema);
}

function proveClaim(
  phone: EnrolledPhone,
  bound: bigint,
  entry: AskedClaim,
  held: IssuedClaims | undefined,
): Promise<WireProof> {
  if (held === undefined) throw new TypeError('the request asks about a claim');
  const { claims, salt } = held;
  const inputs = {
    challenge: bound,
    schema: BigInt(entry.schema),
    index: BigInt(entry.index),
    claims,
    salt,
    holderSecret: phone.holderSecret,
  };
  return entry.fact === 'range'
    ? phone.prove('range', { ...inputs, ...encodeBounds(entry.claim, entry) })
    : phone.prove('member', { ...inputs, ...encodeValues(entry.claim, entry.values) });
}
