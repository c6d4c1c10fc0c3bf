import {
  AkashiError,
  type DeviceStatus,
  deviceAnswer,
  deviceStatus,
  fieldFromBytes,
  parseReceipt,
  type Receipt,
  thumbprint,
} from '@akashi/circuits';
import { holderCommitment, pinCommitment } from '@akashi/circuits/poseidon';
import { checkIssuedAccounts, type ExpectedHolder } from './accounts.ts';
import { loadOprf, loadPasskeyActs, need } from './chunk.ts';
import { checkIssuedClaims, keepClaims } from './claims.ts';
import { hasCode, readAnswer } from './connection.ts';
import type { DeviceConnection, DeviceIdentity } from './device-connection.ts';
import { readStatus, unregister } from './device-status.ts';
import { parseEnrolmentLink } from './enrolment-link.ts';
import {
  HOLDER_RECORD,
  type HolderRecord,
  type Identity,
  type OpenIdentity,
  updateRecord,
} from './holder-record.ts';
import { parseNewPin } from './new-pin.ts';
import type { Opening } from './opening.ts';
import type { BlindedPin } from './oprf.ts';
import { evaluatePin } from './pin-entry.ts';
import type { DeviceStorage } from './storage.ts';
import { withinTime } from './time-limit.ts';

// Enrolment (docs/protocol.md, section 5). Nothing is stored before one step that replaces everything at once: however it
// is interrupted, the device is as it was, or enrolled, and the verifier forgets an unfinished one by itself.

/**
 * `registering` the device key, `protecting` the PIN, `exchanging` receipt for accounts, `storing` all of it, and then
 * `preparing` the proof of the PIN: from there on the device is enrolled, whatever happens.
 */
export type EnrolPhase = 'registering' | 'protecting' | 'exchanging' | 'storing' | 'preparing';

/**
 * The app's call to its own back end: hands over the receipt, brings what `issueAccounts` gave, or a list of what
 * `issueClaims` gave where claims are asked for.
 * Its own errors reach the caller of the SDK as they are.
 */
export type Exchange = (receipt: string, signal: AbortSignal) => Promise<unknown>;

export interface EnrolOptions {
  readonly link: string;
  /** As typed. */
  readonly pin: string;
  readonly exchange: Exchange;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (phase: EnrolPhase) => void;
}

export interface EnrolmentDesk {
  readonly connection: DeviceConnection;
  readonly storage: DeviceStorage;
  readonly random: (length: number) => Uint8Array;
  readonly timeoutSeconds: number;
}

/** A device that is enrolled, and the key of its PIN while it is in memory. */
export interface Enrolment {
  readonly identity: OpenIdentity;
  readonly pinKey: bigint;
}

/**
 * Enrols this device anew.
 * @throws AkashiError `malformed` (link), `pin_weak`, `enrolment_refused`, `unexpected_answer` (accounts that are not for this device)
 */
export async function enrol(desk: EnrolmentDesk, options: EnrolOptions): Promise<Enrolment> {
  const { token, root } = parseEnrolmentLink(options.link);
  const pin = parseNewPin(options.pin);
  const { signal, onProgress } = options;

  // Before the token is used up: what fails for want of code must have cost nothing.
  const { blindPin } = await need(loadOprf, signal);
  onProgress?.('registering');
  const device: DeviceIdentity = { key: await desk.storage.createKey(), root };
  const registered = await redeem(desk.connection, device, token, signal);
  try {
    const blinded = blindPin(pin, desk.random);
    const { record, pinKey } = await finish(desk, device, registered, blinded, options);
    return { identity: { ...device, thumbprint: await thumbprint(device.key.jwk), record }, pinKey };
  } catch (error) {
    // The verifier should not go on asking a device that remembers nothing.
    await unregister(desk.connection, device);
    throw error;
  }
}

/** From a device that the verifier knows to one that is stored. */
async function finish(
  desk: EnrolmentDesk,
  identity: DeviceIdentity,
  { device, tenant }: Pick<HolderRecord, 'device' | 'tenant'>,
  blinded: BlindedPin,
  { exchange, signal, onProgress }: EnrolOptions,
): Promise<{ readonly record: HolderRecord; readonly pinKey: bigint }> {
  const { connection, storage, random } = desk;
  onProgress?.('protecting');
  const { pinKey } = await evaluatePin(connection, identity, blinded, { use: 'enrol' }, signal);
  const holderSecret = fieldFromBytes(random(31));
  const holder = holderCommitment(holderSecret);
  const commitment = String(pinCommitment(pinKey, holderSecret));
  const status = await registerPin(connection, identity, { holder: String(holder), commitment }, signal);

  onProgress?.('exchanging');
  const expected = { device, tenant: tenant.id, holder };
  const shown = { identity, status, expected };
  const { receipt, ...accounts } = await exchangeReceipt(desk, shown, exchange, signal);

  onProgress?.('storing');
  const record: HolderRecord = {
    verifier: connection.origin,
    root: identity.root,
    device,
    tenant,
    subject: receipt.sub,
    enrolledAt: status.enrolledAt,
    holderSecret: String(holderSecret),
    holder: String(holder),
    commitment,
    nextCommitment: null,
    passkeys: [],
    ...accounts,
  };
  await storage.exclusive(() => storage.replace(identity.key, { [HOLDER_RECORD]: record }));
  return { record, pinKey };
}

/** Fetches accounts anew for a device that is enrolled, and keeps them: after `accountsExpireAt`, or when they have changed. */
export async function refreshAccounts(
  desk: EnrolmentDesk & Opening,
  identity: Identity,
  exchange: Exchange,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { record } = identity;
  const status = await readStatus(desk.connection, identity, signal);
  const expected = { device: record.device, tenant: record.tenant.id, holder: BigInt(record.holder) };
  const { receipt, ...accounts } = await exchangeReceipt(
    desk,
    { identity, status, expected },
    exchange,
    signal,
  );
  if (receipt.sub !== record.subject) throw new AkashiError('receipt_invalid');
  const kept = await updateRecord(desk.storage, identity, (current) =>
    'wrapped' in current ? current : { ...current, ...accounts },
  );
  if (!('wrapped' in kept)) return;
  const { keepWrappedAccounts } = await need(loadPasskeyActs, signal);
  await keepWrappedAccounts(desk, { ...identity, record: kept }, accounts, signal);
}

/** Fetches claims, and keeps each in place of an earlier one of its schema. */
export async function refreshClaims(
  desk: EnrolmentDesk & Opening,
  identity: Identity,
  exchange: Exchange,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { record } = identity;
  const status = await readStatus(desk.connection, identity, signal);
  const expected = { device: record.device, tenant: record.tenant.id, holder: BigInt(record.holder) };
  const { receipt, brought, holder } = await showReceipt(
    desk,
    { identity, status, expected },
    exchange,
    signal,
  );
  if (receipt.sub !== record.subject) throw new AkashiError('receipt_invalid');
  const issued = await checkIssuedClaims(brought, holder);
  if (await keepClaims(desk.storage, identity, issued, holder.now)) return;
  const { keepWrappedClaims } = await need(loadPasskeyActs, signal);
  await keepWrappedClaims(desk, identity, { issued, now: holder.now }, signal);
}

async function redeem(
  connection: DeviceConnection,
  identity: DeviceIdentity,
  token: string,
  signal: AbortSignal | undefined,
): Promise<Pick<HolderRecord, 'device' | 'tenant'>> {
  const call = { method: 'POST', path: '/v1/devices', body: { token }, signal, repeatable: false } as const;
  try {
    return readAnswer(await connection.send(identity, call), deviceAnswer);
  } catch (error) {
    if (!hasCode(error, 'network', 'timeout')) throw error;
    // The token is good once: before it is sent again, ask whether it arrived. The key is new, so nobody else has it.
    try {
      return await readStatus(connection, identity, signal);
    } catch (unknown) {
      if (!hasCode(unknown, 'unauthorized')) throw error;
      return readAnswer(await connection.send(identity, call), deviceAnswer);
    }
  }
}

async function registerPin(
  connection: DeviceConnection,
  identity: DeviceIdentity,
  body: { readonly holder: string; readonly commitment: string },
  signal: AbortSignal | undefined,
): Promise<DeviceStatus> {
  try {
    const answer = await connection.send(identity, {
      method: 'PUT',
      path: '/v1/devices/current/pin',
      body,
      signal,
      repeatable: false,
    });
    return readAnswer(answer, deviceStatus);
  } catch (error) {
    if (!hasCode(error, 'network', 'timeout')) throw error;
    const status = await readStatus(connection, identity, signal);
    if (status.state !== 'active') throw error;
    return status;
  }
}

interface Shown {
  readonly identity: DeviceIdentity;
  readonly status: DeviceStatus;
  readonly expected: { readonly device: string; readonly tenant: string; readonly holder: bigint };
}

/** Exchanges the receipt for accounts, and checks them. */
async function exchangeReceipt(
  desk: EnrolmentDesk,
  shown: Shown,
  exchange: Exchange,
  signal: AbortSignal | undefined,
): Promise<{ readonly receipt: Receipt } & Pick<HolderRecord, 'issued' | 'accountsExpireAt'>> {
  const { receipt, brought, holder } = await showReceipt(desk, shown, exchange, signal);
  const { issued, credential } = await checkIssuedAccounts(brought, holder);
  return { receipt, issued, accountsExpireAt: credential.exp };
}

/** Shows the receipt to the app's back end: what came for it, not checked, and whom it must be for. */
async function showReceipt(
  { connection, timeoutSeconds }: EnrolmentDesk,
  { identity, status, expected }: Shown,
  exchange: Exchange,
  signal: AbortSignal | undefined,
): Promise<{ readonly receipt: Receipt; readonly brought: unknown; readonly holder: ExpectedHolder }> {
  const jkt = await thumbprint(identity.key.jwk);
  const jws = status.receipt;
  if (jws === undefined || status.device !== expected.device) throw new AkashiError('receipt_invalid');
  const receipt = await checkReceipt(connection, jws, { ...expected, jkt });
  const brought = await withinTime({ seconds: timeoutSeconds, signal }, (limited) => exchange(jws, limited));
  const holder = {
    verifier: connection.origin,
    tenant: expected.tenant,
    subject: receipt.sub,
    jkt,
    holder: expected.holder,
    now: connection.verifierTime(),
  };
  return { receipt, brought, holder };
}

async function checkReceipt(
  connection: DeviceConnection,
  jws: string,
  expected: { readonly tenant: string; readonly holder: bigint; readonly jkt: string },
): Promise<Receipt> {
  try {
    const receipt = parseReceipt(await connection.verify('receipt', jws));
    const meant =
      receipt.iss === connection.origin &&
      receipt.tenant === expected.tenant &&
      receipt.jkt === expected.jkt &&
      receipt.holder === String(expected.holder);
    if (!meant) throw new AkashiError('malformed');
    return receipt;
  } catch (cause) {
    throw new AkashiError('receipt_invalid', { cause });
  }
}
