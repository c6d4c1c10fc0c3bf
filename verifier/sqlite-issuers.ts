import type { PublicJwk } from '@akashi/circuits';
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Actor, Issuer, IssuerSource } from './records.ts';
import { issuerSources, issuers } from './schema.ts';
import { record } from './sqlite-audit.ts';
import type { Query, Transaction } from './sqlite-database.ts';
import { prepared } from './sqlite-statement.ts';

// Issuers' pinned keys, and where tenants publish keys and status lists. The contract of each verb stands in store.ts.

export function addIssuer(
  tx: Transaction,
  tenant: string,
  issuer: string,
  jwk: PublicJwk,
  actor: Actor,
  now: number,
): void {
  const { changes } = tx.query
    .insert(issuers)
    .values({ tenant, issuer, jwk, createdAt: now })
    .onConflictDoNothing()
    .run();
  if (changes > 0) record(tx, { tenant, at: now, actor, event: 'tenant.issuer_added', about: { issuer } });
}

export function removeIssuer(
  tx: Transaction,
  tenant: string,
  issuer: string,
  actor: Actor,
  now: number,
): boolean {
  const { changes } = tx.query.delete(issuers).where(here(tenant, issuer)).run();
  if (changes > 0) record(tx, { tenant, at: now, actor, event: 'tenant.issuer_removed', about: { issuer } });
  return changes > 0;
}

const keyById = prepared((query) =>
  query
    .select({ jwk: issuers.jwk })
    .from(issuers)
    .where(and(eq(issuers.tenant, sql.placeholder('tenant')), eq(issuers.issuer, sql.placeholder('issuer'))))
    .prepare(),
);

export function issuerKey(query: Query, tenant: string, issuer: string): PublicJwk | undefined {
  return keyById(query).get({ tenant, issuer })?.jwk;
}

export function listIssuers(query: Query, tenant: string): readonly Issuer[] {
  return query
    .select({ issuer: issuers.issuer, addedAt: issuers.createdAt })
    .from(issuers)
    .where(eq(issuers.tenant, tenant))
    .orderBy(asc(issuers.createdAt), asc(issuers.issuer))
    .all();
}

export function setIssuerSource(
  tx: Transaction,
  tenant: string,
  source: IssuerSource | null,
  actor: Actor,
  now: number,
): void {
  const known = issuerSource(tx.query, tenant);
  if (source === null) {
    if (known === undefined) return;
    tx.query.delete(issuerSources).where(eq(issuerSources.tenant, tenant)).run();
    record(tx, { tenant, at: now, actor, event: 'tenant.issuer_source_removed' });
    return;
  }
  const { jwks, statusLists, staleSeconds } = source;
  const same =
    known?.jwks === jwks && known.statusLists === statusLists && known.staleSeconds === staleSeconds;
  if (same) return;
  const values = { jwks, statusLists, staleSeconds, setAt: now };
  tx.query
    .insert(issuerSources)
    .values({ tenant, ...values })
    .onConflictDoUpdate({ target: issuerSources.tenant, set: values })
    .run();
  const about = { jwks, statusLists, staleSeconds };
  record(tx, { tenant, at: now, actor, event: 'tenant.issuer_source_set', about });
}

const sourceOf = prepared((query) =>
  query
    .select({
      jwks: issuerSources.jwks,
      statusLists: issuerSources.statusLists,
      staleSeconds: issuerSources.staleSeconds,
    })
    .from(issuerSources)
    .where(eq(issuerSources.tenant, sql.placeholder('tenant')))
    .prepare(),
);

export function issuerSource(query: Query, tenant: string): IssuerSource | undefined {
  return sourceOf(query).get({ tenant });
}

function here(tenant: string, issuer: string) {
  return and(eq(issuers.tenant, tenant), eq(issuers.issuer, issuer));
}
