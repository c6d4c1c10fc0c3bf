import { and, desc, eq, lt, ne, or, sql } from 'drizzle-orm';
import type { Dialect } from './dialects.ts';
import type { Epoch } from './records.ts';
import { command, selection, type Transaction, type Verb, within } from './statement.ts';
import { BOUNDS } from './store.ts';
import { findAuditHead, record, SYSTEM } from './stored-audit.ts';
import { listTenants } from './stored-tenants.ts';
import { decide, endReuse, isOpen, isUnclaimed, voidPass } from './stored-verifications.ts';

// Which database this is, and how one that was put back is made safe to go on with.

const current = selection(({ query, tables: { epochs } }) =>
  query.select({ epoch: epochs.epoch, copy: epochs.copy }).from(epochs),
);

export function* findEpoch(): Verb<Epoch> {
  const found = yield* current.one();
  if (found === undefined) throw new Error('the database has no epoch');
  return found;
}

const ofTenant = sql.placeholder('tenant');
const open = selection((dialect) => {
  const { verifications } = dialect.tables;
  const live = or(isOpen(dialect.tables), isUnclaimed(dialect.tables));
  return dialect.locked(
    dialect.query
      .select()
      .from(verifications)
      .where(and(eq(verifications.tenant, ofTenant), live))
      .orderBy(desc(verifications.startedAt), desc(verifications.verification)),
  );
});
const subjects = selection(({ query, tables: { devices } }) =>
  query
    .selectDistinct({ subject: devices.subject })
    .from(devices)
    .where(eq(devices.tenant, ofTenant))
    .orderBy(devices.subject),
);
// What was counted since the copy was made is not known: one try is left, whatever the copy says.
const spendTries = command(({ query, tables: { devices } }) =>
  query
    .update(devices)
    .set({ tries: BOUNDS.tries - 1 })
    .where(
      and(eq(devices.tenant, ofTenant), ne(devices.state, 'revoked'), lt(devices.tries, BOUNDS.tries - 1)),
    ),
);
// Nor is what was answered last, or begun: neither is to be had again for nothing.
const forgetBegun = command(({ query, tables: { devices } }) =>
  query
    .update(devices)
    .set({ lastDigest: null, pendingKey: null, pendingNonce: null })
    .where(eq(devices.tenant, ofTenant)),
);
// What is good once may have been used since.
const FORGOTTEN = [
  ({ query, tables: { sessions } }: Dialect) => query.delete(sessions).where(eq(sessions.tenant, ofTenant)),
  ({ query, tables: { signInLinks } }: Dialect) =>
    query.delete(signInLinks).where(eq(signInLinks.tenant, ofTenant)),
  ({ query, tables: { enrolments } }: Dialect) =>
    query.delete(enrolments).where(eq(enrolments.tenant, ofTenant)),
  ({ query, tables: { passkeyChallenges } }: Dialect) =>
    query.delete(passkeyChallenges).where(eq(passkeyChallenges.tenant, ofTenant)),
].map(command);
// Its keys make other nonces: those of which a jti is marked are good nowhere.
const setEpoch = command(({ query, tables: { epochs } }) =>
  query.update(epochs).set({ epoch: sql`${sql.placeholder('epoch')}`, copy: false, jtisUntil: 0 }),
);

export function* beginEpoch(tx: Transaction, epoch: number, now: number): Verb<void> {
  const before = yield* findEpoch();
  if (epoch <= before.epoch) throw new TypeError('an epoch is later than the one before');
  for (const tenant of yield* listTenants()) {
    yield* within({ tenant });
    const values = { tenant };
    for (const row of yield* open.all(values)) {
      if (row.state === 'done') yield* voidPass(tx, row, { actor: SYSTEM, at: now, reason: 'restored' });
      else yield* decide(tx, row, { verdict: 'cancelled', actor: SYSTEM, at: now });
    }
    for (const { subject } of yield* subjects.all(values)) yield* endReuse(tenant, subject);
    yield* spendTries.run(values);
    yield* forgetBegun.run(values);
    for (const forget of FORGOTTEN) yield* forget.run(values);
    // What came after this entry is what checkpoints of earlier epochs may know of and this chain does not.
    const about = { epoch, after: (yield* findAuditHead(tenant)).seq };
    yield* record(tx, { tenant, at: now, actor: SYSTEM, event: 'database.restored', about });
  }
  yield* within('upkeep');
  yield* setEpoch.run({ epoch });
}
