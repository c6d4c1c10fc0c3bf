import { and, asc, desc, eq, gt, isNotNull, isNull, max, sql } from 'drizzle-orm';
import {
  AuditBroken,
  type AuditHead,
  auditContent,
  auditOrigin,
  entryHash,
  equal,
  nextLink,
} from './audit.ts';
import type { Actor, AuditEntry } from './records.ts';
import { auditEntries, auditHeads } from './schema.ts';
import type { Query, Transaction } from './sqlite-database.ts';
import { inserted, updated } from './sqlite-statement.ts';

/** Entries linked in one transaction: others wait for the write lock meanwhile. */
export const LINK_BATCH = 500;

export const SYSTEM: Actor = { kind: 'system' };

export interface AuditEvent {
  readonly tenant: string;
  readonly at: number;
  readonly actor: Actor;
  readonly event: string;
  /** Ids, counts and fixed words. Never a code, a token, a proof or a value. */
  readonly about?: Readonly<Record<string, string | number | null | readonly string[]>>;
}

const addEntry = inserted(auditEntries);
const linkEntry = updated(auditEntries, auditEntries.position);

/** Adds an entry, not yet linked, in the transaction of what it records. */
export function record(tx: Transaction, { tenant, at, actor, event, about = {} }: AuditEvent): void {
  const id = Buffer.from(tx.random(16)).toString('base64url');
  const entry = { tenant, id, at, content: auditContent({ ...about, actor, event }) };
  addEntry(tx.query, { ...entry, hash: entryHash(entry) });
}

/**
 * Numbers up to {@link LINK_BATCH} entries into their tenants' chains, in the order of their commits.
 * @throws AuditBroken when an entry was removed before it was linked, was edited, or a chain no longer ends at its head
 */
export function linkAuditBatch(tx: Transaction): number {
  const { query } = tx;
  const entries = query
    .select()
    .from(auditEntries)
    .where(isNull(auditEntries.seq))
    .orderBy(asc(auditEntries.position))
    .limit(LINK_BATCH)
    .all();
  let position =
    query
      .select({ last: max(auditHeads.position) })
      .from(auditHeads)
      .get()?.last ?? 0;
  const heads = new Map<string, AuditHead & { position: number }>();
  for (const entry of entries) {
    position += 1;
    if (entry.position !== position) throw new AuditBroken('gap', null, position);
    if (!equal(entry.hash, entryHash(entry))) throw new AuditBroken('content', entry.tenant, position);
    const previous = heads.get(entry.tenant) ?? checkedHead(query, entry.tenant);
    const head = { seq: previous.seq + 1, link: nextLink(previous.link, entry.hash) };
    linkEntry(query, position, head);
    heads.set(entry.tenant, { ...head, position });
  }
  for (const [tenant, head] of heads) keepHead(query, tenant, head);
  if (entries.length < LINK_BATCH && position !== lastPosition(query)) {
    throw new AuditBroken('gap', null, position + 1);
  }
  return entries.length;
}

/** Linked entries after `afterSeq`, in order. */
export function listAuditEntries(
  query: Query,
  tenant: string,
  afterSeq: number,
  limit: number,
): readonly AuditEntry[] {
  return query
    .select({
      tenant: auditEntries.tenant,
      id: auditEntries.id,
      at: auditEntries.at,
      content: auditEntries.content,
      hash: auditEntries.hash,
      seq: auditEntries.seq,
      link: auditEntries.link,
    })
    .from(auditEntries)
    .where(and(eq(auditEntries.tenant, tenant), gt(auditEntries.seq, afterSeq)))
    .orderBy(asc(auditEntries.seq))
    .limit(limit)
    .all();
}

/** The head of a chain, which must also be its last entry. */
function checkedHead(query: Query, tenant: string): AuditHead {
  const head =
    query
      .select({ seq: auditHeads.seq, link: auditHeads.link })
      .from(auditHeads)
      .where(eq(auditHeads.tenant, tenant))
      .get() ?? auditOrigin(tenant);
  const last = query
    .select({ seq: auditEntries.seq, link: auditEntries.link })
    .from(auditEntries)
    .where(and(eq(auditEntries.tenant, tenant), isNotNull(auditEntries.seq)))
    .orderBy(desc(auditEntries.seq))
    .limit(1)
    .get();
  const holds = (last?.seq ?? 0) === head.seq && (last?.link ? equal(last.link, head.link) : head.seq === 0);
  if (!holds) throw new AuditBroken('head', tenant, head.seq);
  return head;
}

function keepHead(query: Query, tenant: string, head: AuditHead & { readonly position: number }): void {
  query
    .insert(auditHeads)
    .values({ tenant, ...head })
    .onConflictDoUpdate({ target: auditHeads.tenant, set: head })
    .run();
}

/** The highest position ever given, whether or not its row is still there. */
function lastPosition(query: Query): number {
  const row = query.get<{ seq: number } | undefined>(
    sql`SELECT seq FROM sqlite_sequence WHERE name = 'audit_entries'`,
  );
  return row?.seq ?? 0;
}
