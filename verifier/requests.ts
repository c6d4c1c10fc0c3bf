import {
  AkashiError,
  PASSKEY,
  type Policy,
  type Purpose,
  parseRequest,
  type Request,
  type Start,
  signJws,
  type TransactionRule,
  transactionHash,
} from '@akashi/circuits';
import { base64url } from 'jose';
import type { Caller } from './caller.ts';
import { transactionSalt } from './codes.ts';
import { signingKey } from './keys.ts';
import { type Demand, demandOf, failureWindows, isMeetable } from './policy.ts';
import { requestedList } from './policy-facts.ts';
import type {
  Device,
  Idempotency,
  NewVerification,
  Operator,
  PasskeySettings,
  Tenant,
  VerificationRow,
} from './records.ts';
import { findReuse } from './reuse.ts';
import { seal, unseal } from './sealed.ts';
import type { Limit } from './store.ts';
import { newToken, sha256 } from './token.ts';
import { runHook, type Verifier } from './verifier.ts';

// Starting a verification: the checks, and the signed request that its devices get (docs/protocol.md, section 6).

const LIFE_SECONDS = { call: 120, precall: 15 * 60 } as const;

const STARTS = { seconds: 60, perOperator: 60, perTenant: 600 } as const;
const NOTICES = { seconds: 600, perSubject: 5 } as const;

/** Devices that one request can be for: the newest of the subject's active ones. */
const MAX_AUDIENCE = 16;

/** The rule of a policy that says nothing of transactions: the side that knows least decides least. */
const TRANSACTION_RULE: TransactionRule = { from: 'backend', desk: 'hidden' };

/**
 * Starts a verification for a caller and tells the subject's devices.
 * @throws AkashiError `forbidden`, `rate_limited`, `policy_unknown`, `no_device`, `no_passkey`, `passkeys_off`,
 * `policy_not_two_factor`, `idempotency_mismatch`, `malformed`, `not_found` for an operator who is none of the tenant's
 */
export async function startVerification(
  verifier: Verifier,
  caller: Caller,
  start: Start,
  idempotency: Idempotency | undefined,
): Promise<VerificationRow> {
  const { store } = verifier;
  const { tenant } = caller.tenant;
  const now = verifier.now();
  // An inbound pre-call verification is for the customer who is logged in to the tenant's own app: only its back
  // end knows who that is. An operator who could start one could have anybody verify for a call of somebody else.
  const operator = await ownerOf(verifier, caller, start);
  if (operator !== null && start.mode === 'precall' && start.call.direction === 'inbound') {
    throw new AkashiError('forbidden');
  }
  const mayNotify = await takeStart(verifier, caller, start.subject, now);
  const { policy, purpose } = await findPolicy(verifier, caller, start);
  const { passkeys } = caller.tenant;
  const demand = await demandAt(verifier, caller, start, policy);
  if (!isMeetable(demand, passkeys)) throw new AkashiError('policy_not_two_factor');
  const devices = (await store.devicesOfSubject(tenant, start.subject, now))
    .filter((device) => device.state === 'active')
    .sort((a, b) => b.enrolledAt - a.enrolledAt)
    .slice(0, MAX_AUDIENCE);
  if (devices.length === 0) {
    await store.recordRefusedStart({ tenant, subject: start.subject, lacking: 'device' }, caller.actor, now);
    throw new AkashiError('no_device');
  }
  const able = demand.alternatives.every((one) => one.includes(PASSKEY.fact))
    ? await withPasskey(verifier, devices, passkeys)
    : devices;
  if (able.length === 0) {
    await store.recordRefusedStart({ tenant, subject: start.subject, lacking: 'passkey' }, caller.actor, now);
    throw new AkashiError('no_passkey');
  }
  const verification = await signRequest(verifier, caller.tenant, start, {
    ...{ operator, policy, demand, purpose, devices: able, now },
  });
  // A transaction is what the customer agrees to: no earlier pass can have been about it.
  const mayReuse = start.transaction === undefined && policy.transaction === undefined;
  const reuse = mayReuse ? await findReuse(verifier, verification, passkeys) : undefined;
  const result = await store.createVerification(verification, caller.actor, idempotency, reuse);
  if (typeof result === 'string') throw new AkashiError(result);
  if (result.created && result.row.state === 'pending' && mayNotify) {
    const { subject, verification: id } = result.row;
    runHook(verifier, 'notice.failed', () => verifier.notify({ tenant, subject, verification: id }));
  }
  return result.row;
}

/** The request JWS of a verification whose verdict does not stand yet. */
export function readRequest(verifier: Verifier, row: VerificationRow): string {
  if (row.request === null) throw new AkashiError('verification_over');
  const place = { kind: 'request', tenant: row.tenant, row: row.verification } as const;
  return new TextDecoder().decode(unseal(verifier.keys.keyEncryption, place, row.request));
}

/** What the request of such a verification says. */
export function requestOf(verifier: Verifier, row: VerificationRow): Request {
  // Its own signature needs no check: nobody can have put another one into the sealed column.
  const [, payload = ''] = readRequest(verifier, row).split('.');
  return parseRequest(JSON.parse(new TextDecoder().decode(base64url.decode(payload))));
}

/**
 * Whose verification it is: the operator who starts it, or one whom the back end names, who then gets the code to read out
 * and need not see what it is about; `null`: the back end's own.
 */
async function ownerOf({ store }: Verifier, caller: Caller, start: Start): Promise<Operator | null> {
  if (caller.kind === 'operator') {
    if (start.operator !== undefined) throw new AkashiError('forbidden');
    return caller.operator;
  }
  if (start.operator === undefined) return null;
  const operator = await store.operator(caller.tenant.tenant, start.operator);
  if (operator === undefined) throw new AkashiError('not_found');
  return operator;
}

/**
 * Takes a start from the limits. The subject's own limit withholds notices only, and is taken for unknown subjects as
 * well: what it does tells nothing.
 * @returns whether devices may be notified
 * @throws AkashiError `rate_limited`
 */
async function takeStart(
  { store }: Verifier,
  caller: Caller,
  subject: string,
  now: number,
): Promise<boolean> {
  const { tenant } = caller.tenant;
  const { seconds, perOperator, perTenant } = STARTS;
  const starts: Limit[] = [{ tenant, key: 'start', count: perTenant, seconds }];
  if (caller.kind === 'operator') {
    starts.unshift({ tenant, key: `start:${caller.operator.operator}`, count: perOperator, seconds });
  }
  const notice = { tenant, key: `notice:${subject}`, count: NOTICES.perSubject, seconds: NOTICES.seconds };
  const { granted, retryAfter } = await store.takeLimits([...starts, notice], now);
  if (granted < starts.length) throw new AkashiError('rate_limited', { retryAfter });
  return retryAfter === 0;
}

async function findPolicy(
  { store }: Verifier,
  caller: Caller,
  start: Start,
): Promise<{ readonly policy: Policy; readonly purpose: Purpose }> {
  const policy = (await store.policies(caller.tenant.tenant)).find((entry) => entry.policy === start.policy);
  const purpose = policy?.purposes.find((entry) => entry.id === start.purpose);
  if (policy === undefined || purpose === undefined) throw new AkashiError('policy_unknown');
  const { from } = policy.transaction ?? TRANSACTION_RULE;
  if (start.transaction !== undefined && caller.kind === 'operator' && from !== 'operator') {
    throw new AkashiError('forbidden');
  }
  return { policy, purpose };
}

/** What the policy comes to for this start. @throws AkashiError `malformed` */
async function demandAt(
  { store, now }: Verifier,
  { tenant: { tenant } }: Caller,
  { subject, signals = {}, transaction, accountRef }: Start,
  policy: Policy,
): Promise<Demand> {
  const failures = new Map<number, number>();
  for (const seconds of failureWindows(policy)) {
    failures.set(seconds, await store.failuresSince(tenant, subject, now() - seconds));
  }
  const failuresWithin = (seconds: number) => failures.get(seconds) ?? 0;
  const demand = demandOf(policy, { now: now(), signals, transaction, failuresWithin });
  // An account to be shown, where one could do without any, would be an expectation that nobody checks.
  if (accountRef !== undefined && !demand.alternatives.every((one) => one.includes('account'))) {
    throw new AkashiError('malformed');
  }
  return demand;
}

/** Those of the devices that have a passkey of the tenant's rpId. @throws AkashiError `passkeys_off` */
async function withPasskey(
  { store }: Verifier,
  devices: readonly Device[],
  settings: PasskeySettings | null,
): Promise<readonly Device[]> {
  if (settings === null) throw new AkashiError('passkeys_off');
  const able: Device[] = [];
  for (const device of devices) {
    const passkeys = await store.passkeys(device.tenant, device.device);
    if (passkeys.some(({ rpId }) => rpId === settings.rpId)) able.push(device);
  }
  return able;
}

async function signRequest(
  verifier: Verifier,
  { tenant, name, passkeys }: Tenant,
  start: Start,
  chosen: {
    readonly operator: Operator | null;
    readonly policy: Policy;
    readonly demand: Demand;
    readonly purpose: Purpose;
    readonly devices: readonly Device[];
    readonly now: number;
  },
): Promise<NewVerification> {
  const { random, keys, origin } = verifier;
  const { operator, policy, demand, purpose, devices, now } = chosen;
  const { transaction } = start;
  const verification = newToken(random);
  const expiresAt = now + LIFE_SECONDS[start.mode];
  const { facts, alternatives } = await requestedList(demand, {
    ...{ tenant, accountRef: start.accountRef, rpId: passkeys?.rpId ?? null, now },
  });
  const request: Request = {
    iss: origin,
    jti: verification,
    aud: devices.map((device) => device.thumbprint),
    tenant: { id: tenant, name },
    ...(operator === null ? {} : { operator: operator.name }),
    mode: start.mode,
    direction: start.call.direction,
    purpose,
    ...(transaction === undefined ? {} : { transaction }),
    facts: [...facts],
    ...(alternatives === null ? {} : { alternatives: alternatives.map((places) => [...places]) }),
    ...(demand.twoFactor ? { twoFactor: true } : {}),
    nonce: base64url.encode(random(32)),
    iat: now,
    exp: expiresAt,
  };
  const jws = await signJws('request', request, signingKey(keys, now));
  const place = { kind: 'request', tenant, row: verification } as const;
  return {
    tenant,
    verification,
    subject: start.subject,
    operator: operator?.operator ?? null,
    policy: policy.policy,
    policyVersion: policy.version,
    purpose: purpose.id,
    mode: start.mode,
    direction: start.call.direction,
    facts: request.facts,
    audience: request.aud,
    request: seal(keys.keyEncryption, place, new TextEncoder().encode(jws), random),
    requestHash: sha256(jws),
    transactionHash: transaction
      ? transactionHash(transaction, transactionSalt(keys.codeKey, verification))
      : null,
    alternatives,
    twoFactor: demand.twoFactor,
    raisedBy: demand.raisedBy,
    callId: start.call.id ?? null,
    reuseSeconds: policy.transaction === undefined ? (policy.reuseSeconds ?? 0) : 0,
    deskFigures: transaction !== undefined && (policy.transaction ?? TRANSACTION_RULE).desk === 'figures',
    startedAt: now,
    expiresAt,
  };
}
