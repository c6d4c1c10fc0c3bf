import { readFile } from 'node:fs/promises';
import { parse } from '@akashi/circuits';
import { base64url } from 'jose';
import * as v from 'valibot';
import { withStore } from './admin-commands.ts';
import { AuditBroken, type AuditHead, auditOrigin, equal, verifyAudit } from './audit.ts';
import { createCheckpointCheck, readCheckpoints } from './checkpoint.ts';
import { type Flags, requiredFlag } from './configuration.ts';
import type { AuditEntry } from './records.ts';
import type { CommandContext } from './start-command.ts';
import type { Store } from './store.ts';

// `akashi audit`: a tenant's chain, out of the database or out of an export of it.

const AUDIT_PAGE = 500;

/** `akashi audit export TENANT`: one JSON line for each linked entry. */
export function exportAuditCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  return withStore(flags, context, async (store) => {
    for await (const page of auditPages(store, tenant)) {
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
  const check = await checkpointsOf(flags, tenant, context);
  const start = auditOrigin(tenant);
  let reached = start;
  const take = (page: readonly AuditEntry[]) => {
    reached = verifyAudit(tenant, page, { start: reached });
    for (const entry of page) check?.entry(entry);
  };
  if (typeof file === 'string') take(parseExport(await readFile(file, 'utf8')));
  else
    await withStore(flags, context, async (store) => {
      for await (const page of auditPages(store, tenant)) take(page);
    });
  // What was cut off at the end shows only against what is known from elsewhere.
  for (const { after, upTo, epoch } of check?.end(start) ?? [])
    context.out(`entries ${after + 1} to ${upTo} were lost when epoch ${epoch} was restored`);
  if (end !== undefined && (end.seq !== reached.seq || !equal(end.link, reached.link))) {
    throw new AuditBroken('head', tenant, reached.seq);
  }
  context.out(`${reached.seq}:${base64url.encode(reached.link)}`);
}

async function checkpointsOf(flags: Flags, tenant: string, { out }: CommandContext) {
  if (flags.checkpoints === undefined) return undefined;
  const text = await readFile(requiredFlag(flags, 'checkpoints'), 'utf8');
  const jwks: unknown = JSON.parse(await readFile(requiredFlag(flags, 'jwks'), 'utf8'));
  const { checkpoints, unreadable } = await readCheckpoints(linesOf(text), jwks, tenant);
  out(`${checkpoints.length} checkpoints, ${unreadable} lines that are none`);
  return createCheckpointCheck(tenant, checkpoints);
}

/** The linked entries of a tenant; what was not linked yet is, first. */
async function* auditPages(store: Store, tenant: string): AsyncGenerator<readonly AuditEntry[]> {
  while ((await store.linkAudit()) > 0);
  for (let after = 0; ; ) {
    const page = await store.auditEntries(tenant, after, AUDIT_PAGE);
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

function parseExport(text: string): readonly AuditEntry[] {
  return linesOf(text).map((line) => parse(exportedShape, JSON.parse(line)));
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
