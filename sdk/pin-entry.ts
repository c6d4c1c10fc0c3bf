import { AkashiError, oprfAnswer, parseField } from '@akashi/circuits';
import { pinCommitment } from '@akashi/circuits/poseidon';
import { loadOprf, need } from './chunk.ts';
import { readAnswer } from './connection.ts';
import type { DeviceConnection, DeviceIdentity } from './device-connection.ts';
import { type OpenIdentity, updateRecord } from './holder-record.ts';
import type { BlindedPin } from './oprf.ts';
import type { DeviceStorage } from './storage.ts';

// A PIN becomes a `pinKey` with the verifier's help, one counted call for each (docs/protocol.md, section 5).

/** What an evaluation is for. */
export type Use =
  | { readonly use: 'enrol' | 'current' | 'new' }
  | { readonly use: 'verification'; readonly verification: string };

export interface Evaluation {
  readonly pinKey: bigint;
  readonly triesLeft: number | undefined;
  /** Of `use: "new"` only. */
  readonly nonce: string | undefined;
}

export interface PinDesk {
  readonly connection: DeviceConnection;
  readonly storage: DeviceStorage;
  readonly random: (length: number) => Uint8Array;
}

/** Has the verifier evaluate a blinded PIN. The same element may be sent again: it is counted once. */
export async function evaluatePin(
  connection: DeviceConnection,
  identity: DeviceIdentity,
  blinded: BlindedPin,
  use: Use,
  signal: AbortSignal | undefined,
): Promise<Evaluation> {
  const answer = await connection.send(identity, {
    method: 'POST',
    path: '/v1/devices/current/oprf',
    body: { ...use, blinded: blinded.blinded },
    repeatable: true,
    signal,
  });
  // Loaded already: the PIN was blinded by it.
  const { pinKey } = await need(loadOprf, signal);
  const { evaluated, triesLeft, nonce } = readAnswer(answer, oprfAnswer);
  return { pinKey: pinKey(blinded, evaluated), triesLeft, nonce };
}

/**
 * What was typed for one purpose (a verification, a change), kept in memory until that ends, so that a lost answer or
 * the same PIN typed again costs no try.
 */
export interface PinEntry {
  /** The blinded PIN last sent. */
  sent?: BlindedPin;
  /** Its evaluation, once it came. */
  evaluation?: Evaluation;
  /** `pinKey` of the right PIN. */
  right?: bigint;
}

/**
 * The `pinKey` of the enrolled PIN, from what the customer typed.
 * @param pin ASCII digits, or `undefined` when the entry holds the right one already
 * @throws AkashiError `pin_wrong` with `triesLeft`, `pin_locked`
 */
export async function enterPin(
  { connection, storage, random }: PinDesk,
  identity: OpenIdentity,
  entry: PinEntry,
  options: { readonly pin: string | undefined; readonly use: Use; readonly signal: AbortSignal | undefined },
): Promise<bigint> {
  const { pin, use, signal } = options;
  if (pin === undefined) {
    if (entry.right === undefined) throw new TypeError('a PIN is needed');
    return entry.right;
  }
  if (entry.sent?.pin !== pin) {
    const { blindPin } = await need(loadOprf, signal);
    entry.sent = blindPin(pin, random);
    delete entry.evaluation;
  }
  entry.evaluation ??= await evaluatePin(connection, identity, entry.sent, use, signal);
  const { pinKey, triesLeft } = entry.evaluation;
  if (!(await isEnrolledPin(storage, identity, pinKey))) throw new AkashiError('pin_wrong', { triesLeft });
  entry.right = pinKey;
  return pinKey;
}

/**
 * Whether this key opens the enrolled commitment, or that of a change whose confirmation was lost. Each has an
 * evaluation key of its own at the verifier, so whichever opens tells whether the change took place.
 */
async function isEnrolledPin(
  storage: DeviceStorage,
  identity: OpenIdentity,
  pinKey: bigint,
): Promise<boolean> {
  const { holderSecret, commitment, nextCommitment } = identity.record;
  const opened = String(pinCommitment(pinKey, parseField(holderSecret)));
  if (opened !== commitment && opened !== nextCommitment) return false;
  if (nextCommitment !== null) {
    await updateRecord(storage, identity, (record) => ({
      ...record,
      commitment: opened,
      nextCommitment: null,
    }));
  }
  return true;
}
