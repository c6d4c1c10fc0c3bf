import type { PublicJwk } from '@akashi/circuits';
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Tables } from './dialects.ts';
import type { Actor, Issuer, IssuerSource } from './records.ts';
import {
  command,
  inserted,
  insertedOnce,
  queueFor,
  selection,
  type Transaction,
  type Verb,
} from './statement.ts';
import { record } from './stored-audit.ts';

// Issuers' pinned keys, and where tenants publish keys and status lists. The contract of each verb stands in store.ts.

const isHere = ({ issuers }: Tables) =>
  and(eq(issuers.tenant, sql.placeholder('tenant')), eq(issuers.issuer, sql.placeholder('issuer')));
const pin = insertedOnce((tables) => tables.issuers);
const unpin = command(({ query, tables }) => query.delete(tables.issuers).where(isHere(tables)));

export function* addIssuer(
  tx: Transaction,
  tenant: string,
  issuer: string,
  jwk: PublicJwk,
  actor: Actor,
  now: number,
): Verb<void> {
  if ((yield* pin({ tenant, issuer, jwk, createdAt: now })) === 0) return;
  yield* record(tx, { tenant, at: now, actor, event: 'tenant.issuer_added', about: { issuer } });
}

export function* removeIssuer(
  tx: Transaction,
  tenant: string,
  issuer: string,
  actor: Actor,
  now: number,
): Verb<boolean> {
  if ((yield* unpin.count({ tenant, issuer })) === 0) return false;
  yield* record(tx, { tenant, at: now, actor, event: 'tenant.issuer_removed', about: { issuer } });
  return true;
}

const keyById = selection(({ query, tables }) =>
  query.select({ jwk: tables.issuers.jwk }).from(tables.issuers).where(isHere(tables)),
);

export function* issuerKey(tenant: string, issuer: string): Verb<PublicJwk | undefined> {
  return (yield* keyById.one({ tenant, issuer }))?.jwk;
}

const issuersOf = selection(({ query, tables: { issuers } }) =>
  query
    .select({ issuer: issuers.issuer, addedAt: issuers.createdAt })
    .from(issuers)
    .where(eq(issuers.tenant, sql.placeholder('tenant')))
    .orderBy(asc(issuers.createdAt), asc(issuers.issuer)),
);

export function listIssuers(tenant: string): Verb<readonly Issuer[]> {
  return issuersOf.all({ tenant });
}

const sourceOf = selection(({ query, tables: { issuerSources } }) =>
  query
    .select({
      jwks: issuerSources.jwks,
      statusLists: issuerSources.statusLists,
      staleSeconds: issuerSources.staleSeconds,
    })
    .from(issuerSources)
    .where(eq(issuerSources.tenant, sql.placeholder('tenant'))),
);
const addSource = inserted((tables) => tables.issuerSources);
const removeSource = command(({ query, tables: { issuerSources } }) =>
  query.delete(issuerSources).where(eq(issuerSources.tenant, sql.placeholder('tenant'))),
);

export function* setIssuerSource(
  tx: Transaction,
  tenant: string,
  source: IssuerSource | null,
  actor: Actor,
  now: number,
): Verb<void> {
  yield* queueFor(`issuer source ${tenant}`);
  const known = yield* issuerSource(tenant);
  if (source === null) {
    if (known === undefined) return;
    yield* removeSource.run({ tenant });
    yield* record(tx, { tenant, at: now, actor, event: 'tenant.issuer_source_removed' });
    return;
  }
  const { jwks, statusLists, staleSeconds } = source;
  const same =
    known?.jwks === jwks && known.statusLists === statusLists && known.staleSeconds === staleSeconds;
  if (same) return;
  yield* removeSource.run({ tenant });
  yield* addSource({ tenant, jwks, statusLists, staleSeconds, setAt: now });
  const about = { jwks, statusLists, staleSeconds };
  yield* record(tx, { tenant, at: now, actor, event: 'tenant.issuer_source_set', about });
}

export function issuerSource(tenant: string): Verb<IssuerSource | undefined> {
  return sourceOf.one({ tenant });
}
