import { base64url16, parse } from '@akashi/circuits';
import {
  createApiKey,
  createOperator,
  createSignInLink,
  createTenant,
  setOrigins,
  setPasskeySettings,
} from './admin.ts';
import { ConfigurationError, databaseSetting, type Flags, requiredFlag } from './configuration.ts';
import { migratePostgres } from './postgres-migrations.ts';
import { systemClock } from './service.ts';
import type { CommandContext } from './start-command.ts';
import type { Store } from './store.ts';
import { openStore } from './stores.ts';

// Commands on the database: tenants, operators, API keys.

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
