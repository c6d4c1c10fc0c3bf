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
import {
  command,
  inserted,
  type Others,
  selection,
  type Transaction,
  takeTurn,
  updated,
  type Verb,
} from './statement.ts';

/** Entries linked in one transaction: others wait for SQLite's write lock meanwhile. */
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

const addEntry = inserted((tables) => tables.auditEntries);
const linkEntry = updated(
  (tables) => tables.auditEntries,
  (tables) => tables.auditEntries.position,
);

/** Adds an entry, not yet linked, in the transaction of what it records. */
export function* record(tx: Transaction, { tenant, at, actor, event, about = {} }: AuditEvent): Verb<void> {
  const id = Buffer.from(tx.random(16)).toString('base64url');
  const entry = { tenant, id, at, content: auditContent({ ...about, actor, event }) };
  yield* addEntry({ ...entry, hash: entryHash(entry) });
}

const unlinked = selection(({ query, tables: { auditEntries } }) =>
  query
    .select()
    .from(auditEntries)
    .where(isNull(auditEntries.seq))
    .orderBy(asc(auditEntries.position))
    .limit(LINK_BATCH),
);
const lastLinked = selection(({ query, tables: { auditHeads } }) =>
  query.select({ position: max(auditHeads.position) }).from(auditHeads),
);

/**
 * Numbers up to {@link LINK_BATCH} entries into their tenants' chains, in the order of their positions. Where `gapless`,
 * positions are given in the order of commits and none is lost, and one that is missing was removed: so in SQLite. In
 * PostgreSQL positions are given before the commit, and one that was rolled back is lost: an entry that was removed
 * before it was linked shows nowhere. There the program's role may not remove entries.
 * @throws AuditBroken when an entry was removed before it was linked, was edited, or a chain no longer ends at its head
 */
export function* linkAuditBatch(_tx: Transaction, others: Others, gapless: boolean): Verb<number> {
  if (!(yield* takeTurn('audit', others))) return 0;
  const entries = yield* unlinked.all();
  let position = gapless ? ((yield* lastLinked.one())?.position ?? 0) : 0;
  const heads = new Map<string, AuditHead & { position: number }>();
  for (const entry of entries) {
    position += 1;
    if (gapless && entry.position !== position) throw new AuditBroken('gap', null, position);
    if (!equal(entry.hash, entryHash(entry))) throw new AuditBroken('content', entry.tenant, entry.position);
    const previous = heads.get(entry.tenant) ?? (yield* checkedHead(entry.tenant));
    const head = { seq: previous.seq + 1, link: nextLink(previous.link, entry.hash) };
    yield* linkEntry(entry.position, head);
    heads.set(entry.tenant, { ...head, position: entry.position });
  }
  for (const [tenant, { seq, link, position }] of heads) yield* keepHead.run({ tenant, seq, link, position });
  if (gapless && entries.length < LINK_BATCH && position !== ((yield* lastGiven.one())?.position ?? 0)) {
    throw new AuditBroken('gap', null, position + 1);
  }
  return entries.length;
}

const linkedAfter = selection(({ query, tables: { auditEntries } }) =>
  query
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
    .where(
      and(eq(auditEntries.tenant, sql.placeholder('tenant')), gt(auditEntries.seq, sql.placeholder('after'))),
    )
    .orderBy(asc(auditEntries.seq))
    .limit(sql.placeholder('limit')),
);

/** Linked entries after `afterSeq`, in order. */
export function listAuditEntries(
  tenant: string,
  afterSeq: number,
  limit: number,
): Verb<readonly AuditEntry[]> {
  return linkedAfter.all({ tenant, after: afterSeq, limit });
}

const headOf = selection(({ query, tables: { auditHeads } }) =>
  query
    .select({ seq: auditHeads.seq, link: auditHeads.link })
    .from(auditHeads)
    .where(eq(auditHeads.tenant, sql.placeholder('tenant'))),
);
const lastOf = selection(({ query, tables: { auditEntries } }) =>
  query
    .select({ seq: auditEntries.seq, link: auditEntries.link })
    .from(auditEntries)
    .where(and(eq(auditEntries.tenant, sql.placeholder('tenant')), isNotNull(auditEntries.seq)))
    .orderBy(desc(auditEntries.seq))
    .limit(1),
);

/** The head of a chain, as it is kept. */
export function* findAuditHead(tenant: string): Verb<AuditHead> {
  return (yield* headOf.one({ tenant })) ?? auditOrigin(tenant);
}

/** The head of a chain, which must also be its last entry. */
function* checkedHead(tenant: string): Verb<AuditHead> {
  const head = yield* findAuditHead(tenant);
  const last = yield* lastOf.one({ tenant });
  const holds = (last?.seq ?? 0) === head.seq && (last?.link ? equal(last.link, head.link) : head.seq === 0);
  if (!holds) throw new AuditBroken('head', tenant, head.seq);
  return head;
}

const allHeads = selection(({ query, tables: { auditHeads } }) =>
  query
    .select({ tenant: auditHeads.tenant, seq: auditHeads.seq, link: auditHeads.link })
    .from(auditHeads)
    .orderBy(asc(auditHeads.tenant)),
);

export function listAuditHeads(): Verb<readonly (AuditHead & { readonly tenant: string })[]> {
  return allHeads.all();
}

const keepHead = command(({ query, tables: { auditHeads } }) =>
  query
    .insert(auditHeads)
    .values({
      tenant: sql.placeholder('tenant'),
      seq: sql.placeholder('seq'),
      link: sql.placeholder('link'),
      position: sql.placeholder('position'),
    })
    .onConflictDoUpdate({
      target: auditHeads.tenant,
      set: { seq: sql`excluded.seq`, link: sql`excluded.link`, position: sql`excluded.position` },
    }),
);

/** The highest position that SQLite ever gave, whether or not its row is still there; no row before the first. */
const lastGiven = selection(({ query }) => {
  const sequence = sql`sqlite_sequence`;
  return query.select({ position: sql<number>`seq` }).from(sequence).where(sql`name = 'audit_entries'`);
});
