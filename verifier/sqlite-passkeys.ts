import { MAX_PASSKEYS } from '@akashi/circuits';
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Actor, Passkey, PasskeyUse } from './records.ts';
import { passkeyChallenges, passkeys } from './schema.ts';
import { record } from './sqlite-audit.ts';
import type { Query, Transaction } from './sqlite-database.ts';
import { type DeviceRecord, findActiveDevice } from './sqlite-devices.ts';
import { resetTries } from './sqlite-pins.ts';
import { prepared } from './sqlite-statement.ts';
import { BOUNDS } from './store.ts';

// Passkeys of devices (docs/protocol.md, section 5). The contract of each verb stands in store.ts.

export function beginPasskey(
  tx: Transaction,
  tenant: string,
  device: string,
  challenge: Uint8Array,
  now: number,
): void {
  if (findActiveDevice(tx.query, tenant, device, now) === undefined) return;
  const expiresAt = now + BOUNDS.passkeyChallengeSeconds;
  tx.query
    .insert(passkeyChallenges)
    .values({ device, tenant, challenge, expiresAt })
    .onConflictDoUpdate({ target: passkeyChallenges.device, set: { challenge, expiresAt } })
    .run();
}

export function takePasskeyChallenge(
  tx: Transaction,
  tenant: string,
  device: string,
  now: number,
): Uint8Array | undefined {
  const kept = tx.query
    .delete(passkeyChallenges)
    .where(and(eq(passkeyChallenges.tenant, tenant), eq(passkeyChallenges.device, device)))
    .returning()
    .get();
  return kept !== undefined && kept.expiresAt > now ? kept.challenge : undefined;
}

export function addPasskey(
  tx: Transaction,
  passkey: Omit<Passkey, 'createdAt'>,
  provenCommitment: string,
  now: number,
): boolean {
  const { tenant } = passkey;
  const device = findActiveDevice(tx.query, tenant, passkey.device, now);
  if (device?.commitment !== provenCommitment) return false;
  resetTries(tx, device, provenCommitment, now);
  if (listPasskeys(tx.query, tenant, device.device).length >= MAX_PASSKEYS) return false;
  const { changes } = tx.query
    .insert(passkeys)
    .values({ ...passkey, createdAt: now })
    .onConflictDoNothing()
    .run();
  if (changes === 0) return false;
  const { rpId, backupAble } = passkey;
  const about = { passkey: passkey.passkey, rpId, backupAble: backupAble ? 'yes' : 'no' };
  note(tx, device, 'passkey.added', about, now);
  return true;
}

const byDevice = prepared((query) =>
  query
    .select()
    .from(passkeys)
    .where(
      and(eq(passkeys.tenant, sql.placeholder('tenant')), eq(passkeys.device, sql.placeholder('device'))),
    )
    .orderBy(asc(passkeys.createdAt), asc(passkeys.passkey))
    .prepare(),
);

export function listPasskeys(query: Query, tenant: string, device: string): readonly Passkey[] {
  return byDevice(query).all({ tenant, device });
}

export function removePasskey(
  tx: Transaction,
  tenant: string,
  device: string,
  passkey: string,
  now: number,
): boolean {
  const { changes } = tx.query
    .delete(passkeys)
    .where(and(eq(passkeys.tenant, tenant), eq(passkeys.device, device), eq(passkeys.passkey, passkey)))
    .run();
  if (changes > 0) note(tx, { tenant, device }, 'passkey.removed', { passkey }, now);
  return changes > 0;
}

/**
 * Moves a passkey on to what its assertion said.
 * @returns why it cannot be: another assertion that was checked meanwhile has a counter as high, or it was removed
 */
export function usePasskey(
  tx: Transaction,
  { tenant, device }: DeviceRecord,
  { passkey, counter, backedUp }: PasskeyUse,
  now: number,
): 'passkey:unknown' | 'passkey:counter' | null {
  const kept = listPasskeys(tx.query, tenant, device).find((other) => other.passkey === passkey);
  if (kept === undefined) return 'passkey:unknown';
  const counts = counter > 0 || kept.counter > 0;
  if (counts && counter <= kept.counter) return 'passkey:counter';
  if (!counts && backedUp === kept.backedUp) return null;
  tx.query.update(passkeys).set({ counter, backedUp }).where(eq(passkeys.passkey, passkey)).run();
  if (backedUp && !kept.backedUp) note(tx, { tenant, device }, 'passkey.backed_up', { passkey }, now);
  return null;
}

function note(
  tx: Transaction,
  { tenant, device }: Pick<DeviceRecord, 'tenant' | 'device'>,
  event: string,
  about: Readonly<Record<string, string>>,
  at: number,
): void {
  const actor: Actor = { kind: 'device', id: device };
  record(tx, { tenant, at, actor, event, about });
}
