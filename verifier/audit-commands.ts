import { readFile } from 'node:fs/promises';
import { parse } from '@akashi/circuits';
import { base64url } from 'jose';
import * as v from 'valibot';
import { withStore } from './admin-commands.ts';
import { AuditBroken, type AuditHead, auditOrigin, equal, verifyAudit } from './audit.ts';
import { createCutCheck } from './audit-cut.ts';
import { type Checkpoint, createCheckpointCheck, heldOf, readCheckpoints } from './checkpoint.ts';
import { type Flags, requiredFlag } from './configuration.ts';
import { parseDocument } from './keys.ts';
import type { AuditEntry } from './records.ts';
import type { CommandContext } from './start-command.ts';
import type { Store } from './store.ts';

// `akashi audit`: a tenant's chain, out of the database or out of an export of it.

const AUDIT_PAGE = 500;

/** `akashi audit export TENANT`: one JSON line for each linked entry; before the first, the cut that it follows from. */
export function exportAuditCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  return withStore(flags, context, async (store) => {
    const start = await store.auditStart(tenant);
    if (start.seq > 0) context.out(JSON.stringify({ cut: { ...start, link: base64url.encode(start.link) } }));
    for await (const page of auditPages(store, tenant, start)) {
      for (const entry of page) context.out(JSON.stringify(exportedEntry(entry)));
    }
  });
}

/**
 * `akashi audit verify TENANT [--file EXPORT] [--head SEQ:LINK] [--checkpoints FILE --jwks FILE]`: the head that the chain
 * leads to.
 * @throws AuditBroken
 */
export async function verifyAuditCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  const { file, head } = flags;
  const end = typeof head === 'string' ? parseHead(head) : undefined;
  const checkpoints = await checkpointsOf(flags, tenant, context);
  const reader = readChain(tenant, checkpoints, context);
  const reached =
    typeof file === 'string'
      ? await reader(...parseExport(await readFile(file, 'utf8'), tenant))
      : await withStore(flags, context, async (store) => {
          const start = await store.auditStart(tenant);
          return reader(start, auditPages(store, tenant, start));
        });
  // What was cut off at the end shows only against what is known from elsewhere.
  if (end !== undefined && (end.seq !== reached.seq || !equal(end.link, reached.link))) {
    throw new AuditBroken('head', tenant, reached.seq);
  }
  context.out(`${reached.seq}:${base64url.encode(reached.link)}`);
}

type Pages = AsyncIterable<readonly AuditEntry[]> | readonly (readonly AuditEntry[])[];

/** Reads a chain from where it begins, says what it has lost and why. The head that it leads to. @throws AuditBroken */
function readChain(tenant: string, checkpoints: readonly Checkpoint[], { out }: CommandContext) {
  return async (start: AuditHead, pages: Pages): Promise<AuditHead> => {
    const known = createCheckpointCheck(tenant, checkpoints);
    const cuts = createCutCheck(tenant, start);
    known.start(start);
    let reached = start;
    for await (const page of pages) {
      reached = verifyAudit(tenant, page, { start: reached });
      for (const entry of page) {
        known.entry(entry);
        cuts.entry(entry);
      }
    }
    const lost = known.end(start);
    const cut = cuts.end(heldOf(checkpoints, lost));
    if (cut !== undefined)
      out(`entries up to ${cut.seq} are erased, those until ${new Date(cut.before * 1000).toISOString()}`);
    for (const { after, upTo, epoch } of lost)
      out(`entries ${after + 1} to ${upTo} were lost when epoch ${epoch} was restored`);
    return reached;
  };
}

async function checkpointsOf(
  flags: Flags,
  tenant: string,
  { out }: CommandContext,
): Promise<readonly Checkpoint[]> {
  if (flags.checkpoints === undefined) return [];
  const text = await readFile(requiredFlag(flags, 'checkpoints'), 'utf8');
  const jwks = parseDocument(v.unknown(), await readFile(requiredFlag(flags, 'jwks'), 'utf8'));
  const { checkpoints, unreadable } = await readCheckpoints(linesOf(text), jwks, tenant);
  out(`${checkpoints.length} checkpoints, ${unreadable} lines that are none`);
  return checkpoints;
}

/** The linked entries of a tenant; what was not linked yet is, first. */
async function* auditPages(
  store: Store,
  tenant: string,
  start: AuditHead,
): AsyncGenerator<readonly AuditEntry[]> {
  while ((await store.linkAudit()) > 0);
  for (let after = start.seq; ; ) {
    const page = await store.auditEntries(tenant, after, AUDIT_PAGE);
    const cut = page[0]?.seq !== after + 1 && (await store.auditStart(tenant)).seq !== start.seq;
    if (cut) throw new Error('the audit was cut meanwhile: run this again');
    const last = page.at(-1)?.seq;
    if (last === undefined || last === null) return;
    yield page;
    after = last;
  }
}

const digest = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_-]{43}$/),
  v.transform((text) => base64url.decode(text)),
);
const exportedShape = v.strictObject({
  tenant: v.string(),
  id: v.string(),
  at: v.number(),
  content: v.string(),
  hash: digest,
  seq: v.number(),
  link: digest,
});

function exportedEntry({ tenant, id, at, content, hash, seq, link }: AuditEntry) {
  const encoded = link === null ? null : base64url.encode(link);
  return { tenant, id, at, content, hash: base64url.encode(hash), seq, link: encoded };
}

const cutShape = v.strictObject({ cut: v.strictObject({ seq: v.number(), link: digest }) });

/** Where an exported chain begins, and all of it as one page. */
function parseExport(text: string, tenant: string): [AuditHead, readonly (readonly AuditEntry[])[]] {
  const lines = linesOf(text).map((line) => parseDocument(v.unknown(), line));
  const cut = v.safeParse(cutShape, lines[0]);
  const entries = lines.slice(cut.success ? 1 : 0).map((line) => parse(exportedShape, line));
  return [cut.success ? cut.output.cut : auditOrigin(tenant), [entries]];
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

function parseHead(text: string): AuditHead {
  const [seq, link] = text.split(':');
  return {
    seq: parse(v.pipe(v.string(), v.regex(/^[0-9]+$/), v.transform(Number)), seq),
    link: parse(digest, link),
  };
}
