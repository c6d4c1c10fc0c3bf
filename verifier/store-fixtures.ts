import { createHash } from 'node:crypto';
import type { Attempt, Device, NewVerification, Sealed, VerificationRow } from './records.ts';
import { BOUNDS, type Store } from './store.ts';
import type { StoreCall } from './store-peers.ts';

// What the contract's tests begin with. Ids are made from labels, so that a failing test says which one it was.

export const NOW = 1_900_000_000;
export const LIFE = 120;

/** A store under test, with the means to disturb it. */
export interface StoreHarness {
  readonly store: Store;
  /** Performs the calls in other processes on the same database, all at once; the results in their order. */
  race(calls: readonly StoreCall[]): Promise<readonly unknown[]>;
  /** Performs the call in another process, killed the moment its promise resolved. */
  callAndDie(call: StoreCall): Promise<void>;
  /** Stops what was started and removes what was made. */
  dispose(): Promise<void>;
}

export function call<V extends Exclude<keyof Store, 'claim'>>(
  verb: V,
  ...args: Parameters<Store[V]>
): StoreCall {
  return { verb, args };
}

/** 128 bits, base64url. */
export function id(label: string): string {
  return digest(label, 16).toString('base64url');
}

/** A thumbprint: 256 bits, base64url. */
export function thumb(label: string): string {
  return digest(`thumb ${label}`, 32).toString('base64url');
}

export function hash(label: string): Uint8Array {
  return new Uint8Array(digest(label, 32));
}

export function sealed(label: string): Sealed {
  return { kek: 'kek-1', iv: hash(`iv ${label}`).slice(0, 12), ciphertext: hash(`sealed ${label}`) };
}

export function attempt(label: string): Attempt {
  return { attempt: id(`attempt ${label}`), nonce: hash(`nonce ${label}`) };
}

/** Two tenants with an operator each, named alike. */
export async function addTenants(store: Store): Promise<void> {
  for (const tenant of ['bank', 'shop']) {
    await store.createTenant({ tenant, name: `The ${tenant}`, origins: [] }, NOW);
    const operator = id(`operator ${tenant}`);
    await store.addOperator({ tenant, operator, name: 'Sato', role: 'operator' }, NOW);
  }
}

export async function enrolling(
  store: Store,
  label: string,
  { tenant = 'bank', subject = 'c-1', at = NOW } = {},
): Promise<Device> {
  const tokenHash = hash(`token ${label}`);
  await store.createEnrolment({ tenant, subject, tokenHash, expiresAt: at + 600 }, at);
  const device = await store.redeemEnrolment(
    { tokenHash, device: id(label), thumbprint: thumb(label), evaluationKey: sealed(label) },
    at,
  );
  if (typeof device === 'string') throw new Error(device);
  return device;
}

export async function enrolled(
  store: Store,
  label: string,
  options: { tenant?: string; subject?: string; at?: number } = {},
): Promise<Device> {
  const { tenant, device } = await enrolling(store, label, options);
  const pin = { holder: '11', commitment: commitment(label) };
  const active = await store.registerPin(tenant, device, pin, options.at ?? NOW);
  if (active === undefined) throw new Error('not enrolled');
  return active;
}

export function commitment(label: string): string {
  return BigInt(`0x${digest(`commitment ${label}`, 31).toString('hex')}`).toString();
}

export function newVerification(label: string, changes: Partial<NewVerification> = {}): NewVerification {
  return {
    tenant: 'bank',
    verification: id(label),
    subject: 'c-1',
    operator: null,
    policy: 'standard',
    policyVersion: 1,
    purpose: 'transfer',
    mode: 'call',
    direction: 'inbound',
    facts: [
      { fact: 'pin', version: 1 },
      { fact: 'account', version: 1, scope: '7', accountRef: '0' },
    ],
    audience: [thumb('phone')],
    request: sealed(`request ${label}`),
    requestHash: hash(`request ${label}`),
    transactionHash: null,
    deskFigures: false,
    ...{ alternatives: null, twoFactor: false, raisedBy: [], callId: null, reuseSeconds: 0 },
    startedAt: NOW,
    expiresAt: NOW + LIFE,
    ...changes,
  };
}

export async function started(
  store: Store,
  label: string,
  changes: Partial<NewVerification> = {},
): Promise<VerificationRow> {
  const made = await store.createVerification(
    newVerification(label, changes),
    { kind: 'backend' },
    undefined,
  );
  if (typeof made === 'string') throw new Error(made);
  return made.row;
}

/** The verification `label`, accepted by the device `phone`, with its first attempt open. */
export async function accepted(
  store: Store,
  label: string,
  changes: Partial<NewVerification> = {},
): Promise<VerificationRow> {
  const { tenant, verification, startedAt } = await started(store, label, changes);
  const row = await store.accept(tenant, verification, id('phone'), attempt(`${label} 1`), startedAt);
  if (typeof row === 'string') throw new Error(row);
  return row;
}

/** The use of attempt `number` of the verification `label` by the device `phone`. */
export function use(
  label: string,
  number = 1,
  changes: { tenant?: string; jti?: string; device?: string } = {},
) {
  return {
    tenant: 'bank',
    verification: id(label),
    device: id('phone'),
    attempt: id(`attempt ${label} ${number}`),
    jti: id(`jti ${label} ${number}`),
    jtiExpiresAt: NOW + 600,
    ...changes,
  };
}

/** What came of attempt `number`: by default a pass with a PIN. */
export function result(
  label: string,
  number = 1,
  changes: Partial<Parameters<Store['recordResult']>[0]> = {},
): Parameters<Store['recordResult']>[0] {
  return {
    tenant: 'bank',
    verification: id(label),
    device: id('phone'),
    attempt: id(`attempt ${label} ${number}`),
    passed: true,
    reason: null,
    provenCommitment: commitment('phone'),
    passkey: null,
    factors: ['possession', 'knowledge'],
    shown: [0, 1],
    next: attempt(`${label} ${number + 1}`),
    ...changes,
  };
}

export const FAILED = { passed: false, reason: 'code', provenCommitment: null, factors: [] } as const;

/** A pre-call pass of the device `phone`, not claimed yet. */
export async function unclaimedPass(
  store: Store,
  label: string,
  changes: Partial<NewVerification> = {},
): Promise<VerificationRow> {
  await accepted(store, label, { mode: 'precall', expiresAt: NOW + 900, ...changes });
  const used = await store.consumeAttempt(use(label), NOW);
  if (typeof used === 'string') throw new Error(used);
  return store.recordResult(result(label), NOW);
}

/** What the audit of a tenant says, in order. */
export async function said(
  store: Store,
  tenant = 'bank',
): Promise<readonly (Readonly<Record<string, unknown>> & { readonly event: string })[]> {
  await store.linkAudit();
  return (await store.auditEntries(tenant, 0, 10_000)).map(({ content }) => JSON.parse(content));
}

/** Every event in the audit of a tenant, in order. */
export async function events(store: Store, tenant = 'bank'): Promise<readonly string[]> {
  return (await said(store, tenant)).map(({ event }) => event);
}

function digest(label: string, length: number): Buffer {
  return createHash('sha256').update(label).digest().subarray(0, length);
}

/** Each kind of search that a verifier makes while it works. */
export async function searchEverywhere(store: Store): Promise<void> {
  await enrolled(store, 'phone');
  await enrolling(store, 'slow');
  const idempotency = { caller: 'backend', key: 'k', bodyHash: hash('body') };
  const verification = newVerification('v', { operator: id('operator bank') });
  await store.createVerification(verification, { kind: 'backend' }, idempotency);
  await store.recordSeen('bank', id('v'), id('operator bank'), NOW);
  await store.verificationsOfOperator('bank', id('operator bank'), NOW);
  await store.verificationsOfDevice('bank', id('phone'), thumb('phone'), NOW);
  await store.devicesOfSubject('bank', 'c-1', NOW);
  await store.report('bank', id('v'), id('phone'), NOW);
  const ask = { tenant: 'bank', subject: 'c-1', purpose: 'transfer', direction: 'inbound' } as const;
  await store.claim({ ...ask, matches: () => false }, { kind: 'backend' }, NOW);
  await store.knowsOrigin('https://a.example');
  await store.policies('bank');
  await store.issuers('bank');
  await store.issuerSource('bank');
  await store.sealedOfDevices('bank', '', 10);
  await store.sealedRequests({ expiresAt: 0, verification: '' }, 10);
  await store.setRetention('bank', { verifications: 30, devices: 30, audit: 30 }, NOW);
  await store.linkAudit();
  await store.countOver('bank', NOW + 1_000);
  for (const kind of ['verifications', 'devices', 'audit'] as const) await store.erase('bank', kind, NOW);
  await store.auditStart('bank');
  await store.sweep(NOW + 100_000);
  await events(store);
}

/** Long before the clock of any server: only what is over by both clocks is erased. */
export const LONG_AGO = 1_500_000_000;

/** A tenant of long ago: a verification that was declined and seen, its device revoked since, another one active, a day later. */
export async function addClub(store: Store): Promise<void> {
  const tenant = 'club';
  const operator = id('operator club');
  await store.createTenant({ tenant, name: 'The club', origins: [] }, LONG_AGO);
  await store.addOperator({ tenant, operator, name: 'Sato', role: 'operator' }, LONG_AGO);
  for (const label of ['gone', 'kept']) await enrolled(store, label, { tenant, at: LONG_AGO });
  const times = { startedAt: LONG_AGO, expiresAt: LONG_AGO + LIFE };
  const verification = newVerification('old', { tenant, audience: [thumb('gone')], ...times });
  const idempotency = { caller: 'backend', key: 'old', bodyHash: hash('body') };
  await store.createVerification(verification, { kind: 'backend' }, idempotency);
  await store.accept(tenant, id('old'), id('gone'), attempt('old 1'), LONG_AGO);
  await store.decline(tenant, id('old'), id('gone'), LONG_AGO);
  await store.recordSeen(tenant, id('old'), operator, LONG_AGO);
  await store.revokeDevice(tenant, id('gone'), { kind: 'backend' }, LONG_AGO);
  // Idempotency keys are gone long before the verifications that they refer to.
  await store.sweep(LONG_AGO + BOUNDS.idempotencySeconds);
}
