import {
  AkashiError,
  base64url32,
  type DeviceStatus,
  decodeBase64url,
  deviceStatus,
  parse,
  parseField,
  parsePin,
  pinChangeChallenge,
} from '@akashi/circuits';
import { pinCommitment } from '@akashi/circuits/poseidon';
import { loadOprf, need } from './chunk.ts';
import { hasCode, readAnswer } from './connection.ts';
import { readStatus } from './device-status.ts';
import { type Identity, type OpenIdentity, updateRecord } from './holder-record.ts';
import { parseNewPin } from './new-pin.ts';
import { type Opening, openIdentity } from './opening.ts';
import { enterPin, evaluatePin, type PinDesk, type PinEntry } from './pin-entry.ts';
import { preparePin } from './pin-preparation.ts';
import { provePin } from './prepared-proof.ts';
import type { Prover } from './prover.ts';

// Change of the PIN (docs/protocol.md, section 5): the old one is proven, the new one gets an evaluation key of its own.

export interface ChangePinOptions {
  /** As typed. */
  readonly current: string;
  readonly next: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param entry what was typed as the current PIN, until it has changed
 * @throws AkashiError `pin_weak`, `pin_wrong` with `triesLeft`, `pin_locked`, `pin_refused`
 */
export async function changePin(
  desk: PinDesk & Opening & { readonly prover: Prover; readonly timeoutSeconds: number },
  known: Identity,
  entry: PinEntry,
  { current, next, signal }: ChangePinOptions,
): Promise<void> {
  const { connection, storage, random } = desk;
  const nextPin = parseNewPin(next);
  const { blindPin } = await need(loadOprf, signal);
  const identity = await openIdentity(desk, known, signal);
  const { pinChangedAt } = await readStatus(connection, identity, signal);
  const pinKey = await enterPin(desk, identity, entry, {
    pin: parsePin(current),
    use: { use: 'current' },
    signal,
  });

  const holderSecret = parseField(identity.record.holderSecret);
  const fresh = await evaluatePin(connection, identity, blindPin(nextPin, random), { use: 'new' }, signal);
  if (fresh.nonce === undefined) throw new AkashiError('unexpected_answer');
  const commitment = pinCommitment(fresh.pinKey, holderSecret);
  const challenge = pinChangeChallenge({
    thumbprint: identity.thumbprint,
    nonce: decodeBase64url(parse(base64url32, fresh.nonce)),
    commitment,
  });
  const proof = await provePin(desk, identity, pinKey, challenge, { signal });

  // Written down before it is sent: should the answer be lost for good, the next PIN that is entered tells (see enterPin).
  const nextCommitment = String(commitment);
  await updateRecord(storage, identity, (record) => ({ ...record, nextCommitment }));
  await putPin(desk, identity, { commitment: nextCommitment, proof }, { pinChangedAt, signal });
  await updateRecord(storage, identity, (record) => ({
    ...record,
    commitment: nextCommitment,
    nextCommitment: null,
  }));
  await preparePin(desk, identity, fresh.pinKey, signal);
}

async function putPin(
  { connection }: PinDesk,
  identity: OpenIdentity,
  body: object,
  {
    pinChangedAt,
    signal,
  }: { readonly pinChangedAt: number | null; readonly signal: AbortSignal | undefined },
): Promise<DeviceStatus> {
  const call = { method: 'PUT', path: '/v1/devices/current/pin', body, signal, repeatable: false } as const;
  try {
    return readAnswer(await connection.send(identity, call), deviceStatus);
  } catch (error) {
    if (!hasCode(error, 'network', 'timeout')) throw error;
    const status = await readStatus(connection, identity, signal);
    if (status.pinChangedAt !== pinChangedAt) return status;
    return readAnswer(await connection.send(identity, call), deviceStatus);
  }
}
