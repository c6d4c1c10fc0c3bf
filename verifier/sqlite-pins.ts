import { equal } from './audit.ts';
import type { Actor, Device, Evaluation, PinChange } from './records.ts';
import { devices } from './schema.ts';
import { record } from './sqlite-audit.ts';
import type { Transaction } from './sqlite-database.ts';
import { asDevice, type DeviceRecord, findActiveDevice, findDevice } from './sqlite-devices.ts';
import { updated } from './sqlite-statement.ts';
import { current } from './sqlite-verifications.ts';
import { BOUNDS, type Store } from './store.ts';

// The PIN of a device: counted evaluations, registration, change (docs/protocol.md, section 5).

export function countEvaluation(
  tx: Transaction,
  evaluation: Evaluation,
  now: number,
): Awaited<ReturnType<Store['countEvaluation']>> {
  const { tenant, use, digest } = evaluation;
  const device = findDevice(tx.query, tenant, evaluation.device, now);
  if (device === undefined || !isDue(tx, device, evaluation, now)) return 'evaluation_refused';
  const { evaluationKey } = device;
  // Before the lock: the answer to the last try may have been lost, and giving it again tells nothing new.
  const again = device.lastDigest !== null && equal(device.lastDigest, digest);
  if (again) return { triesLeft: BOUNDS.tries - device.tries, evaluationKey };
  if (use === 'enrol') {
    if (device.enrolEvaluations >= BOUNDS.enrolEvaluations) return 'evaluation_refused';
    set(tx, device, { enrolEvaluations: device.enrolEvaluations + 1, lastDigest: digest });
    note(tx, device, 'pin.evaluated', { use, evaluations: device.enrolEvaluations + 1 }, now);
    return { triesLeft: BOUNDS.tries, evaluationKey };
  }
  if (device.tries >= BOUNDS.tries) return 'pin_locked';
  const tries = device.tries + 1;
  set(tx, device, { tries, lastDigest: digest });
  const verification = use === 'verification' ? evaluation.verification : null;
  note(tx, device, 'pin.evaluated', { use, verification, tries }, now);
  if (tries === BOUNDS.tries) note(tx, device, 'pin.locked', { tries }, now);
  return { triesLeft: BOUNDS.tries - tries, evaluationKey };
}

export function registerPin(
  tx: Transaction,
  tenant: string,
  id: string,
  { holder, commitment }: { readonly holder: string; readonly commitment: string },
  now: number,
): Device | undefined {
  const device = findDevice(tx.query, tenant, id, now);
  if (device?.state !== 'enrolling') return undefined;
  const active = set(tx, device, {
    ...{ state: 'active' as const, holder, commitment },
    ...{ pinChangedAt: now, lastDigest: null },
  });
  note(tx, device, 'device.enrolled', { subject: device.subject }, now);
  tx.touch(`subject:${tenant}:${device.subject}`);
  return active;
}

export function beginPinChange(
  tx: Transaction,
  tenant: string,
  id: string,
  { evaluationKey, nonce }: PinChange,
  now: number,
): void {
  const device = findActiveDevice(tx.query, tenant, id, now);
  if (device === undefined) return;
  set(tx, device, { pendingKey: evaluationKey, pendingNonce: nonce });
  note(tx, device, 'pin.change_begun', {}, now);
}

export function takePinChange(
  tx: Transaction,
  tenant: string,
  id: string,
  now: number,
): PinChange | undefined {
  const device = findActiveDevice(tx.query, tenant, id, now);
  if (device === undefined || device.pendingKey === null || device.pendingNonce === null) return undefined;
  set(tx, device, { pendingKey: null, pendingNonce: null });
  note(tx, device, 'pin.change_tried', {}, now);
  return { evaluationKey: device.pendingKey, nonce: device.pendingNonce };
}

export function completePinChange(
  tx: Transaction,
  change: Parameters<Store['completePinChange']>[0],
  now: number,
): Device | undefined {
  const { tenant, oldCommitment, commitment, evaluationKey } = change;
  const device = findActiveDevice(tx.query, tenant, change.device, now);
  if (device?.commitment !== oldCommitment) return undefined;
  const changed = set(tx, device, {
    ...{ commitment, evaluationKey, pinChangedAt: now },
    ...{ tries: 0, lastDigest: null, pendingKey: null, pendingNonce: null },
  });
  note(tx, device, 'pin.changed', {}, now);
  return changed;
}

/** Sets the counter to 0 after a `pin` proof held, if the device is active and `commitment` is still its own. */
export function resetTries(
  tx: Transaction,
  device: DeviceRecord | undefined,
  commitment: string,
  now: number,
): void {
  if (device?.state !== 'active' || device.commitment !== commitment) return;
  set(tx, device, { tries: 0 });
  note(tx, device, 'pin.proven', { tries: device.tries }, now);
}

function isDue(tx: Transaction, device: DeviceRecord, evaluation: Evaluation, now: number): boolean {
  if (evaluation.use === 'enrol') return device.state === 'enrolling';
  if (device.state !== 'active') return false;
  if (evaluation.use === 'current') return true;
  const verification = current(tx, device.tenant, evaluation.verification, now);
  return verification?.state === 'accepted' && verification.device === device.device;
}

const update = updated(devices, devices.device);

function set(tx: Transaction, device: DeviceRecord, values: Partial<DeviceRecord>): Device {
  update(tx.query, device.device, values);
  return asDevice({ ...device, ...values });
}

function note(
  tx: Transaction,
  { tenant, device }: DeviceRecord,
  event: string,
  about: Readonly<Record<string, string | number | null>>,
  at: number,
): void {
  const actor: Actor = { kind: 'device', id: device };
  record(tx, { tenant, at, actor, event, about });
}
