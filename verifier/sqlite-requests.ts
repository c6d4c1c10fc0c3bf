import type { Actor, Attempt, VerificationRow } from './records.ts';
import type { Query, Transaction } from './sqlite-database.ts';
import { findActiveDevice } from './sqlite-devices.ts';
import {
  asRow,
  change,
  current,
  decide,
  known,
  note,
  ofSubject,
  settle,
  type VerificationRecord,
  voidPasses,
} from './sqlite-verifications.ts';
import type { DeviceRefusal } from './store.ts';

// What a device does with a request: accept, later, decline, report (docs/protocol.md, section 7).

/** The subject's open verifications that this device may answer, and its unclaimed passes, as stored. */
export function deviceList(
  query: Query,
  tenant: string,
  device: string,
  thumbprint: string,
  now: number,
): readonly VerificationRecord[] {
  const owner = findActiveDevice(query, tenant, device, now);
  if (owner === undefined) return [];
  return ofSubject(query, tenant, owner.subject, 'live').filter((row) =>
    row.device === null ? row.audience.includes(thumbprint) : row.device === device,
  );
}

export function accept(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  { attempt, nonce }: Attempt,
  now: number,
): VerificationRow | DeviceRefusal {
  const row = addressed(tx, tenant, verification, device, now);
  if (row === undefined) return 'not_found';
  if (row.state === 'done') return 'verification_over';
  if (row.state === 'accepted') return row.device === device ? asRow(row) : 'accepted_elsewhere';
  note(tx, row, { actor: by(device), at: now, event: 'verification.accepted', about: { attempt } });
  return asRow(change(tx, row, { state: 'accepted', device, attempt, attemptNonce: nonce }));
}

export function later(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  now: number,
): VerificationRow | DeviceRefusal {
  const row = addressed(tx, tenant, verification, device, now);
  if (row === undefined) return 'not_found';
  if (row.state === 'done') return 'verification_over';
  if (row.state === 'accepted' && row.device !== device) return 'accepted_elsewhere';
  if (row.state === 'accepted' || row.later) return asRow(row);
  note(tx, row, { actor: by(device), at: now, event: 'verification.later' });
  return asRow(change(tx, row, { later: true }));
}

export function decline(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  now: number,
): VerificationRow | DeviceRefusal {
  const row = addressed(tx, tenant, verification, device, now);
  if (row === undefined) return 'not_found';
  if (row.state === 'done') return 'verification_over';
  if (row.state === 'accepted' && row.device !== device) return 'accepted_elsewhere';
  return asRow(decide(tx, row, { verdict: 'declined', actor: by(device), at: now }));
}

export function report(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  now: number,
): VerificationRow | DeviceRefusal {
  const row = addressed(tx, tenant, verification, device, now);
  if (row === undefined) return 'not_found';
  if (row.state === 'done' && row.claim !== 'open') return 'verification_over';
  const actor = by(device);
  const ended = ofSubject(tx.query, tenant, row.subject, 'open')
    .map((other) => settle(tx, other, now))
    .filter((other) => other.state !== 'done')
    .map((other) => decide(tx, other, { verdict: 'reported', actor, at: now }).verification);
  const voided = voidPasses(tx, tenant, row.subject, { actor, at: now });
  note(tx, row, { actor, at: now, event: 'alert.reported', about: { ended, voided } });
  return asRow(known(tx, tenant, verification, now));
}

/**
 * The verification, after what its time brought, if this device may see it: it is active, of the same subject, and
 * in `aud`.
 */
export function addressed(
  tx: Transaction,
  tenant: string,
  verification: string,
  device: string,
  now: number,
): VerificationRecord | undefined {
  const row = current(tx, tenant, verification, now);
  const asking = findActiveDevice(tx.query, tenant, device, now);
  const may = asking !== undefined && row?.subject === asking.subject;
  return may && row.audience.includes(asking.thumbprint) ? row : undefined;
}

function by(device: string): Actor {
  return { kind: 'device', id: device };
}
