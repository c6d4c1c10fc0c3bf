import type { Actor, Attempt, VerificationRow } from './records.ts';
import { type Transaction, together, type Verb } from './statement.ts';
import type { DeviceRefusal } from './store.ts';
import { type DeviceRecord, findActiveDevice, holdActiveDevice } from './stored-devices.ts';
import {
  asRow,
  change,
  decide,
  find,
  holdOfSubject,
  holdVerification,
  known,
  note,
  ofSubject,
  settle,
  type VerificationRecord,
  voidPasses,
} from './stored-verifications.ts';

// What a device does with a request: accept, later, decline, report (docs/protocol.md, section 7).

/** The subject's open verifications that this device may answer, and its unclaimed passes, as stored. */
export function* deviceList(
  tenant: string,
  device: string,
  thumbprint: string,
  now: number,
): Verb<readonly VerificationRecord[]> {
  const owner = yield* findActiveDevice(tenant, device, now);
  if (owner === undefined) return [];
  return (yield* ofSubject(tenant, owner.subject)).filter((row) =>
    row.device === null ? row.audience.includes(thumbprint) : row.device === device,
  );
}

export function* accept(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  { attempt, nonce }: Attempt,
  now: number,
): Verb<VerificationRow | DeviceRefusal> {
  const row = yield* addressed(tx, tenant, verification, device, now);
  if (row === undefined) return 'not_found';
  if (row.state === 'done') return 'verification_over';
  if (row.state === 'accepted') return row.device === device ? asRow(row) : 'accepted_elsewhere';
  yield* note(tx, row, { actor: by(device), at: now, event: 'verification.accepted', about: { attempt } });
  return asRow(yield* change(tx, row, { state: 'accepted', device, attempt, attemptNonce: nonce }));
}

export function* later(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  now: number,
): Verb<VerificationRow | DeviceRefusal> {
  const row = yield* addressed(tx, tenant, verification, device, now);
  if (row === undefined) return 'not_found';
  if (row.state === 'done') return 'verification_over';
  if (row.state === 'accepted' && row.device !== device) return 'accepted_elsewhere';
  if (row.state === 'accepted' || row.later) return asRow(row);
  yield* note(tx, row, { actor: by(device), at: now, event: 'verification.later' });
  return asRow(yield* change(tx, row, { later: true }));
}

export function* decline(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  now: number,
): Verb<VerificationRow | DeviceRefusal> {
  const row = yield* addressed(tx, tenant, verification, device, now);
  if (row === undefined) return 'not_found';
  if (row.state === 'done') return 'verification_over';
  if (row.state === 'accepted' && row.device !== device) return 'accepted_elsewhere';
  return asRow(yield* decide(tx, row, { verdict: 'declined', actor: by(device), at: now }));
}

export function* report(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  now: number,
): Verb<VerificationRow | DeviceRefusal> {
  const asking = yield* holdActiveDevice(tenant, device, now);
  const seen = yield* find(tenant, verification);
  if (asking === undefined || !isAddressed(seen, asking)) return 'not_found';
  const actor = by(device);
  const live: VerificationRecord[] = [];
  for (const row of yield* holdOfSubject(tenant, asking.subject, 'live'))
    live.push(yield* settle(tx, row, now));
  const row = live.find((other) => other.verification === verification);
  if (row === undefined || (row.state === 'done' && row.claim !== 'open')) return 'verification_over';
  const ended: string[] = [];
  for (const other of live) {
    if (other.state === 'done') continue;
    ended.push((yield* decide(tx, other, { verdict: 'reported', actor, at: now })).verification);
  }
  const voided = yield* voidPasses(tx, tenant, row.subject, { actor, at: now });
  yield* note(tx, row, { actor, at: now, event: 'alert.reported', about: { ended, voided } });
  return asRow(yield* known(tx, tenant, verification, now));
}

/**
 * The verification, after what its time brought, if this device may see it: it is active, of the same subject, and
 * in `aud`. Both are held.
 */
export function* addressed(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  now: number,
): Verb<VerificationRecord | undefined> {
  const [asking, held] = yield* together(
    holdActiveDevice(tenant, device, now),
    holdVerification(tenant, verification),
  );
  const row = held && (yield* settle(tx, held, now));
  return asking !== undefined && isAddressed(row, asking) ? row : undefined;
}

function isAddressed(
  row: VerificationRecord | undefined,
  { subject, thumbprint }: DeviceRecord,
): row is VerificationRecord {
  return row?.subject === subject && row.audience.includes(thumbprint);
}

function by(device: string): Actor {
  return { kind: 'device', id: device };
}
