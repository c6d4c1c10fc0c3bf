import { and, asc, eq, gt, lte, ne, or, sql } from 'drizzle-orm';
import type { Dialect, Tables } from './dialects.ts';
import type { Actor, Device } from './records.ts';
import {
  command,
  inserted,
  insertedOnce,
  selection,
  type Transaction,
  type Verb,
  within,
} from './statement.ts';
import { BOUNDS, type Store } from './store.ts';
import { record, SYSTEM } from './stored-audit.ts';
import { voidPasses } from './stored-verifications.ts';

// Enrolments and devices. The contract of each verb stands in store.ts.
//
// Whoever changes a device, its passkeys or its verifications holds the device first and the verifications after it, those
// in one order (stored-verifications.ts): so nobody waits in a circle.

export type DeviceRecord = Tables['devices']['$inferSelect'];

/** Rows that one transaction of the upkeep handles: others wait for SQLite's write lock meanwhile. */
export const SWEEP_BATCH = 200;

const addEnrolment = inserted((tables) => tables.enrolments);

export function* createEnrolment(
  tx: Transaction,
  enrolment: Parameters<Store['createEnrolment']>[0],
  now: number,
): Verb<void> {
  const { tenant, subject, tokenHash, expiresAt } = enrolment;
  yield* addEnrolment({ tenant, subject, tokenHash, expiresAt });
  const actor: Actor = { kind: 'backend' };
  yield* record(tx, { tenant, at: now, actor, event: 'enrolment.created', about: { subject } });
}

const enrolmentOf = ({ query, tables: { enrolments } }: Dialect) =>
  query
    .select({ tenant: enrolments.tenant, subject: enrolments.subject })
    .from(enrolments)
    .where(
      and(
        eq(enrolments.tokenHash, sql.placeholder('tokenHash')),
        gt(enrolments.expiresAt, sql.placeholder('now')),
      ),
    );
const enrolmentByToken = selection(enrolmentOf);
const heldEnrolment = selection((dialect) => dialect.locked(enrolmentOf(dialect)));
const useEnrolment = command(({ query, tables: { enrolments } }) =>
  query.delete(enrolments).where(eq(enrolments.tokenHash, sql.placeholder('tokenHash'))),
);
const addDevice = insertedOnce((tables) => tables.devices);

export function findEnrolment(tokenHash: Uint8Array, now: number) {
  return enrolmentByToken.one({ tokenHash, now });
}

/** Of several who redeem one token, or enrol one key, those who come later wait for the first, and find what it made. */
export function* redeemEnrolment(
  tx: Transaction,
  redemption: Parameters<Store['redeemEnrolment']>[0],
  now: number,
): Verb<Device | 'enrolment_refused' | 'device_exists'> {
  const { tokenHash, device, thumbprint, evaluationKey } = redemption;
  yield* within({ key: thumbprint });
  if ((yield* deviceByThumbprint(thumbprint, now)) !== undefined) return 'device_exists';
  yield* within({ key: tokenHash });
  const enrolment = yield* heldEnrolment.one({ tokenHash, now });
  yield* within({ key: thumbprint });
  if (enrolment === undefined)
    return (yield* deviceByThumbprint(thumbprint, now)) === undefined ? 'enrolment_refused' : 'device_exists';
  yield* forget(tx, yield* lapsedByThumbprint.all({ thumbprint, lapsedAt: lapsedAt(now) }), now);
  const { tenant, subject } = enrolment;
  yield* within({ tenant });
  const made = { tenant, subject, device, thumbprint, evaluationKey, enrolledAt: now };
  if ((yield* addDevice({ ...made, state: 'enrolling' })) === 0) return 'device_exists';
  yield* useEnrolment.run({ tokenHash });
  const actor: Actor = { kind: 'device', id: device };
  yield* record(tx, { tenant, at: now, actor, event: 'device.enrolling', about: { subject, thumbprint } });
  return { ...made, state: 'enrolling', pinChangedAt: null, holder: null, commitment: null, tries: 0 };
}

/** A device that did not finish enrolling in its time is not there: `lapsedAt` is when one would have begun. */
const isThere = ({ devices }: Tables) =>
  or(ne(devices.state, 'enrolling'), gt(devices.enrolledAt, sql.placeholder('lapsedAt')));
const lapsedAt = (now: number) => now - BOUNDS.enrolSeconds;

const byThumbprint = selection(({ query, tables }) =>
  query
    .select()
    .from(tables.devices)
    .where(and(eq(tables.devices.thumbprint, sql.placeholder('thumbprint')), isThere(tables))),
);
const bySubject = selection(({ query, tables }) =>
  query
    .select()
    .from(tables.devices)
    .where(
      and(
        eq(tables.devices.tenant, sql.placeholder('tenant')),
        eq(tables.devices.subject, sql.placeholder('subject')),
        isThere(tables),
      ),
    )
    .orderBy(asc(tables.devices.enrolledAt), asc(tables.devices.device)),
);
const deviceOf = ({ query, tables }: Dialect) =>
  query
    .select()
    .from(tables.devices)
    .where(
      and(
        eq(tables.devices.tenant, sql.placeholder('tenant')),
        eq(tables.devices.device, sql.placeholder('device')),
        isThere(tables),
      ),
    );
const byId = selection(deviceOf);
const heldById = selection((dialect) => dialect.locked(deviceOf(dialect)));
// Of those that may be forgotten none is good any more: what stood still while its jti was forgotten does not find it new.
const addJti = command(({ query, tables: { jtis, epochs } }) => {
  const [device, jti, tenant] = [
    sql.placeholder('device'),
    sql.placeholder('jti'),
    sql.placeholder('tenant'),
  ];
  const expiresAt = sql.placeholder('expiresAt');
  const row = sql`SELECT ${device}, ${jti}, ${tenant}, ${expiresAt} FROM ${epochs} WHERE ${epochs.one} = 1 AND ${epochs.jtisUntil} < ${expiresAt}`;
  return query.insert(jtis).select(row).onConflictDoNothing();
});

const mark = selection(({ query, tables: { epochs } }) =>
  query.select({ jtisUntil: epochs.jtisUntil }).from(epochs).where(eq(epochs.one, 1)),
);

export function* deviceByThumbprint(thumbprint: string, now: number): Verb<Device | undefined> {
  const found = yield* byThumbprint.one({ thumbprint, lapsedAt: lapsedAt(now) });
  return found && asDevice(found);
}

export function* devicesOfSubject(tenant: string, subject: string, now: number): Verb<readonly Device[]> {
  return (yield* bySubject.all({ tenant, subject, lapsedAt: lapsedAt(now) })).map(asDevice);
}

export function* consumeJti(
  _tx: Transaction,
  tenant: string,
  device: string,
  jti: string,
  expiresAt: number,
): Verb<boolean> {
  return (yield* addJti.count({ tenant, device, jti, expiresAt })) > 0;
}

export function* jtisUntil(): Verb<number> {
  return (yield* mark.one())?.jtisUntil ?? 0;
}

export function* revokeDevice(
  tx: Transaction,
  tenant: string,
  device: string,
  actor: Actor,
  now: number,
): Verb<boolean> {
  const found = yield* holdDevice(tenant, device, now);
  if (found === undefined || found.state === 'revoked') return false;
  yield* revoke(tx, found, { actor, event: 'device.revoked', at: now });
  return true;
}

export function* stopDevice(
  tx: Transaction,
  tenant: string,
  device: string,
  by: string,
  now: number,
): Verb<boolean> {
  const held = new Map<string, DeviceRecord | undefined>();
  for (const id of [device, by].sort()) held.set(id, yield* holdDevice(tenant, id, now));
  const stopped = held.get(device);
  const older = held.get(by);
  if (stopped === undefined || stopped.state === 'revoked' || older?.state !== 'active') return false;
  const newer =
    stopped.subject === older.subject &&
    stopped.enrolledAt > older.enrolledAt &&
    stopped.enrolledAt + BOUNDS.newDeviceSeconds > now;
  if (!newer) return false;
  yield* revoke(tx, stopped, { actor: { kind: 'device', id: by }, event: 'device.stopped', at: now });
  return true;
}

/** The device of this tenant, held; one that did not finish enrolling in its time is not there. */
export function holdDevice(tenant: string, device: string, now: number): Verb<DeviceRecord | undefined> {
  return heldById.one({ tenant, device, lapsedAt: lapsedAt(now) });
}

/** {@link holdDevice}, if it is active. */
export function* holdActiveDevice(
  tenant: string,
  device: string,
  now: number,
): Verb<DeviceRecord | undefined> {
  const found = yield* holdDevice(tenant, device, now);
  return found?.state === 'active' ? found : undefined;
}

/** An active device, to be read only. */
export function* findActiveDevice(
  tenant: string,
  device: string,
  now: number,
): Verb<DeviceRecord | undefined> {
  const found = yield* byId.one({ tenant, device, lapsedAt: lapsedAt(now) });
  return found?.state === 'active' ? found : undefined;
}

// The state as text and not as a parameter: SQLite chooses an index `WHERE ...` only for a condition that it can read.
const lapsed = ({ devices }: Tables) =>
  and(sql`${devices.state} = 'enrolling'`, lte(devices.enrolledAt, sql.placeholder('lapsedAt')));
const anyLapsed = selection(({ query, tables }) =>
  query.select().from(tables.devices).where(lapsed(tables)).limit(SWEEP_BATCH),
);
const lapsedByThumbprint = selection(({ query, tables }) =>
  query
    .select()
    .from(tables.devices)
    .where(and(eq(tables.devices.thumbprint, sql.placeholder('thumbprint')), lapsed(tables))),
);
const removeLapsed = command(({ query, tables }) =>
  query
    .delete(tables.devices)
    .where(and(eq(tables.devices.device, sql.placeholder('device')), lapsed(tables))),
);

/** Removes devices that did not finish enrolling in their time: up to {@link SWEEP_BATCH}. How many there were. */
export function* forgetLapsed(tx: Transaction, now: number): Verb<number> {
  const over = yield* anyLapsed.all({ lapsedAt: lapsedAt(now) });
  yield* forget(tx, over, now);
  return over.length;
}

function* forget(tx: Transaction, over: readonly DeviceRecord[], now: number): Verb<void> {
  for (const { tenant, device, subject } of over) {
    yield* within({ tenant });
    if ((yield* removeLapsed.count({ device, lapsedAt: lapsedAt(now) })) === 0) continue;
    const about = { device, subject };
    yield* record(tx, { tenant, at: now, actor: SYSTEM, event: 'device.lapsed', about });
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

const endDevice = command(({ query, tables: { devices } }) =>
  query
    .update(devices)
    .set({
      ...{ state: 'revoked', pendingKey: null, pendingNonce: null },
      revokedAt: sql`${sql.placeholder('at')}`,
    })
    .where(and(eq(devices.tenant, sql.placeholder('tenant')), eq(devices.device, sql.placeholder('device')))),
);
const removePasskeys = command(({ query, tables: { passkeys } }) =>
  query.delete(passkeys).where(eq(passkeys.device, sql.placeholder('device'))),
);
const removeChallenge = command(({ query, tables: { passkeyChallenges } }) =>
  query.delete(passkeyChallenges).where(eq(passkeyChallenges.device, sql.placeholder('device'))),
);

function* revoke(
  tx: Transaction,
  { tenant, device, subject }: DeviceRecord,
  { actor, event, at }: { readonly actor: Actor; readonly event: string; readonly at: number },
): Verb<void> {
  yield* endDevice.run({ tenant, device, at });
  yield* removePasskeys.run({ device });
  yield* removeChallenge.run({ device });
  yield* record(tx, { tenant, at, actor, event, about: { device, subject } });
  yield* voidPasses(tx, tenant, subject, { actor, at, device });
  tx.touch(`subject:${tenant}:${subject}`);
}
