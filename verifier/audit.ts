import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { AuditEntry } from './records.ts';

// The audit chain (docs/protocol.md, section 10; design of the storage). Pure: an exported list of entries can be
// checked by anyone, offline, with nothing but this file.

/** Last number and link of a chain. */
export interface AuditHead {
  readonly seq: number;
  readonly link: Uint8Array;
}

/**
 * Why a chain does not hold. `gap`: a number is missing, double or out of order; `content`: an entry is not what its
 * hash says; `link`: an entry does not follow from the one before; `tenant`: an entry of somebody else; `head`: the
 * chain does not end where it is known to end; `checkpoint`: it does not lead to what was signed and kept elsewhere; `cut`:
 * it does not say that its beginning went, or not what went.
 */
export type AuditFault = 'gap' | 'content' | 'link' | 'tenant' | 'head' | 'checkpoint' | 'cut';

/** Not an `AkashiError`: it is never an answer to anyone, and whoever gets it needs the place. */
export class AuditBroken extends Error {
  override readonly name = 'AuditBroken';
  readonly fault: AuditFault;
  /** `null`: the place is before the chains are told apart. */
  readonly tenant: string | null;
  /** Number (before linking: position) of the first entry that does not hold. */
  readonly at: number;

  constructor(fault: AuditFault, tenant: string | null, at: number) {
    super(`audit chain broken: ${fault}`);
    this.fault = fault;
    this.tenant = tenant;
    this.at = at;
  }
}

/** RFC 8785 JSON of what an entry says. */
export function auditContent(content: object): string {
  const json = canonicalize(content);
  if (json === undefined) throw new TypeError('audit content must be JSON');
  return json;
}

/** `SHA-256("akashi/audit-entry/v1" || RFC 8785 JSON of {at, content, id, tenant})`, `content` as its text. */
export function entryHash({
  tenant,
  id,
  at,
  content,
}: Omit<AuditEntry, 'hash' | 'seq' | 'link'>): Uint8Array {
  return sha256('akashi/audit-entry/v1', auditContent({ tenant, id, at, content }));
}

/** What stands before the first link of a tenant's chain: `SHA-256("akashi/audit/v1" || tenant)`. */
export function auditOrigin(tenant: string): AuditHead {
  return { seq: 0, link: sha256('akashi/audit/v1', tenant) };
}

/** `SHA-256(previous link || entry hash)`. */
export function nextLink(previous: Uint8Array, hash: Uint8Array): Uint8Array {
  return sha256(previous, hash);
}

/**
 * Checks a tenant's entries, in order, and gives the head they lead to. Found are entries that were edited, removed,
 * added, swapped or taken from another tenant. Entries cut off at the end are found only with `end`, a head that is
 * known from elsewhere: a chain that was cut is a good chain, only shorter. Whoever can write the whole table can also
 * make a whole new chain; that, too, takes a head kept outside to see.
 * @param start head after which `entries` begin; by default they begin at the first
 * @throws AuditBroken at the first entry that does not hold
 */
export function verifyAudit(
  tenant: string,
  entries: readonly AuditEntry[],
  { start = auditOrigin(tenant), end }: { readonly start?: AuditHead; readonly end?: AuditHead } = {},
): AuditHead {
  let head = start;
  for (const entry of entries) {
    const seq = head.seq + 1;
    if (entry.tenant !== tenant) throw new AuditBroken('tenant', tenant, seq);
    if (entry.seq !== seq) throw new AuditBroken('gap', tenant, seq);
    if (!equal(entry.hash, entryHash(entry))) throw new AuditBroken('content', tenant, seq);
    const link = nextLink(head.link, entry.hash);
    if (entry.link === null || !equal(entry.link, link)) throw new AuditBroken('link', tenant, seq);
    head = { seq, link };
  }
  if (end !== undefined && (end.seq !== head.seq || !equal(end.link, head.link))) {
    throw new AuditBroken('head', tenant, head.seq);
  }
  return head;
}

/** Whether two digests are the same. Nothing here is secret, so the time it takes says nothing. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function sha256(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
