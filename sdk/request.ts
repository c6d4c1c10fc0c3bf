import {
  AkashiError,
  type AskedClaim,
  type AskedId,
  type Direction,
  type Mode,
  type PendingRequest,
  type Purpose,
  parseRequest,
  type Request,
  type Transaction,
  tenantScope,
  type Verdict,
} from '@akashi/circuits';
import { loadAlternative, need } from './chunk.ts';
import type { DeviceConnection } from './device-connection.ts';
import type { Identity } from './holder-record.ts';
import type { DeviceStorage } from './storage.ts';

// What a device makes sure of before it shows a request (docs/protocol.md, section 6), and the data it shows.

/** What a request says: the data an app renders. */
export interface Asked {
  readonly tenant: { readonly id: string; readonly name: string };
  /** Display name of who asks; `null` when the tenant's back end does. */
  readonly operator: string | null;
  readonly mode: Mode;
  readonly direction: Direction;
  readonly purpose: Purpose;
  readonly transaction: Transaction | null;
  /** What this device is to show, in order. Where the policy leaves a choice, the first that it can. */
  readonly facts: readonly AskedId[];
  /** What of it is about claims, in order: `claimText` says it in words. */
  readonly claims: readonly AskedClaim[];
}

/** A verification as its device may show it. */
export interface CheckedRequest {
  readonly id: string;
  readonly state: 'pending' | 'accepted' | 'done';
  readonly later: boolean;
  /** UTC seconds by the verifier's time. */
  readonly expiresAt: number;
  readonly secondsLeft: number;
  /** `null` only for one that is done and that this device does not remember. */
  readonly asked: Asked | null;
  /** Attempts left, the open one included; `null` unless accepted by this device. */
  readonly attemptsLeft: number | null;
  readonly verdict: Verdict | null;
  /** After a pre-call pass: the six digits to say to the tenant, until they are claimed. */
  readonly claim: { readonly code: string; readonly expiresAt: number; readonly secondsLeft: number } | null;
}

/** An open request after all checks, with what a presentation needs of it. */
export interface OpenRequest {
  /** The JWS exactly as signed: it goes into every challenge. */
  readonly jws: string;
  readonly request: Request;
  /** Which of its alternatives this device shows; `null` where it has none. It is what the customer was told. */
  readonly alternative: number | null;
}

/** Places in the request's list that this device shows. */
export function shownPlaces({ request, alternative }: Omit<OpenRequest, 'jws'>): readonly number[] {
  return (
    (alternative === null ? undefined : request.alternatives?.[alternative]) ?? [...request.facts.keys()]
  );
}

/** {@link checkRequest}, and the choice where the request leaves one. */
export async function openRequest(
  connection: Pick<DeviceConnection, 'origin' | 'verify' | 'verifierTime'>,
  storage: DeviceStorage,
  identity: Identity,
  { verification, jws }: { readonly verification: string; readonly jws: string },
): Promise<OpenRequest> {
  const request = await checkRequest(connection, identity, { verification, jws });
  if (request.alternatives === undefined) return { jws, request, alternative: null };
  const { chooseAlternative } = await need(loadAlternative);
  const alternative = await chooseAlternative(storage, identity, request, connection.verifierTime());
  return { jws, request, alternative };
}

/**
 * Checks a signed request: kind, key, signature, verifier, audience, tenant, scope. Whether its life is over is the
 * caller's to check, by `exp`.
 * @throws AkashiError `signature_invalid`, `request_invalid`
 */
export async function checkRequest(
  connection: Pick<DeviceConnection, 'origin' | 'verify'>,
  { thumbprint, record }: Pick<Identity, 'thumbprint' | 'record'>,
  { verification, jws }: { readonly verification: string; readonly jws: string },
): Promise<Request> {
  const payload = await connection.verify('request', jws);
  try {
    const request = parseRequest(payload);
    const scope = String(await tenantScope(record.tenant.id));
    const meant =
      request.iss === connection.origin &&
      request.jti === verification &&
      request.aud.includes(thumbprint) &&
      request.tenant.id === record.tenant.id &&
      request.iat < request.exp &&
      request.facts.every((entry) => entry.fact !== 'account' || entry.scope === scope);
    if (!meant) throw new AkashiError('request_invalid');
    return request;
  } catch (cause) {
    throw new AkashiError('request_invalid', { cause });
  }
}

function askedBy(open: OpenRequest): Asked {
  const { request } = open;
  const shown = shownPlaces(open).flatMap((place) => request.facts[place] ?? []);
  return {
    tenant: request.tenant,
    operator: request.operator ?? null,
    mode: request.mode,
    direction: request.direction,
    purpose: request.purpose,
    transaction: request.transaction ?? null,
    facts: shown.map(({ fact }) => fact),
    claims: shown.filter((entry) => 'schema' in entry),
  };
}

/**
 * What to show of an answer.
 * @param open the checked request in it, or `null` where it has none any more
 * @param remembered what the request said, for one that is done
 * @param now UTC seconds by the verifier's time
 */
export function checkedRequest(
  answer: PendingRequest,
  open: OpenRequest | null,
  remembered: Asked | null,
  now: number,
): CheckedRequest {
  // The signed end counts, not the one beside it; after it the request is over, even if the verifier is late to say so.
  const expiresAt = open?.request.exp ?? answer.expiresAt;
  const expired = answer.state !== 'done' && expiresAt <= now;
  const claim = answer.claim && answer.claim.expiresAt > now ? answer.claim : null;
  const over = expired || answer.state === 'done';
  return {
    id: answer.verification,
    state: over ? 'done' : answer.state,
    later: answer.later,
    expiresAt,
    secondsLeft: over ? 0 : expiresAt - now,
    asked: open ? askedBy(open) : remembered,
    attemptsLeft: over ? null : (answer.attempt?.left ?? null),
    verdict: expired ? 'expired' : (answer.verdict ?? null),
    claim: claim && { ...claim, secondsLeft: claim.expiresAt - now },
  };
}
