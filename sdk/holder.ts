import { AkashiError, base64url16, type DeviceStatus, parse } from '@akashi/circuits';
import {
  loadAhead,
  loadHolderActs,
  loadOprf,
  loadPasskeyActs,
  loadRequestActs,
  need,
  pageIdle,
  type WhenIdle,
} from './chunk.ts';
import type { HeldCredential } from './claims.ts';
import { checkAnswer, openConnection } from './connection.ts';
import { openConversation } from './conversation.ts';
import { openDeviceConnection } from './device-connection.ts';
import { readStatus, revokeItself, unregister } from './device-status.ts';
import { type Enrolled, type EnrolledDevice, openEnrolledDevice } from './enrolled-device.ts';
import type { EnrolOptions, Exchange } from './enrolment.ts';
import type { HistoryEntry } from './history.ts';
import { type Identity, isOpen } from './holder-record.ts';
import { idleWork } from './idle-work.ts';
import type { AddedPasskey, AddPasskeyOptions } from './passkey-enrolment.ts';
import { browserPasskeys, type PasskeyPlatform } from './passkey-platform.ts';
import type { ChangePinOptions } from './pin-change.ts';
import type { IdleOptions } from './prepared-proof.ts';
import type { PresentOptions } from './presentation.ts';
import type { Prover } from './prover.ts';
import { queue } from './queue.ts';
import type { CheckedRequest } from './request.ts';
import { openRequestDesk, type Wait } from './request-desk.ts';
import type { DeviceStorage } from './storage.ts';

export type { AskedClaim } from '@akashi/circuits';
export { claimText } from './claim-text.ts';
export type { HeldCredential, IssuedClaims } from './claims.ts';
export type { Enrolled } from './enrolled-device.ts';
export type { EnrolPhase, Exchange } from './enrolment.ts';
export { type EnrolmentLink, parseEnrolmentLink } from './enrolment-link.ts';
export type { HistoryEntry } from './history.ts';
export type { IssuedAccounts } from './issued-accounts.ts';
export type { AddedPasskey, AddPasskeyOptions } from './passkey-enrolment.ts';
export type { PasskeyPlatform } from './passkey-platform.ts';
export type { IdleOptions, PrepareProgress } from './prepared-proof.ts';
export type { PresentProgress } from './presentation.ts';
export type { FixedInputs, PrepareOptions, ProveOptions, Prover, ProvingStage } from './prover.ts';
export type { Asked, CheckedRequest } from './request.ts';
export { type DeviceStorage, memoryStorage } from './storage.ts';
export { type IndexedDbStorageOptions, indexedDbStorage } from './storage-indexeddb.ts';
export { type ProverWorker, type WorkerProverOptions, workerProver } from './worker-prover.ts';

/** What an attempt leads to. */
export type Outcome = CheckedRequest;

export interface HolderOptions {
  /** Public origin of the verifier, e.g. `https://verify.example`. */
  readonly verifier: string;
  readonly storage: DeviceStorage;
  readonly prover: Prover;
  /** By default the browser's. */
  readonly passkeys?: PasskeyPlatform;
  readonly fetch?: typeof fetch;
  /** Milliseconds, like `Date.now`; only differences count, the time itself is the verifier's. */
  readonly now?: () => number;
  /** Cryptographically secure. */
  readonly random?: (length: number) => Uint8Array;
  /** For each call; default 20. */
  readonly timeoutSeconds?: number;
  /** Tells when code may be loaded that is not needed yet, so that no tap waits for it. Default: when the page is idle. */
  readonly whenIdle?: WhenIdle;
}

export interface HolderStatus {
  readonly device: string;
  readonly tenant: { readonly id: string; readonly name: string };
  readonly enrolledAt: number;
  readonly pinChangedAt: number | null;
  readonly triesLeft: number;
  /** Whether the tenant uses passkeys. */
  readonly passkeysOffered: boolean;
  /** Those that the verifier knows of this device; `usable`: this device can confirm with it. */
  readonly passkeys: readonly {
    readonly passkey: string;
    readonly createdAt: number;
    readonly usable: boolean;
  }[];
  /** Devices of the same customer enrolled after this one in the last 24 hours. */
  readonly newer: readonly { readonly device: string; readonly enrolledAt: number }[];
}

export interface Call {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The customer's device. Every method may throw AkashiError: `not_enrolled`, `network`, `timeout`, `aborted`,
 * `storage_unavailable`, `key_statement_invalid`, or a code of the verifier; further ones are named where they arise. Those that
 * prove, enrol or change something load their code when it is not there yet: `artifact_unavailable`, and nothing has happened.
 */
export interface Holder {
  /** As of the last call: another tab may have enrolled or removed the device since. */
  readonly enrolled: Enrolled | null;
  /** A device was enrolled here, and what was stored of it is gone or cannot be read: only a new enrolment helps. */
  readonly storageLost: boolean;
  /** Reads the storage again. */
  reload(): Promise<Enrolled | null>;
  /** Enrols this device anew, in place of an earlier enrolment. Throws also `malformed` (link), `pin_weak`. */
  enrol(options: EnrolOptions): Promise<Enrolled>;
  status(options?: Call): Promise<HolderStatus>;
  /**
   * The requests that wait for this customer, all checked, and pre-call passes with their claim code.
   * With `wait`, the answer comes when something changes. Throws also `signature_invalid`, `request_invalid`.
   */
  requests(options?: Wait): Promise<readonly CheckedRequest[]>;
  request(id: string, options?: Call): Promise<CheckedRequest>;
  accept(id: string, options?: Call): Promise<CheckedRequest>;
  later(id: string, options?: Call): Promise<CheckedRequest>;
  decline(id: string, options?: Call): Promise<CheckedRequest>;
  /** "I am not on a call with you": ends every open verification of this customer and raises an alert. */
  report(id: string, options?: Call): Promise<CheckedRequest>;
  /**
   * One attempt. Accepts first what was not accepted yet. Afterwards the request is `done` with a verdict, or
   * `accepted` with `attemptsLeft`. Throws also `malformed` (code, PIN), `account_unknown`, `claim_unknown`, `claim_unmet`, `credential_expired`,
   * `pin_wrong` with `triesLeft`, `pin_locked`, `passkey_missing`, `passkey_unavailable`, `passkey_cancelled`, `proof_failed`, `artifact_*`:
   * none of these uses up the attempt; TypeError when a PIN is needed and none is given.
   */
  present(id: string, options?: PresentOptions): Promise<CheckedRequest>;
  /**
   * Prepares what can be proven of accounts and claims before anybody asks, so that a later `present` takes milliseconds. For the
   * app to call when it is idle: it does nothing where all is there, goes on where it was interrupted, and ends with
   * `aborted` as soon as another method needs the device. (The PIN is prepared while it is known: at enrolment and change.)
   * Throws also `artifact_*`, `proof_failed`.
   */
  prepare(options?: IdleOptions): Promise<void>;
  /** Throws also `pin_weak`, `pin_wrong` with `triesLeft`, `pin_locked`. */
  changePin(options: ChangePinOptions): Promise<void>;
  /** Whether this phone can make passkeys: face, finger or screen lock are set up. */
  canMakePasskeys(): Promise<boolean>;
  /**
   * Adds a passkey of this phone, for requests that ask for one. To be called from a tap. Throws also `pin_wrong` with
   * `triesLeft`, `pin_locked`, `passkeys_off`, `passkey_refused`, `passkey_unavailable`, `passkey_cancelled`.
   */
  addPasskey(options: AddPasskeyOptions): Promise<AddedPasskey>;
  /** From then on nobody can confirm with it. The phone's own list still shows it, until the customer removes it there. */
  removePasskey(passkey: string, options?: Call): Promise<void>;
  refreshAccounts(exchange: Exchange, options?: Call): Promise<Enrolled>;
  /**
   * Has claims vouched for: after enrolment, when they have changed, and before they are over. `exchange` brings a list of
   * what `issueClaims` gave; each takes the place of an earlier one of its schema. Throws also `unexpected_answer`.
   */
  refreshClaims(exchange: Exchange, options?: Call): Promise<void>;
  /** The claims credentials of this device, for the app to show. Where its secrets are wrapped, the customer confirms first. */
  claims(options?: Call): Promise<readonly HeldCredential[]>;
  /** Stops one of the `newer` devices. */
  stopDevice(device: string, options?: Call): Promise<void>;
  /** Revokes this device and forgets everything about it. */
  remove(options?: Call): Promise<void>;
  /** Who asked this device, newest first. */
  history(): Promise<readonly HistoryEntry[]>;
}

/**
 * Opens the device kept in this storage, enrolled or not.
 * @throws AkashiError `storage_unavailable` when the storage cannot be opened at all; TypeError for a verifier that is no origin
 */
export async function openHolder(options: HolderOptions): Promise<Holder> {
  const { storage, prover, passkeys = browserPasskeys(), now = Date.now, timeoutSeconds = 20 } = options;
  const random = options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length)));
  const http = openConnection({ ...options, timeoutSeconds });
  const connection = openDeviceConnection({ connection: http, now, random });
  const requests = openRequestDesk(connection, storage);
  const desk = { connection, storage, prover, passkeys, random, timeoutSeconds, requests };
  const device = openEnrolledDevice(storage, connection.origin);
  const conversation = openConversation(desk);
  const idle = idleWork();
  const oneByOne = queue();
  const inTurn = <T>(work: () => Promise<T>) =>
    oneByOne(async () => {
      await idle.giveWay();
      return work();
    });

  await device.load();
  void loadAhead(ahead(random), options.whenIdle ?? pageIdle);
  return {
    get enrolled() {
      return device.enrolled;
    },
    get storageLost() {
      return device.storageLost;
    },
    async reload() {
      await device.load();
      return device.enrolled;
    },
    enrol: (enrolOptions) =>
      inTurn(async () => {
        const { enrol, preparePin } = await need(loadHolderActs, enrolOptions.signal);
        const before = await device.load();
        const { identity, pinKey } = await enrol(desk, enrolOptions);
        conversation.forgetPins();
        if (before) await unregister(connection, before);
        enrolOptions.onProgress?.('preparing');
        await preparePin(desk, identity, pinKey, enrolOptions.signal);
        return enrolledNow(device);
      }),
    async status({ signal } = {}) {
      const identity = await device.identity();
      return holderStatus(await readStatus(connection, identity, signal), identity);
    },
    requests: async (wait = {}) => conversation.list(await device.identity(), wait),
    request: async (id, call = {}) => conversation.read(await device.identity(), id, call),
    accept: async (id, call = {}) => conversation.answer(await device.identity(), id, 'accept', call),
    later: async (id, call = {}) => conversation.answer(await device.identity(), id, 'later', call),
    decline: async (id, call = {}) => conversation.answer(await device.identity(), id, 'decline', call),
    report: async (id, call = {}) => conversation.answer(await device.identity(), id, 'report', call),
    // One after the other: a second tap finds the state that the first one left, and costs neither try nor attempt.
    present: (id, presentOptions = {}) =>
      inTurn(async () => conversation.present(await device.identity(), id, presentOptions)),
    prepare: ({ signal, onProgress } = {}) =>
      idle.run(signal, async (stopped) => {
        const identity = await device.identity();
        // Nothing lies ready beside wrapped secrets: it is made when they are opened.
        if (!isOpen(identity)) return forgetStale(storage, identity);
        const { prepareRecords } = await need(loadHolderActs, stopped);
        await prepareRecords(desk, identity, { signal: stopped, ...(onProgress && { onProgress }) });
      }),
    changePin: (changeOptions) =>
      inTurn(async () => {
        const { changePin } = await need(loadHolderActs, changeOptions.signal);
        await changePin(desk, await device.identity(), conversation.currentPin(), changeOptions);
        conversation.forgetPins();
      }),
    canMakePasskeys: () => passkeys.isAvailable(),
    addPasskey: (passkeyOptions) =>
      inTurn(async () => {
        const { addPasskey } = await need(loadPasskeyActs, passkeyOptions.signal);
        const added = await addPasskey(
          desk,
          await device.identity(),
          conversation.currentPin(),
          passkeyOptions,
        );
        await device.load();
        return added;
      }),
    removePasskey: (passkey, { signal } = {}) =>
      inTurn(async () => {
        const { removePasskey } = await need(loadPasskeyActs, signal);
        await removePasskey(desk, await device.identity(), passkey, signal);
        await device.load();
      }),
    async refreshAccounts(exchange, { signal } = {}) {
      const identity = await device.identity();
      const { refreshAccounts } = await need(loadHolderActs, signal);
      await refreshAccounts(desk, identity, exchange, signal);
      await forgetStale(storage, identity);
      return enrolledNow(device);
    },
    async refreshClaims(exchange, { signal } = {}) {
      const identity = await device.identity();
      const { refreshClaims } = await need(loadHolderActs, signal);
      await refreshClaims(desk, identity, exchange, signal);
      await forgetStale(storage, identity);
    },
    async claims({ signal } = {}) {
      const { listClaims } = await need(loadHolderActs, signal);
      return listClaims(desk, await device.identity(), signal);
    },
    async stopDevice(newer, { signal } = {}) {
      const path = `/v1/devices/${parse(base64url16, newer)}/stop`;
      checkAnswer(
        await connection.send(await device.identity(), { method: 'POST', path, repeatable: true, signal }),
      );
    },
    remove: ({ signal } = {}) =>
      inTurn(async () => {
        const identity = await device.load();
        if (identity) await revokeItself(connection, identity, signal);
        await storage.exclusive(() => storage.clear());
        conversation.forgetPins();
        await device.load();
      }),
    // Before the first answer of the verifier the own clock has to do: only a word depends on it.
    history: async () => {
      const { readHistory } = await need(loadRequestActs);
      return readHistory(storage, connection.knownTime() ?? Math.floor(now() / 1000));
    },
  };
}

/** What is loaded and rehearsed ahead, the most urgent first; twice, since browsers compile what comes again. */
function ahead(random: (length: number) => Uint8Array): readonly (() => Promise<unknown>)[] {
  const pin = async () => (await loadHolderActs()).rehearsePin(random);
  const binding = async () => (await loadHolderActs()).rehearseBinding(random);
  return [loadRequestActs, loadHolderActs, loadOprf, pin, binding, pin, binding];
}

function holderStatus(status: DeviceStatus, { record }: Identity): HolderStatus {
  const { device, tenant, enrolledAt, pinChangedAt, triesLeft, newer, rpId } = status;
  const usable = new Set(record.passkeys.filter((kept) => kept.rpId === rpId).map(({ passkey }) => passkey));
  const passkeys = status.passkeys.map((known) => ({ ...known, usable: usable.has(known.passkey) }));
  const passkeysOffered = rpId !== undefined;
  return { device, tenant, enrolledAt, pinChangedAt, triesLeft, passkeysOffered, passkeys, newer };
}

/** Stale preparations are never used; that they go is hygiene, which must not fail what came before. */
async function forgetStale(storage: DeviceStorage, identity: Identity): Promise<void> {
  try {
    const { dropStalePreparations } = await need(loadHolderActs);
    await dropStalePreparations(storage, identity);
  } catch {
    // the next one that is kept takes their place
  }
}

async function enrolledNow(device: EnrolledDevice): Promise<Enrolled> {
  await device.identity();
  if (device.enrolled === null) throw new AkashiError('not_enrolled');
  return device.enrolled;
}
