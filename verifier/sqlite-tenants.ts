import type { Policy, PublicJwk } from '@akashi/circuits';
import { and, asc, desc, eq, max } from 'drizzle-orm';
import { apiKeys, issuers, limits, origins, policies, tenants } from './schema.ts';
import { record } from './sqlite-audit.ts';
import type { Query, Transaction } from './sqlite-database.ts';
import type { Actor, Tenant } from './store.ts';

// Tenants, their back ends' keys, issuers, policies and limits. The contract of each verb stands in store.ts.

const CLI: Actor = { kind: 'cli' };
const BACKEND: Actor = { kind: 'backend' };

export function createTenant(tx: Transaction, { tenant, name, origins: list }: Tenant, now: number): boolean {
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

export function findTenant(query: Query, tenant: string): Tenant | undefined {
  const rows = query
    .select({ name: tenants.name, origin: origins.origin })
    .from(tenants)
    .leftJoin(origins, eq(origins.tenant, tenants.tenant))
    .where(eq(tenants.tenant, tenant))
    .orderBy(asc(origins.origin))
    .all();
  const [first] = rows;
  if (first === undefined) return undefined;
  return { tenant, name: first.name, origins: rows.flatMap(({ origin }) => origin ?? []) };
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

export function addIssuer(
  tx: Transaction,
  tenant: string,
  issuer: string,
  jwk: PublicJwk,
  now: number,
): void {
  const { changes } = tx.query
    .insert(issuers)
    .values({ tenant, issuer, jwk, createdAt: now })
    .onConflictDoNothing()
    .run();
  if (changes > 0) {
    record(tx, { tenant, at: now, actor: BACKEND, event: 'tenant.issuer_added', about: { issuer } });
  }
}

export function issuerKey(query: Query, tenant: string, issuer: string): PublicJwk | undefined {
  return query
    .select({ jwk: issuers.jwk })
    .from(issuers)
    .where(and(eq(issuers.tenant, tenant), eq(issuers.issuer, issuer)))
    .get()?.jwk;
}

export function putPolicy(
  tx: Transaction,
  tenant: string,
  { policy, facts, purposes }: Omit<Policy, 'version'>,
  now: number,
): Policy {
  const newest = tx.query
    .select({ version: max(policies.version) })
    .from(policies)
    .where(and(eq(policies.tenant, tenant), eq(policies.policy, policy)))
    .get();
  const version = (newest?.version ?? 0) + 1;
  tx.query.insert(policies).values({ tenant, policy, version, facts, purposes, createdAt: now }).run();
  const asked = facts.map((fact) => (typeof fact === 'string' ? fact : JSON.stringify(fact)));
  const about = { policy, version, facts: asked };
  record(tx, { tenant, at: now, actor: BACKEND, event: 'tenant.policy_put', about });
  return { policy, version, facts, purposes };
}

export function listPolicies(query: Query, tenant: string): readonly Policy[] {
  const rows = query
    .select({
      policy: policies.policy,
      version: policies.version,
      facts: policies.facts,
      purposes: policies.purposes,
    })
    .from(policies)
    .where(eq(policies.tenant, tenant))
    .orderBy(asc(policies.policy), desc(policies.version))
    .all();
  return rows.filter((row, i) => row.policy !== rows[i - 1]?.policy);
}

/** The window begins with the first one taken, so that not all windows of a tenant begin at once. */
export function takeLimit(
  tx: Transaction,
  limit: { readonly tenant: string; readonly key: string; readonly count: number; readonly seconds: number },
  now: number,
): number {
  const { tenant, key, count, seconds } = limit;
  const here = and(eq(limits.tenant, tenant), eq(limits.key, key));
  const window = tx.query.select().from(limits).where(here).get();
  if (window === undefined || window.endsAt <= now) {
    const fresh = { used: 1, endsAt: now + seconds };
    tx.query
      .insert(limits)
      .values({ tenant, key, ...fresh })
      .onConflictDoUpdate({ target: [limits.tenant, limits.key], set: fresh })
      .run();
    return 0;
  }
  if (window.used >= count) return window.endsAt - now;
  tx.query
    .update(limits)
    .set({ used: window.used + 1 })
    .where(here)
    .run();
  return 0;
}

function insertOrigins(tx: Transaction, tenant: string, list: readonly string[]): void {
  for (const origin of new Set(list)) tx.query.insert(origins).values({ tenant, origin }).run();
}
