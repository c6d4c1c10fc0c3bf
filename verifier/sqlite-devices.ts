import { and, asc, eq, gt, lte, ne, or, type SQL, sql } from 'drizzle-orm';
import type { Actor, Device } from './records.ts';
import { devices, enrolments, jtis, passkeyChallenges, passkeys } from './schema.ts';
import { record, SYSTEM } from './sqlite-audit.ts';
import { type Query, SWEEP_BATCH, type Transaction } from './sqlite-database.ts';
import { inserted, prepared } from './sqlite-statement.ts';
import { voidPasses } from './sqlite-verifications.ts';
import { BOUNDS, type Store } from './store.ts';

// Enrolments and devices. The contract of each verb stands in store.ts.

export type DeviceRecord = typeof devices.$inferSelect;

export function createEnrolment(
  tx: Transaction,
  enrolment: Parameters<Store['createEnrolment']>[0],
  now: number,
): void {
  const { tenant, subject, tokenHash, expiresAt } = enrolment;
  tx.query.insert(enrolments).values({ tenant, subject, tokenHash, expiresAt }).run();
  const actor: Actor = { kind: 'backend' };
  record(tx, { tenant, at: now, actor, event: 'enrolment.created', about: { subject } });
}

export function findEnrolment(query: Query, tokenHash: Uint8Array, now: number) {
  return query
    .select({ tenant: enrolments.tenant, subject: enrolments.subject })
    .from(enrolments)
    .where(and(eq(enrolments.tokenHash, tokenHash), gt(enrolments.expiresAt, now)))
    .get();
}

export function redeemEnrolment(
  tx: Transaction,
  redemption: Parameters<Store['redeemEnrolment']>[0],
  now: number,
): Device | 'enrolment_refused' | 'device_exists' {
  const { tokenHash, device, thumbprint, evaluationKey } = redemption;
  if (deviceByThumbprint(tx.query, thumbprint, now) !== undefined) return 'device_exists';
  const enrolment = findEnrolment(tx.query, tokenHash, now);
  if (enrolment === undefined) return 'enrolment_refused';
  tx.query.delete(enrolments).where(eq(enrolments.tokenHash, tokenHash)).run();
  forgetLapsed(tx, eq(devices.thumbprint, thumbprint), now);
  const { tenant, subject } = enrolment;
  const made = tx.query
    .insert(devices)
    .values({ tenant, subject, device, thumbprint, evaluationKey, state: 'enrolling', enrolledAt: now })
    .returning()
    .get();
  const actor: Actor = { kind: 'device', id: device };
  record(tx, { tenant, at: now, actor, event: 'device.enrolling', about: { subject, thumbprint } });
  return asDevice(made);
}

/** A device that did not finish enrolling in its time is not there: `lapsedAt` is when one would have begun. */
const isThere = or(ne(devices.state, 'enrolling'), gt(devices.enrolledAt, sql.placeholder('lapsedAt')));
const lapsedAt = (now: number) => now - BOUNDS.enrolSeconds;

const byThumbprint = prepared((query) =>
  query
    .select()
    .from(devices)
    .where(and(eq(devices.thumbprint, sql.placeholder('thumbprint')), isThere))
    .prepare(),
);
const bySubject = prepared((query) =>
  query
    .select()
    .from(devices)
    .where(
      and(
        eq(devices.tenant, sql.placeholder('tenant')),
        eq(devices.subject, sql.placeholder('subject')),
        isThere,
      ),
    )
    .orderBy(asc(devices.enrolledAt), asc(devices.device))
    .prepare(),
);
const byId = prepared((query) =>
  query
    .select()
    .from(devices)
    .where(
      and(
        eq(devices.tenant, sql.placeholder('tenant')),
        eq(devices.device, sql.placeholder('device')),
        isThere,
      ),
    )
    .prepare(),
);
const addJti = inserted(jtis, 'stay');

export function deviceByThumbprint(query: Query, thumbprint: string, now: number): Device | undefined {
  const found = byThumbprint(query).get({ thumbprint, lapsedAt: lapsedAt(now) });
  return found && asDevice(found);
}

export function devicesOfSubject(
  query: Query,
  tenant: string,
  subject: string,
  now: number,
): readonly Device[] {
  return bySubject(query)
    .all({ tenant, subject, lapsedAt: lapsedAt(now) })
    .map(asDevice);
}

export function consumeJti(
  tx: Transaction,
  tenant: string,
  device: string,
  jti: string,
  expiresAt: number,
): boolean {
  return addJti(tx.query, { tenant, device, jti, expiresAt }) > 0;
}

export function revokeDevice(
  tx: Transaction,
  tenant: string,
  device: string,
  actor: Actor,
  now: number,
): boolean {
  const found = findDevice(tx.query, tenant, device, now);
  if (found === undefined || found.state === 'revoked') return false;
  revoke(tx, found, { actor, event: 'device.revoked', at: now });
  return true;
}

export function stopDevice(
  tx: Transaction,
  tenant: string,
  device: string,
  by: string,
  now: number,
): boolean {
  const stopped = findDevice(tx.query, tenant, device, now);
  const older = findDevice(tx.query, tenant, by, now);
  if (stopped === undefined || stopped.state === 'revoked' || older?.state !== 'active') return false;
  const newer =
    stopped.subject === older.subject &&
    stopped.enrolledAt > older.enrolledAt &&
    stopped.enrolledAt + BOUNDS.newDeviceSeconds > now;
  if (!newer) return false;
  revoke(tx, stopped, { actor: { kind: 'device', id: by }, event: 'device.stopped', at: now });
  return true;
}

/** The device of this tenant, as stored; one that did not finish enrolling in its time is not there. */
export function findDevice(
  query: Query,
  tenant: string,
  device: string,
  now: number,
): DeviceRecord | undefined {
  return byId(query).get({ tenant, device, lapsedAt: lapsedAt(now) });
}

/** {@link findDevice}, if it is active. */
export function findActiveDevice(
  query: Query,
  tenant: string,
  device: string,
  now: number,
): DeviceRecord | undefined {
  const found = findDevice(query, tenant, device, now);
  return found?.state === 'active' ? found : undefined;
}

/** Removes devices that did not finish enrolling in their time: up to `SWEEP_BATCH` of those that fit `which`. */
export function forgetLapsed(tx: Transaction, which: SQL | undefined, now: number): void {
  const over = lte(devices.enrolledAt, lapsedAt(now));
  const lapsed = tx.query
    .select()
    .from(devices)
    .where(and(sql`${devices.state} = 'enrolling'`, over, which))
    .limit(SWEEP_BATCH)
    .all();
  for (const { tenant, device, subject } of lapsed) {
    tx.query.delete(devices).where(eq(devices.device, device)).run();
    record(tx, { tenant, at: now, actor: SYSTEM, event: 'device.lapsed', about: { device, subject } });
  }
}

export function asDevice(row: DeviceRecord): Device {
  const { tenant, subject, device, thumbprint, state, enrolledAt } = row;
  const { pinChangedAt, holder, commitment, tries, evaluationKey } = row;
  return {
    ...{ tenant, subject, device, thumbprint, state, enrolledAt },
    ...{ pinChangedAt, holder, commitment, tries, evaluationKey },
  };
}

function revoke(
  tx: Transaction,
  { tenant, device, subject }: DeviceRecord,
  { actor, event, at }: { readonly actor: Actor; readonly event: string; readonly at: number },
): void {
  tx.query
    .update(devices)
    .set({ state: 'revoked', pendingKey: null, pendingNonce: null })
    .where(and(eq(devices.tenant, tenant), eq(devices.device, device)))
    .run();
  tx.query.delete(passkeys).where(eq(passkeys.device, device)).run();
  tx.query.delete(passkeyChallenges).where(eq(passkeyChallenges.device, device)).run();
  record(tx, { tenant, at, actor, event, about: { device, subject } });
  voidPasses(tx, tenant, subject, { actor, at, device });
  tx.touch(`subject:${tenant}:${subject}`);
}
