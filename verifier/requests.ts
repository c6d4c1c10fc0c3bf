import {
  AkashiError,
  type AskedId,
  FACTS,
  PASSKEY,
  type Policy,
  type Purpose,
  type Request,
  type Requested,
  type Start,
  signJws,
  tenantScope,
} from '@akashi/circuits';
import { base64url } from 'jose';
import type { Caller } from './caller.ts';
import { signingKey } from './keys.ts';
import { seal, unseal } from './sealed.ts';
import type {
  Device,
  Idempotency,
  Limit,
  NewVerification,
  PasskeySettings,
  Tenant,
  VerificationRow,
} from './store.ts';
import { newToken, sha256 } from './token.ts';
import { runHook, type Verifier } from './verifier.ts';

// Starting a verification: the checks, and the signed request that its devices get (docs/protocol.md, section 6).

const LIFE_SECONDS = { call: 120, precall: 15 * 60 } as const;

const STARTS = { seconds: 60, perOperator: 60, perTenant: 600 } as const;
const NOTICES = { seconds: 600, perSubject: 5 } as const;

/** Devices that one request can be for: the newest of the subject's active ones. */
const MAX_AUDIENCE = 16;

/**
 * Starts a verification for a caller and tells the subject's devices.
 * @throws AkashiError `forbidden`, `rate_limited`, `policy_unknown`, `no_device`, `no_passkey`, `passkeys_off`, `idempotency_mismatch`, `malformed`
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
  if (caller.kind === 'operator' && start.mode === 'precall' && start.call.direction === 'inbound') {
    throw new AkashiError('forbidden');
  }
  const mayNotify = await takeStart(verifier, caller, start.subject, now);
  const { policy, purpose } = await findPolicy(verifier, tenant, start);
  const devices = (await store.devicesOfSubject(tenant, start.subject, now))
    .filter((device) => device.state === 'active')
    .sort((a, b) => b.enrolledAt - a.enrolledAt)
    .slice(0, MAX_AUDIENCE);
  if (devices.length === 0) {
    await store.recordRefusedStart({ tenant, subject: start.subject, lacking: 'device' }, caller.actor, now);
    throw new AkashiError('no_device');
  }
  const { passkeys } = caller.tenant;
  const able = policy.facts.includes(PASSKEY.fact) ? await withPasskey(verifier, devices, passkeys) : devices;
  if (able.length === 0) {
    await store.recordRefusedStart({ tenant, subject: start.subject, lacking: 'passkey' }, caller.actor, now);
    throw new AkashiError('no_passkey');
  }
  const verification = await signRequest(verifier, caller, start, { policy, purpose, devices: able, now });
  const result = await store.createVerification(verification, caller.actor, idempotency);
  if (typeof result === 'string') throw new AkashiError(result);
  if (result.created && mayNotify) {
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
  tenant: string,
  start: Start,
): Promise<{ readonly policy: Policy; readonly purpose: Purpose }> {
  const policy = (await store.policies(tenant)).find((entry) => entry.policy === start.policy);
  const purpose = policy?.purposes.find((entry) => entry.id === start.purpose);
  if (policy === undefined || purpose === undefined) throw new AkashiError('policy_unknown');
  // An account to be shown, under a policy that asks for none, would be an expectation that nobody checks.
  if (start.accountRef !== undefined && !policy.facts.includes('account')) throw new AkashiError('malformed');
  return { policy, purpose };
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
  caller: Caller,
  start: Start,
  chosen: {
    readonly policy: Policy;
    readonly purpose: Purpose;
    readonly devices: readonly Device[];
    readonly now: number;
  },
): Promise<NewVerification> {
  const { random, keys, origin } = verifier;
  const { policy, purpose, devices, now } = chosen;
  const { tenant, name } = caller.tenant;
  const verification = newToken(random);
  const expiresAt = now + LIFE_SECONDS[start.mode];
  const request: Request = {
    iss: origin,
    jti: verification,
    aud: devices.map((device) => device.thumbprint),
    tenant: { id: tenant, name },
    ...(caller.kind === 'operator' ? { operator: caller.operator.name } : {}),
    mode: start.mode,
    direction: start.call.direction,
    purpose,
    ...(start.transaction === undefined ? {} : { transaction: start.transaction }),
    facts: policy.facts.map((fact) => requestedEntry(fact, caller.tenant, start)),
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
    operator: caller.kind === 'operator' ? caller.operator.operator : null,
    policy: start.policy,
    purpose: purpose.id,
    mode: start.mode,
    direction: start.call.direction,
    facts: request.facts,
    audience: request.aud,
    request: seal(keys.keyEncryption, place, new TextEncoder().encode(jws), random),
    requestHash: sha256(jws),
    startedAt: now,
    expiresAt,
  };
}

function requestedEntry(fact: AskedId, { tenant, passkeys }: Tenant, start: Start): Requested {
  switch (fact) {
    case 'pin':
      return { fact, version: FACTS.pin.version };
    case 'account': {
      const scope = tenantScope(tenant).toString();
      return { fact, version: FACTS.account.version, scope, accountRef: start.accountRef ?? '0' };
    }
    case PASSKEY.fact:
      if (passkeys === null) throw new AkashiError('passkeys_off');
      return { ...PASSKEY, rpId: passkeys.rpId };
  }
}
