import {
  AkashiError,
  type IssuerSourceBody,
  issuerSourceBody,
  parse,
  publicJwkShape,
  reference,
  rpId,
  text,
  thumbprint,
} from '@akashi/circuits';
import * as v from 'valibot';
import { isCurvePoint } from './key-sets.ts';
import { reachOf } from './network.ts';
import { passkeyOrigins } from './origin.ts';
import type { Actor, Operator, PasskeySettings, Retention, Tenant } from './records.ts';
import type { Store } from './store.ts';
import { newApiKey, newToken, type Random, tokenHash } from './token.ts';

// What the person who runs a verifier sets up, on the command line or from a program of their own. Secrets are given
// out once and kept as hashes.

const SIGN_IN_SECONDS = 600;
const CLI: Actor = { kind: 'cli' };

const tenantShape = v.strictObject({
  tenant: reference,
  name: text,
  origins: v.array(v.pipe(v.string(), v.check(isOrigin))),
});
const passkeySettingsShape = v.strictObject({ rpId, acceptScreenLock: v.boolean() });

const days = v.nullable(v.pipe(v.number(), v.integer(), v.minValue(30), v.maxValue(36_500)));
const retentionShape = v.strictObject({ verifications: days, devices: days, audit: days });

/** `origins`: from which of the tenant's pages a browser may call, as scheme, host and port. */
export type NewTenant = Readonly<v.InferOutput<typeof tenantShape>>;

const operatorShape = v.strictObject({
  tenant: reference,
  name: text,
  role: v.picklist(['operator', 'admin']),
});

/**
 * Makes a tenant and its first API key.
 * @throws AkashiError `malformed`; TypeError when there is such a tenant
 */
export async function createTenant(
  store: Store,
  tenant: NewTenant,
  now: number,
  random: Random,
): Promise<{ readonly apiKey: string }> {
  const checked = parse(tenantShape, tenant);
  if (!(await store.createTenant(checked, now))) throw new TypeError('there is such a tenant already');
  return { apiKey: await createApiKey(store, checked.tenant, now, random) };
}

/**
 * Sets from where a tenant's pages may call.
 * @throws AkashiError `malformed`; TypeError when there is no such tenant, or none of them fits its rpId
 */
export async function setOrigins(
  store: Store,
  tenant: string,
  origins: readonly string[],
  now: number,
): Promise<void> {
  const checked = parse(tenantShape.entries.origins, origins);
  const { passkeys } = await requireTenant(store, tenant);
  if (passkeys !== null) requirePasskeyOrigin(checked, passkeys.rpId);
  if (!(await store.setOrigins(tenant, checked, now))) throw new TypeError('there is no such tenant');
}

/**
 * Sets for how many days a tenant keeps what is over; at least 30, which is as far back as policies look for failures.
 * @throws AkashiError `malformed`; TypeError when there is no such tenant
 */
export async function setRetention(
  store: Store,
  tenant: string,
  retention: Retention,
  now: number,
): Promise<void> {
  if (!(await store.setRetention(tenant, parse(retentionShape, retention), now)))
    throw new TypeError('there is no such tenant');
}

/**
 * Lets a tenant's devices have passkeys for this rpId, or turns them off with `null`. Another rpId makes those that devices
 * have useless.
 * @throws AkashiError `malformed`; TypeError when there is no such tenant, or none of its origins fits the rpId
 */
export async function setPasskeySettings(
  store: Store,
  tenant: string,
  settings: PasskeySettings | null,
  now: number,
): Promise<void> {
  const checked = settings && parse(passkeySettingsShape, settings);
  const { origins } = await requireTenant(store, tenant);
  if (checked !== null) requirePasskeyOrigin(origins, checked.rpId);
  await store.setPasskeySettings(tenant, checked, now);
}

/** A further API key of a tenant. @throws TypeError when there is no such tenant */
export async function createApiKey(
  store: Store,
  tenant: string,
  now: number,
  random: Random,
): Promise<string> {
  await requireTenant(store, tenant);
  const apiKey = newApiKey(random);
  await store.addApiKey(tenant, tokenHash(apiKey), now);
  return apiKey;
}

/**
 * Pins a public key of a tenant's issuer.
 * @returns its thumbprint
 * @throws AkashiError `malformed`; TypeError when there is no such tenant
 */
export async function pinIssuer(store: Store, tenant: string, jwk: unknown, now: number): Promise<string> {
  const key = parse(publicJwkShape, jwk);
  if (!(await isCurvePoint(key))) throw new AkashiError('malformed');
  await requireTenant(store, tenant);
  const issuer = await thumbprint(key);
  await store.addIssuer(tenant, issuer, key, CLI, now);
  return issuer;
}

/** Takes a pinned key back. @throws TypeError when it is none */
export async function unpinIssuer(store: Store, tenant: string, issuer: string, now: number): Promise<void> {
  if (!(await store.removeIssuer(tenant, issuer, CLI, now))) throw new TypeError('there is no such issuer');
}

/** Sets where a tenant's issuer publishes. @throws AkashiError `malformed`; TypeError when there is no such tenant */
export async function setIssuerSource(
  store: Store,
  tenant: string,
  source: IssuerSourceBody,
  now: number,
): Promise<void> {
  const { jwks = null, statusLists = null, staleSeconds = 0 } = parse(issuerSourceBody, source);
  for (const url of [jwks, statusLists])
    if (url !== null && !mayBeFetched(url)) throw new AkashiError('malformed');
  await requireTenant(store, tenant);
  const none = jwks === null && statusLists === null;
  await store.setIssuerSource(tenant, none ? null : { jwks, statusLists, staleSeconds }, CLI, now);
}

/**
 * Makes an operator.
 * @returns the operator's id
 * @throws AkashiError `malformed`; TypeError when there is no such tenant
 */
export async function createOperator(
  store: Store,
  operator: Omit<Operator, 'operator'>,
  now: number,
  random: Random,
): Promise<string> {
  const checked = parse(operatorShape, operator);
  await requireTenant(store, checked.tenant);
  const id = newToken(random);
  await store.addOperator({ ...checked, operator: id }, now);
  return id;
}

/** The token of a link that signs an operator in, once, within 10 minutes. */
export async function createSignInLink(
  store: Store,
  tenant: string,
  operator: string,
  now: number,
  random: Random,
): Promise<string> {
  const token = newToken(random);
  await store.addSignInLink(tenant, operator, tokenHash(token), now + SIGN_IN_SECONDS, now);
  return token;
}

async function requireTenant(store: Store, tenant: string): Promise<Tenant> {
  const found = await store.tenant(tenant);
  if (found === undefined) throw new TypeError('there is no such tenant');
  return found;
}

function requirePasskeyOrigin(origins: readonly string[], id: string): void {
  if (passkeyOrigins(origins, id).length === 0) throw new TypeError('no origin of the tenant fits its rpId');
}

/** Whether any verifier may fetch this; whether this one does, its own network decides. */
function mayBeFetched(url: string): boolean {
  return reachOf(url, { development: true, privateOrigins: [new URL(url).origin] }) !== null;
}

function isOrigin(input: string): boolean {
  return URL.canParse(input) && /^https?:/.test(input) && new URL(input).origin === input;
}
