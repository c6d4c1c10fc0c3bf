import { equal } from './audit.ts';
import type { Actor, Device, Evaluation, PinChange } from './records.ts';
import { type Transaction, updated, type Verb } from './statement.ts';
import { BOUNDS, type Store } from './store.ts';
import { record } from './stored-audit.ts';
import { asDevice, type DeviceRecord, holdActiveDevice, holdDevice } from './stored-devices.ts';
import { current } from './stored-verifications.ts';

// The PIN of a device: counted evaluations, registration, change (docs/protocol.md, section 5). Each verb holds its device.

export function* countEvaluation(
  tx: Transaction,
  evaluation: Evaluation,
  now: number,
): Verb<Awaited<ReturnType<Store['countEvaluation']>>> {
  const { tenant, use, digest } = evaluation;
  const device = yield* holdDevice(tenant, evaluation.device, now);
  if (device === undefined || !(yield* isDue(tx, device, evaluation, now))) return 'evaluation_refused';
  const { evaluationKey } = device;
  // Before the lock: the answer to the last try may have been lost, and giving it again tells nothing new.
  const again = device.lastDigest !== null && equal(device.lastDigest, digest);
  if (again) return { triesLeft: BOUNDS.tries - device.tries, evaluationKey };
  if (use === 'enrol') {
    if (device.enrolEvaluations >= BOUNDS.enrolEvaluations) return 'evaluation_refused';
    yield* set(device, { enrolEvaluations: device.enrolEvaluations + 1, lastDigest: digest });
    yield* note(tx, device, 'pin.evaluated', { use, evaluations: device.enrolEvaluations + 1 }, now);
    return { triesLeft: BOUNDS.tries, evaluationKey };
  }
  if (device.tries >= BOUNDS.tries) return 'pin_locked';
  const tries = device.tries + 1;
  yield* set(device, { tries, lastDigest: digest });
  const verification = use === 'verification' ? evaluation.verification : null;
  yield* note(tx, device, 'pin.evaluated', { use, verification, tries }, now);
  if (tries === BOUNDS.tries) yield* note(tx, device, 'pin.locked', { tries }, now);
  return { triesLeft: BOUNDS.tries - tries, evaluationKey };
}

export function* registerPin(
  tx: Transaction,
  tenant: string,
  id: string,
  { holder, commitment }: { readonly holder: string; readonly commitment: string },
  now: number,
): Verb<Device | undefined> {
  const device = yield* holdDevice(tenant, id, now);
  if (device?.state !== 'enrolling') return undefined;
  const active = yield* set(device, {
    ...{ state: 'active' as const, holder, commitment },
    ...{ pinChangedAt: now, lastDigest: null },
  });
  yield* note(tx, device, 'device.enrolled', { subject: device.subject }, now);
  tx.touch(`subject:${tenant}:${device.subject}`);
  return active;
}

export function* beginPinChange(
  tx: Transaction,
  tenant: string,
  id: string,
  { evaluationKey, nonce }: PinChange,
  now: number,
): Verb<void> {
  const device = yield* holdActiveDevice(tenant, id, now);
  if (device === undefined) return;
  yield* set(device, { pendingKey: evaluationKey, pendingNonce: nonce });
  yield* note(tx, device, 'pin.change_begun', {}, now);
}

export function* takePinChange(
  tx: Transaction,
  tenant: string,
  id: string,
  now: number,
): Verb<PinChange | undefined> {
  const device = yield* holdActiveDevice(tenant, id, now);
  if (device === undefined || device.pendingKey === null || device.pendingNonce === null) return undefined;
  yield* set(device, { pendingKey: null, pendingNonce: null });
  yield* note(tx, device, 'pin.change_tried', {}, now);
  return { evaluationKey: device.pendingKey, nonce: device.pendingNonce };
}

export function* completePinChange(
  tx: Transaction,
  change: Parameters<Store['completePinChange']>[0],
  now: number,
): Verb<Device | undefined> {
  const { tenant, oldCommitment, commitment, evaluationKey } = change;
  const device = yield* holdActiveDevice(tenant, change.device, now);
  if (device?.commitment !== oldCommitment) return undefined;
  const changed = yield* set(device, {
    ...{ commitment, evaluationKey, pinChangedAt: now },
    ...{ tries: 0, lastDigest: null, pendingKey: null, pendingNonce: null },
  });
  yield* note(tx, device, 'pin.changed', {}, now);
  return changed;
}

/** Sets the counter to 0 after a `pin` proof held, if the device is active and `commitment` is still its own. */
export function* resetTries(
  tx: Transaction,
  device: DeviceRecord | undefined,
  commitment: string,
  now: number,
): Verb<void> {
  if (device?.state !== 'active' || device.commitment !== commitment) return;
  yield* set(device, { tries: 0 });
  yield* note(tx, device, 'pin.proven', { tries: device.tries }, now);
}

function* isDue(tx: Transaction, device: DeviceRecord, evaluation: Evaluation, now: number): Verb<boolean> {
  if (evaluation.use === 'enrol') return device.state === 'enrolling';
  if (device.state !== 'active') return false;
  if (evaluation.use === 'current') return true;
  const verification = yield* current(tx, device.tenant, evaluation.verification, now);
  return verification?.state === 'accepted' && verification.device === device.device;
}

const update = updated(
  (tables) => tables.devices,
  (tables) => tables.devices.device,
);

function* set(device: DeviceRecord, values: Partial<DeviceRecord>): Verb<Device> {
  yield* update(device.device, values);
  return asDevice({ ...device, ...values });
}

function note(
  tx: Transaction,
  { tenant, device }: DeviceRecord,
  event: string,
  about: Readonly<Record<string, string | number | null>>,
  at: number,
): Verb<void> {
  const actor: Actor = { kind: 'device', id: device };
  return record(tx, { tenant, at, actor, event, about });
}
