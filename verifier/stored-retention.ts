import { and, count, eq, type SQL, sql } from 'drizzle-orm';
import { type AuditHead, auditOrigin, verifyAudit } from './audit.ts';
import type { Tables } from './dialects.ts';
import type { Retention, RetentionKind, RowCounts } from './records.ts';
import { command, queueFor, selection, type Transaction, type Verb } from './statement.ts';
import { findAuditHead, listAuditEntries, record, SYSTEM } from './stored-audit.ts';
import { findTenant } from './stored-tenants.ts';

// What a tenant does not keep for ever, and how it goes: the oldest first, up to so much in one transaction.

/** About 10 ms, in which nobody else writes on SQLite, and in whose verifier nobody is answered. */
const BATCH = 200;
/** Counting goes no further. */
const COUNT_MAX = 100_000;

/** The clocks of verifiers and database differ: nothing goes before its time by either. */
const SLACK_SECONDS = 3_600;

/** What ended up to then goes; 0: nothing does. */
function goesBefore(days: number | null, now: number): number {
  return days === null ? 0 : Math.max(0, now - days * 86_400 - SLACK_SECONDS);
}

const tenantIs = sql.placeholder('tenant');
const before = sql.placeholder('before');

const settings = selection(({ query, tables: { retention } }) =>
  query
    .select({
      verifications: retention.verificationDays,
      devices: retention.deviceDays,
      audit: retention.auditDays,
    })
    .from(retention)
    .where(eq(retention.tenant, tenantIs)),
);

export function* findRetention(tenant: string): Verb<Retention> {
  return (yield* settings.one({ tenant })) ?? { verifications: null, devices: null, audit: null };
}

const keepSettings = command(({ query, tables: { retention } }) =>
  query
    .insert(retention)
    .values({
      tenant: tenantIs,
      verificationDays: sql`${sql.placeholder('verifications')}`,
      deviceDays: sql`${sql.placeholder('devices')}`,
      auditDays: sql`${sql.placeholder('audit')}`,
      setAt: sql.placeholder('at'),
    })
    .onConflictDoUpdate({
      target: retention.tenant,
      set: {
        verificationDays: sql`excluded.verification_days`,
        deviceDays: sql`excluded.device_days`,
        auditDays: sql`excluded.audit_days`,
        setAt: sql`excluded.set_at`,
      },
    }),
);

export function* setRetention(tx: Transaction, tenant: string, days: Retention, at: number): Verb<boolean> {
  if ((yield* findTenant(tenant)) === undefined) return false;
  const about = { ...days };
  yield* keepSettings.run({ tenant, ...about, at });
  yield* record(tx, { tenant, at, actor: { kind: 'cli' }, event: 'tenant.retention_set', about });
  return true;
}

/** Up to `limit` verifications that go: in one order, so that within a transaction they are the same. States as text: see isOpen. */
const verificationsOver = ({ verifications: table }: Tables, limit: number) => sql`
  SELECT ${table.tenant}, ${table.verification} FROM ${table}
  WHERE ${table.tenant} = ${tenantIs} AND ${table.state} = 'done' AND ${table.decidedAt} <= ${before}
  ORDER BY ${table.decidedAt}, ${table.verification} LIMIT ${sql.raw(String(limit))}`;

/** Up to `limit` revoked devices that go, once `stays` finds none of their verifications. */
const devicesOver = ({ devices: table, verifications }: Tables, limit: number, stays: SQL) => sql`
  SELECT ${table.device} FROM ${table}
  WHERE ${table.tenant} = ${tenantIs} AND ${table.state} = 'revoked' AND ${table.revokedAt} <= ${before}
    AND NOT EXISTS (SELECT 1 FROM ${verifications}
      WHERE ${verifications.tenant} = ${table.tenant} AND ${verifications.device} = ${table.device} AND ${stays})
  ORDER BY ${table.revokedAt}, ${table.device} LIMIT ${sql.raw(String(limit))}`;

const erasing = (name: 'views' | 'verifications') =>
  command(({ query, tables }) => {
    const { tenant, verification } = tables[name];
    const some = sql`(${verificationsOver(tables, BATCH)})`;
    return query.delete(tables[name]).where(sql`(${tenant}, ${verification}) IN ${some}`);
  });
const eraseViews = erasing('views');
const eraseVerifications = erasing('verifications');
const eraseDevices = command(({ query, tables }) => {
  const { tenant, device } = tables.devices;
  const some = sql`(${devicesOver(tables, BATCH, sql`true`)})`;
  return query.delete(tables.devices).where(and(eq(tenant, tenantIs), sql`${device} IN ${some}`));
});
const eraseEntries = command(({ query, tables: { auditEntries } }) => {
  const upTo = sql`${auditEntries.seq} <= ${sql.placeholder('seq')}`;
  return query.delete(auditEntries).where(and(eq(auditEntries.tenant, tenantIs), upTo));
});

/** Erases some of what is over its time, and says so in the audit. The rows of each table; none: there is no more. */
export function* erase(tx: Transaction, tenant: string, kind: RetentionKind, now: number): Verb<RowCounts> {
  // One verifier at a time; a cut also waits for the sequencer.
  yield* queueFor(kind === 'audit' ? 'audit' : 'retention');
  const since = goesBefore((yield* findRetention(tenant))[kind], now);
  if (since === 0) return {};
  if (kind === 'audit') return yield* cutAudit(tx, tenant, since, now);
  const values = { tenant, before: since };
  const erased: RowCounts =
    kind === 'devices'
      ? { devices: yield* eraseDevices.count(values) }
      : {
          views: yield* eraseViews.count(values),
          verifications: yield* eraseVerifications.count(values),
        };
  const rows = erased[kind] ?? 0;
  if (rows === 0) return {};
  const about = { kind, rows, before: since };
  yield* record(tx, { tenant, at: now, actor: SYSTEM, event: 'retention.erased', about });
  return erased;
}

const cutOf = selection(({ query, tables: { auditCuts } }) =>
  query
    .select({ seq: auditCuts.seq, link: auditCuts.link })
    .from(auditCuts)
    .where(eq(auditCuts.tenant, tenantIs)),
);
const keepCut = command(({ query, tables: { auditCuts } }) =>
  query
    .insert(auditCuts)
    .values({
      tenant: tenantIs,
      seq: sql.placeholder('seq'),
      link: sql.placeholder('link'),
      cutAt: sql.placeholder('at'),
    })
    .onConflictDoUpdate({
      target: auditCuts.tenant,
      set: { seq: sql`excluded.seq`, link: sql`excluded.link`, cutAt: sql`excluded.cut_at` },
    }),
);

/** What the first entry that is there follows from. */
export function* findAuditStart(tenant: string): Verb<AuditHead> {
  return (yield* cutOf.one({ tenant })) ?? auditOrigin(tenant);
}

/**
 * Removes the oldest entries, up to the first that is younger and never the last. What is left follows from the cut, which
 * is an entry of the same chain. @throws AuditBroken where they do not hold: what shows that is not erased
 */
function* cutAudit(tx: Transaction, tenant: string, since: number, now: number): Verb<RowCounts> {
  const start = yield* findAuditStart(tenant);
  const head = yield* findAuditHead(tenant);
  const oldest = yield* listAuditEntries(tenant, start.seq, BATCH);
  const stays = oldest.findIndex(({ at, seq }) => at > since || seq === head.seq);
  const going = stays === -1 ? oldest : oldest.slice(0, stays);
  if (going.length === 0) return {};
  const cut = verifyAudit(tenant, going, { start });
  yield* keepCut.run({ tenant, ...cut, at: now });
  const about = {
    ...{ seq: cut.seq, link: Buffer.from(cut.link).toString('base64url') },
    ...{ before: since, entries: going.length },
  };
  yield* record(tx, { tenant, at: now, actor: SYSTEM, event: 'audit.cut', about });
  return { audit_entries: yield* eraseEntries.count({ tenant, seq: cut.seq }) };
}

const counting = (rows: (tables: Tables) => SQL) =>
  selection(({ query, tables }) => query.select({ rows: count() }).from(sql`(${rows(tables)}) AS found`));
const countVerifications = counting((tables) => verificationsOver(tables, COUNT_MAX));
const countViews = counting((tables) => {
  const { tenant, verification } = tables.views;
  const some = sql`(${verificationsOver(tables, COUNT_MAX)})`;
  return sql`SELECT 1 FROM ${tables.views} WHERE (${tenant}, ${verification}) IN ${some}`;
});
const countDevices = counting((tables) => {
  const { state, decidedAt } = tables.verifications;
  const stays = sql`NOT (${state} = 'done' AND ${decidedAt} <= ${sql.placeholder('verificationsBefore')})`;
  return devicesOver(tables, COUNT_MAX, stays);
});
// Of several clocks an entry may be younger than those that follow it: the cut then ends there, and this counts on.
const countEntries = counting(
  ({ auditEntries: table, auditHeads: heads }) => sql`
  SELECT 1 FROM (
    SELECT ${table.at} AS at FROM ${table}
    WHERE ${table.tenant} = ${tenantIs}
      AND ${table.seq} < (SELECT ${heads.seq} FROM ${heads} WHERE ${heads.tenant} = ${tenantIs})
    ORDER BY ${table.seq} LIMIT ${sql.raw(String(COUNT_MAX))}) AS oldest
  WHERE at <= ${before}`,
);

/** How many rows of each table are over their time: up to {@link COUNT_MAX}. */
export function* countOver(tenant: string, now: number): Verb<RowCounts> {
  const days = yield* findRetention(tenant);
  const verificationsBefore = goesBefore(days.verifications, now);
  const values = { tenant, before: verificationsBefore };
  const devices = { tenant, before: goesBefore(days.devices, now), verificationsBefore };
  return {
    views: (yield* countViews.one(values))?.rows ?? 0,
    verifications: (yield* countVerifications.one(values))?.rows ?? 0,
    devices: (yield* countDevices.one(devices))?.rows ?? 0,
    audit_entries: (yield* countEntries.one({ tenant, before: goesBefore(days.audit, now) }))?.rows ?? 0,
  };
}
