import type { Policy } from '@akashi/circuits';
import { and, asc, desc, eq, max, sql } from 'drizzle-orm';
import { apiKeys, limits, origins, policies, tenants } from './schema.ts';
import { record } from './sqlite-audit.ts';
import type { Query, Transaction } from './sqlite-database.ts';
import { prepared } from './sqlite-statement.ts';
import type { Actor, Limit, NewTenant, PasskeySettings, Tenant } from './store.ts';

// Tenants, their back ends' keys, policies and limits. The contract of each verb stands in store.ts.

const CLI: Actor = { kind: 'cli' };

export function createTenant(
  tx: Transaction,
  { tenant, name, origins: list }: NewTenant,
  now: number,
): boolean {
  const { changes } = tx.query
    .insert(tenants)
    .values({ tenant, name, createdAt: now })
    .onConflictDoNothing()
    .run();
  if (changes === 0) return false;
  insertOrigins(tx, tenant, list);
  record(tx, { tenant, at: now, actor: CLI, event: 'tenant.created', about: { origins: list } });
  return true;
}

export function setOrigins(tx: Transaction, tenant: string, list: readonly string[], now: number): boolean {
  if (findTenant(tx.query, tenant) === undefined) return false;
  tx.query.delete(origins).where(eq(origins.tenant, tenant)).run();
  insertOrigins(tx, tenant, list);
  record(tx, { tenant, at: now, actor: CLI, event: 'tenant.origins_set', about: { origins: list } });
  return true;
}

export function setPasskeySettings(
  tx: Transaction,
  tenant: string,
  settings: PasskeySettings | null,
  now: number,
): boolean {
  const { rpId, acceptScreenLock } = settings ?? { rpId: null, acceptScreenLock: false };
  const { changes } = tx.query
    .update(tenants)
    .set({ rpId, acceptScreenLock })
    .where(eq(tenants.tenant, tenant))
    .run();
  if (changes === 0) return false;
  const about = { rpId, acceptScreenLock: acceptScreenLock ? 'yes' : 'no' };
  record(tx, { tenant, at: now, actor: CLI, event: 'tenant.passkeys_set', about });
  return true;
}

const byId = prepared((query) =>
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
    .orderBy(asc(origins.origin))
    .prepare(),
);

export function findTenant(query: Query, tenant: string): Tenant | undefined {
  const rows = byId(query).all({ tenant });
  const [first] = rows;
  if (first === undefined) return undefined;
  const { name, rpId, acceptScreenLock } = first;
  const passkeys = rpId === null ? null : { rpId, acceptScreenLock };
  return { tenant, name, origins: rows.flatMap(({ origin }) => origin ?? []), passkeys };
}

export function knowsOrigin(query: Query, origin: string): boolean {
  const row = query.select({ tenant: origins.tenant }).from(origins).where(eq(origins.origin, origin)).get();
  return row !== undefined;
}

export function addApiKey(tx: Transaction, tenant: string, keyHash: Uint8Array, now: number): void {
  tx.query.insert(apiKeys).values({ keyHash, tenant, createdAt: now }).run();
  record(tx, { tenant, at: now, actor: CLI, event: 'tenant.api_key_added' });
}

export function tenantByApiKey(query: Query, keyHash: Uint8Array): Tenant | undefined {
  const row = query
    .select({ tenant: apiKeys.tenant })
    .from(apiKeys)
    .where(eq(apiKeys.keyHash, keyHash))
    .get();
  return row && findTenant(query, row.tenant);
}

export function putPolicy(
  tx: Transaction,
  tenant: string,
  { policy, facts, purposes, transaction, ...demands }: Omit<Policy, 'version'>,
  actor: Actor,
  now: number,
): Policy {
  const newest = tx.query
    .select({ version: max(policies.version) })
    .from(policies)
    .where(and(eq(policies.tenant, tenant), eq(policies.policy, policy)))
    .get();
  const version = (newest?.version ?? 0) + 1;
  const values = { tenant, policy, version, facts, purposes, transaction: transaction ?? null, demands };
  tx.query
    .insert(policies)
    .values({ ...values, createdAt: now })
    .run();
  const about = {
    policy,
    version,
    facts: facts.map((fact) => (typeof fact === 'string' ? fact : JSON.stringify(fact))),
    ...(demands.twoFactor && { twoFactor: 'yes' }),
    ...(demands.reuseSeconds !== undefined && { reuseSeconds: demands.reuseSeconds }),
    ...(demands.stepUp && { stepUp: demands.stepUp.map((rule) => JSON.stringify(rule)) }),
    ...(transaction && { transactionFrom: transaction.from, transactionDesk: transaction.desk }),
  };
  record(tx, { tenant, at: now, actor, event: 'tenant.policy_put', about });
  return asPolicy({ ...values, version });
}

const policiesOf = prepared((query) =>
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
    .orderBy(asc(policies.policy), desc(policies.version))
    .prepare(),
);

export function listPolicies(query: Query, tenant: string): readonly Policy[] {
  const rows = policiesOf(query).all({ tenant });
  return rows.filter((row, i) => row.policy !== rows[i - 1]?.policy).map(asPolicy);
}

function asPolicy({
  transaction,
  demands,
  ...rest
}: Pick<
  typeof policies.$inferSelect,
  'policy' | 'version' | 'facts' | 'purposes' | 'transaction' | 'demands'
>): Policy {
  const { policy, version, facts, purposes } = rest;
  return { policy, version, facts, purposes, ...demands, ...(transaction === null ? {} : { transaction }) };
}

export function takeLimits(
  tx: Transaction,
  wanted: readonly Limit[],
  now: number,
): { readonly granted: number; readonly retryAfter: number } {
  for (const [granted, limit] of wanted.entries()) {
    const retryAfter = takeLimit(tx, limit, now);
    if (retryAfter > 0) return { granted, retryAfter };
  }
  return { granted: wanted.length, retryAfter: 0 };
}

const limitByKey = prepared((query) =>
  query
    .select()
    .from(limits)
    .where(and(eq(limits.tenant, sql.placeholder('tenant')), eq(limits.key, sql.placeholder('key'))))
    .prepare(),
);
const putLimit = prepared((query) =>
  query
    .insert(limits)
    .values({
      tenant: sql.placeholder('tenant'),
      key: sql.placeholder('key'),
      used: sql.placeholder('used'),
      endsAt: sql.placeholder('endsAt'),
    })
    .onConflictDoUpdate({
      target: [limits.tenant, limits.key],
      set: { used: sql`excluded.used`, endsAt: sql`excluded.ends_at` },
    })
    .prepare(),
);

/** The window begins with the first one taken, so that not all windows of a tenant begin at once. */
function takeLimit(tx: Transaction, { tenant, key, count, seconds }: Limit, now: number): number {
  const before = limitByKey(tx.query).get({ tenant, key });
  const window = before === undefined || before.endsAt <= now ? { used: 0, endsAt: now + seconds } : before;
  if (window.used >= count) return window.endsAt - now;
  putLimit(tx.query).run({ tenant, key, used: window.used + 1, endsAt: window.endsAt });
  return 0;
}

function insertOrigins(tx: Transaction, tenant: string, list: readonly string[]): void {
  for (const origin of new Set(list)) tx.query.insert(origins).values({ tenant, origin }).run();
}
