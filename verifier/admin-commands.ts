import { readFile } from 'node:fs/promises';
import { base64url16, parse } from '@akashi/circuits';
import { base64url } from 'jose';
import * as v from 'valibot';
import {
  createApiKey,
  createOperator,
  createSignInLink,
  createTenant,
  setOrigins,
  setPasskeySettings,
} from './admin.ts';
import { AuditBroken, type AuditHead, auditOrigin, verifyAudit } from './audit.ts';
import { ConfigurationError, databaseSetting, type Flags, requiredFlag } from './configuration.ts';
import { migratePostgres } from './postgres-migrations.ts';
import type { AuditEntry } from './records.ts';
import { systemClock } from './service.ts';
import type { CommandContext } from './start-command.ts';
import type { Store } from './store.ts';
import { openStore } from './stores.ts';

// Commands on the database: tenants, operators, API keys, audit.

const AUDIT_PAGE = 500;

/** Runs one command on the opened store, which is closed after it whatever happens. */
export async function withStore<T>(
  flags: Flags,
  context: CommandContext,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await openStore(databaseSetting(flags, context.env), context.random);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/**
 * `akashi migrate [--role ROLE]`: opening a SQLite file applies what is missing. PostgreSQL's tables are made by their
 * owner, whose URL is given here, for the role that verifiers have.
 */
export async function migrateCommand(flags: Flags, context: CommandContext): Promise<void> {
  const location = databaseSetting(flags, context.env);
  if ('databaseUrl' in location) await migratePostgres(location.databaseUrl, requiredFlag(flags, 'role'));
  else await withStore(flags, context, (store) => store.ping());
}

/** `akashi tenant add ID --name NAME [ORIGIN...]` */
export function addTenantCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '', ...origins]: readonly string[],
): Promise<void> {
  const name = requiredFlag(flags, 'name');
  return withStore(flags, context, async (store) => {
    const added = await createTenant(
      store,
      { tenant, name, origins: [...origins] },
      systemClock(),
      context.random,
    );
    context.out(added.apiKey);
  });
}

/** `akashi tenant origins ID [ORIGIN...]` */
export function tenantOriginsCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '', ...origins]: readonly string[],
): Promise<void> {
  return withStore(flags, context, (store) => setOrigins(store, tenant, origins, systemClock()));
}

/** `akashi tenant passkeys ID (--rp-id HOST [--accept-screen-lock] | --off)` */
export function tenantPasskeysCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  const { off = false } = flags;
  if (off === (flags['rp-id'] !== undefined)) throw new ConfigurationError('--rp-id or --off, one of them');
  const acceptScreenLock = flags['accept-screen-lock'] === true;
  const settings = off ? null : { rpId: requiredFlag(flags, 'rp-id'), acceptScreenLock };
  return withStore(flags, context, (store) => setPasskeySettings(store, tenant, settings, systemClock()));
}

/** `akashi key add TENANT` */
export function addKeyCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  return withStore(flags, context, async (store) => {
    context.out(await createApiKey(store, tenant, systemClock(), context.random));
  });
}

/** `akashi operator add TENANT --name NAME [--role operator|admin]` */
export function addOperatorCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  const name = requiredFlag(flags, 'name');
  const role = flags.role ?? 'operator';
  if (role !== 'operator' && role !== 'admin') throw new ConfigurationError('--role is operator or admin');
  return withStore(flags, context, async (store) => {
    context.out(await createOperator(store, { tenant, name, role }, systemClock(), context.random));
  });
}

/** `akashi operator link TENANT OPERATOR [--desk URL]`: the link, or the token alone. */
export function operatorLinkCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '', operator]: readonly string[],
): Promise<void> {
  const id = parse(base64url16, operator);
  const desk = flags.desk;
  return withStore(flags, context, async (store) => {
    const token = await createSignInLink(store, tenant, id, systemClock(), context.random);
    context.out(typeof desk === 'string' ? `${desk}#signin=${token}` : token);
  });
}

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
 * `akashi audit verify TENANT [--file EXPORT] [--head SEQ:LINK]`: the head that the chain leads to.
 * @throws AuditBroken
 */
export async function verifyAuditCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  const { file, head } = flags;
  const end = typeof head === 'string' ? parseHead(head) : undefined;
  let reached = auditOrigin(tenant);
  if (typeof file === 'string') {
    reached = verifyAudit(tenant, parseExport(await readFile(file, 'utf8')));
  } else {
    await withStore(flags, context, async (store) => {
      for await (const page of auditPages(store, tenant))
        reached = verifyAudit(tenant, page, { start: reached });
    });
  }
  // What was cut off at the end shows only against a head that is known from elsewhere.
  if (end !== undefined && (end.seq !== reached.seq || Buffer.compare(end.link, reached.link) !== 0)) {
    throw new AuditBroken('head', tenant, reached.seq);
  }
  context.out(`${reached.seq}:${base64url.encode(reached.link)}`);
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
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => parse(exportedShape, JSON.parse(line)));
}

function parseHead(text: string): AuditHead {
  const [seq, link] = text.split(':');
  return {
    seq: parse(v.pipe(v.string(), v.regex(/^[0-9]+$/), v.transform(Number)), seq),
    link: parse(digest, link),
  };
}
