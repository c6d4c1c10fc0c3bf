import { MAX_PASSKEYS } from '@akashi/circuits';
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Actor, Passkey, PasskeyUse } from './records.ts';
import { command, insertedOnce, selection, type Transaction, updated, type Verb } from './statement.ts';
import { BOUNDS } from './store.ts';
import { record } from './stored-audit.ts';
import { type DeviceRecord, holdActiveDevice } from './stored-devices.ts';
import { resetTries } from './stored-pins.ts';

// Passkeys of devices (docs/protocol.md, section 5). The contract of each verb stands in store.ts. Whoever adds, uses or
// removes one holds its device.

const keepChallenge = command(({ query, tables: { passkeyChallenges } }) =>
  query
    .insert(passkeyChallenges)
    .values({
      device: sql.placeholder('device'),
      tenant: sql.placeholder('tenant'),
      challenge: sql.placeholder('challenge'),
      expiresAt: sql.placeholder('expiresAt'),
    })
    .onConflictDoUpdate({
      target: passkeyChallenges.device,
      set: { challenge: sql`excluded.challenge`, expiresAt: sql`excluded.expires_at` },
    }),
);
const takeChallenge = selection(({ query, tables: { passkeyChallenges } }) =>
  query
    .delete(passkeyChallenges)
    .where(
      and(
        eq(passkeyChallenges.tenant, sql.placeholder('tenant')),
        eq(passkeyChallenges.device, sql.placeholder('device')),
      ),
    )
    .returning(),
);

export function* beginPasskey(
  _tx: Transaction,
  tenant: string,
  device: string,
  challenge: Uint8Array,
  now: number,
): Verb<void> {
  if ((yield* holdActiveDevice(tenant, device, now)) === undefined) return;
  const expiresAt = now + BOUNDS.passkeyChallengeSeconds;
  yield* keepChallenge.run({ device, tenant, challenge, expiresAt });
}

export function* takePasskeyChallenge(
  _tx: Transaction,
  tenant: string,
  device: string,
  now: number,
): Verb<Uint8Array | undefined> {
  const kept = yield* takeChallenge.one({ tenant, device });
  return kept !== undefined && kept.expiresAt > now ? kept.challenge : undefined;
}

const insertPasskey = insertedOnce((tables) => tables.passkeys);

export function* addPasskey(
  tx: Transaction,
  passkey: Omit<Passkey, 'createdAt'>,
  provenCommitment: string,
  now: number,
): Verb<boolean> {
  const { tenant } = passkey;
  const device = yield* holdActiveDevice(tenant, passkey.device, now);
  if (device?.commitment !== provenCommitment) return false;
  yield* resetTries(tx, device, provenCommitment, now);
  if ((yield* listPasskeys(tenant, device.device)).length >= MAX_PASSKEYS) return false;
  if ((yield* insertPasskey({ ...passkey, createdAt: now })) === 0) return false;
  const { rpId, backupAble } = passkey;
  const about = { passkey: passkey.passkey, rpId, backupAble: backupAble ? 'yes' : 'no' };
  yield* note(tx, device, 'passkey.added', about, now);
  return true;
}

const byDevice = selection(({ query, tables: { passkeys } }) =>
  query
    .select()
    .from(passkeys)
    .where(
      and(eq(passkeys.tenant, sql.placeholder('tenant')), eq(passkeys.device, sql.placeholder('device'))),
    )
    .orderBy(asc(passkeys.createdAt), asc(passkeys.passkey)),
);
const remove = command(({ query, tables: { passkeys } }) =>
  query
    .delete(passkeys)
    .where(
      and(
        eq(passkeys.tenant, sql.placeholder('tenant')),
        eq(passkeys.device, sql.placeholder('device')),
        eq(passkeys.passkey, sql.placeholder('passkey')),
      ),
    ),
);
const updatePasskey = updated(
  (tables) => tables.passkeys,
  (tables) => tables.passkeys.passkey,
);

export function listPasskeys(tenant: string, device: string): Verb<readonly Passkey[]> {
  return byDevice.all({ tenant, device });
}

export function* removePasskey(
  tx: Transaction,
  tenant: string,
  device: string,
  passkey: string,
  now: number,
): Verb<boolean> {
  yield* holdActiveDevice(tenant, device, now);
  if ((yield* remove.count({ tenant, device, passkey })) === 0) return false;
  yield* note(tx, { tenant, device }, 'passkey.removed', { passkey }, now);
  return true;
}

/**
 * Moves a passkey of a device that is held on to what its assertion said.
 * @returns why it cannot be: another assertion that was checked meanwhile has a counter as high, or it was removed
 */
export function* usePasskey(
  tx: Transaction,
  { tenant, device }: DeviceRecord,
  { passkey, counter, backedUp }: PasskeyUse,
  now: number,
): Verb<'passkey:unknown' | 'passkey:counter' | null> {
  const kept = (yield* listPasskeys(tenant, device)).find((other) => other.passkey === passkey);
  if (kept === undefined) return 'passkey:unknown';
  const counts = counter > 0 || kept.counter > 0;
  if (counts && counter <= kept.counter) return 'passkey:counter';
  if (!counts && backedUp === kept.backedUp) return null;
  yield* updatePasskey(passkey, { counter, backedUp });
  if (backedUp && !kept.backedUp) yield* note(tx, { tenant, device }, 'passkey.backed_up', { passkey }, now);
  return null;
}

function note(
  tx: Transaction,
  { tenant, device }: Pick<DeviceRecord, 'tenant' | 'device'>,
  event: string,
  about: Readonly<Record<string, string>>,
  at: number,
): Verb<void> {
  const actor: Actor = { kind: 'device', id: device };
  return record(tx, { tenant, at, actor, event, about });
}
