import type { Policy } from '@akashi/circuits';
import { and, asc, desc, eq, lt, lte, max, or, type SQL, sql } from 'drizzle-orm';
import type { Tables } from './dialects.ts';
import type { Actor, NewTenant, PasskeySettings, Tenant } from './records.ts';
import {
  command,
  inserted,
  insertedOnce,
  queueFor,
  selection,
  type Transaction,
  together,
  updated,
  type Verb,
  within,
} from './statement.ts';
import type { Limit } from './store.ts';
import { record } from './stored-audit.ts';

// Tenants, their back ends' keys, policies and limits. The contract of each verb stands in store.ts.

const CLI: Actor = { kind: 'cli' };

const insertTenant = insertedOnce((tables) => tables.tenants);
const updateTenant = updated(
  (tables) => tables.tenants,
  (tables) => tables.tenants.tenant,
);
const insertOrigin = inserted((tables) => tables.origins);
const removeOrigins = command(({ query, tables: { origins } }) =>
  query.delete(origins).where(eq(origins.tenant, sql.placeholder('tenant'))),
);
const insertApiKey = inserted((tables) => tables.apiKeys);
const insertPolicy = inserted((tables) => tables.policies);

export function* createTenant(
  tx: Transaction,
  { tenant, name, origins: list }: NewTenant,
  now: number,
): Verb<boolean> {
  if ((yield* insertTenant({ tenant, name, createdAt: now })) === 0) return false;
  yield* insertOrigins(tenant, list);
  yield* record(tx, { tenant, at: now, actor: CLI, event: 'tenant.created', about: { origins: list } });
  return true;
}

export function* setOrigins(
  tx: Transaction,
  tenant: string,
  list: readonly string[],
  now: number,
): Verb<boolean> {
  yield* queueFor(`origins ${tenant}`);
  if ((yield* findTenant(tenant)) === undefined) return false;
  yield* removeOrigins.run({ tenant });
  yield* insertOrigins(tenant, list);
  yield* record(tx, { tenant, at: now, actor: CLI, event: 'tenant.origins_set', about: { origins: list } });
  return true;
}

export function* setPasskeySettings(
  tx: Transaction,
  tenant: string,
  settings: PasskeySettings | null,
  now: number,
): Verb<boolean> {
  const { rpId, acceptScreenLock } = settings ?? { rpId: null, acceptScreenLock: false };
  if ((yield* findTenant(tenant)) === undefined) return false;
  yield* updateTenant(tenant, { rpId, acceptScreenLock });
  const about = { rpId, acceptScreenLock: acceptScreenLock ? 'yes' : 'no' };
  yield* record(tx, { tenant, at: now, actor: CLI, event: 'tenant.passkeys_set', about });
  return true;
}

const byId = selection(({ query, tables: { tenants, origins } }) =>
  query
    .select({
      name: tenants.name,
      origin: origins.origin,
      rpId: tenants.rpId,
      acceptScreenLock: tenants.acceptScreenLock,
    })
    .from(tenants)
    .leftJoin(origins, eq(origins.tenant, tenants.tenant))
    .where(eq(tenants.tenant, sql.placeholder('tenant')))
    .orderBy(asc(origins.origin)),
);

export function* findTenant(tenant: string): Verb<Tenant | undefined> {
  const rows = yield* byId.all({ tenant });
  const [first] = rows;
  if (first === undefined) return undefined;
  const { name, rpId, acceptScreenLock } = first;
  const passkeys = rpId === null ? null : { rpId, acceptScreenLock };
  return { tenant, name, origins: rows.flatMap(({ origin }) => origin ?? []), passkeys };
}

const allTenants = selection(({ query, tables: { tenants } }) =>
  query.select({ tenant: tenants.tenant }).from(tenants).orderBy(asc(tenants.tenant)),
);

export function* listTenants(): Verb<readonly string[]> {
  return (yield* allTenants.all()).map(({ tenant }) => tenant);
}

const anyWithOrigin = selection(({ query, tables: { origins } }) =>
  query
    .select({ tenant: origins.tenant })
    .from(origins)
    .where(eq(origins.origin, sql.placeholder('origin')))
    .limit(1),
);

export function* knowsOrigin(origin: string): Verb<boolean> {
  return (yield* anyWithOrigin.one({ origin })) !== undefined;
}

export function* addApiKey(tx: Transaction, tenant: string, keyHash: Uint8Array, now: number): Verb<void> {
  yield* insertApiKey({ keyHash, tenant, createdAt: now });
  yield* record(tx, { tenant, at: now, actor: CLI, event: 'tenant.api_key_added' });
}

const apiKey = selection(({ query, tables: { apiKeys } }) =>
  query
    .select({ tenant: apiKeys.tenant })
    .from(apiKeys)
    .where(eq(apiKeys.keyHash, sql.placeholder('keyHash'))),
);

export function* tenantByApiKey(keyHash: Uint8Array): Verb<Tenant | undefined> {
  const row = yield* apiKey.one({ keyHash });
  if (row === undefined) return undefined;
  yield* within({ tenant: row.tenant });
  return yield* findTenant(row.tenant);
}

const newestVersion = selection(({ query, tables: { policies } }) =>
  query
    .select({ version: max(policies.version) })
    .from(policies)
    .where(
      and(eq(policies.tenant, sql.placeholder('tenant')), eq(policies.policy, sql.placeholder('policy'))),
    ),
);

export function* putPolicy(
  tx: Transaction,
  tenant: string,
  { policy, facts, purposes, transaction, ...demands }: Omit<Policy, 'version'>,
  actor: Actor,
  now: number,
): Verb<Policy> {
  yield* queueFor(`policies ${tenant}`);
  const newest = yield* newestVersion.one({ tenant, policy });
  const version = (newest?.version ?? 0) + 1;
  const values = { tenant, policy, version, facts, purposes, transaction: transaction ?? null, demands };
  yield* insertPolicy({ ...values, createdAt: now });
  const about = {
    policy,
    version,
    facts: facts.map((fact) => (typeof fact === 'string' ? fact : JSON.stringify(fact))),
    ...(demands.twoFactor && { twoFactor: 'yes' }),
    ...(demands.reuseSeconds !== undefined && { reuseSeconds: demands.reuseSeconds }),
    ...(demands.stepUp && { stepUp: demands.stepUp.map((rule) => JSON.stringify(rule)) }),
    ...(transaction && { transactionFrom: transaction.from, transactionDesk: transaction.desk }),
  };
  yield* record(tx, { tenant, at: now, actor, event: 'tenant.policy_put', about });
  return asPolicy({ ...values, version });
}

const policiesOf = selection(({ query, tables: { policies } }) =>
  query
    .select({
      policy: policies.policy,
      version: policies.version,
      facts: policies.facts,
      purposes: policies.purposes,
      transaction: policies.transaction,
      demands: policies.demands,
    })
    .from(policies)
    .where(eq(policies.tenant, sql.placeholder('tenant')))
    .orderBy(asc(policies.policy), desc(policies.version)),
);

export function* listPolicies(tenant: string): Verb<readonly Policy[]> {
  const rows = yield* policiesOf.all({ tenant });
  return rows.filter((row, i) => row.policy !== rows[i - 1]?.policy).map(asPolicy);
}

function asPolicy({
  transaction,
  demands,
  ...rest
}: Pick<
  Tables['policies']['$inferSelect'],
  'policy' | 'version' | 'facts' | 'purposes' | 'transaction' | 'demands'
>): Policy {
  const { policy, version, facts, purposes } = rest;
  return { policy, version, facts, purposes, ...demands, ...(transaction === null ? {} : { transaction }) };
}

export function* takeLimits(
  _tx: Transaction,
  wanted: readonly Limit[],
  now: number,
): Verb<{ readonly granted: number; readonly retryAfter: number }> {
  // All at once, since they are mostly granted; what was taken behind a refused one is given back.
  const taken = yield* together(...wanted.map((limit) => takeLimit(limit, now)));
  const granted = taken.indexOf(0);
  const refused = wanted[granted];
  if (refused === undefined) return { granted: wanted.length, retryAfter: 0 };
  for (const [place, { tenant, key }] of wanted.entries())
    if (place > granted && taken[place] !== 0) yield* giveBack.run({ tenant, key });
  const window = yield* endOf.one({ tenant: refused.tenant, key: refused.key });
  return { granted, retryAfter: Math.max(1, (window?.endsAt ?? now) - now) };
}

/**
 * One statement, so that of many who come at once each finds what the one before it left. The window begins with the
 * first one taken, so that not all windows of a tenant begin at once.
 */
const take = command(({ query, tables: { limits } }) =>
  query
    .insert(limits)
    .values({
      tenant: sql.placeholder('tenant'),
      key: sql.placeholder('key'),
      used: 1,
      endsAt: sql.placeholder('endsAt'),
    })
    .onConflictDoUpdate({
      target: [limits.tenant, limits.key],
      set: {
        used: sql`CASE WHEN ${limits.endsAt} <= ${sql.placeholder('now')} THEN 1 ELSE ${limits.used} + 1 END`,
        endsAt: sql`CASE WHEN ${limits.endsAt} <= ${sql.placeholder('now')} THEN excluded.ends_at ELSE ${limits.endsAt} END`,
      },
      setWhere: or(
        lte(limits.endsAt, sql.placeholder('now')),
        lt(limits.used, sql.placeholder('count')),
      ) as SQL,
    }),
);
const endOf = selection(({ query, tables: { limits } }) =>
  query
    .select({ endsAt: limits.endsAt })
    .from(limits)
    .where(and(eq(limits.tenant, sql.placeholder('tenant')), eq(limits.key, sql.placeholder('key')))),
);

const giveBack = command(({ query, tables: { limits } }) =>
  query
    .update(limits)
    .set({ used: sql`${limits.used} - 1` })
    .where(and(eq(limits.tenant, sql.placeholder('tenant')), eq(limits.key, sql.placeholder('key')))),
);

function takeLimit({ tenant, key, count, seconds }: Limit, now: number): Verb<number> {
  return take.count({ tenant, key, count, now, endsAt: now + seconds });
}

function* insertOrigins(tenant: string, list: readonly string[]): Verb<void> {
  for (const origin of new Set(list)) yield* insertOrigin({ tenant, origin });
}
