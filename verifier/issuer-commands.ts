import { AkashiError } from '@akashi/circuits';
import { pinIssuer, setIssuerSource, unpinIssuer } from './admin.ts';
import { withStore } from './admin-commands.ts';
import { ConfigurationError, type Flags } from './configuration.ts';
import { readPublicFile } from './key-file.ts';
import { systemClock } from './service.ts';
import type { CommandContext } from './start-command.ts';

// Whom a tenant's credentials are believed from.

/** `akashi issuer add TENANT FILE` */
export async function addIssuerCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '', file = '']: readonly string[],
): Promise<void> {
  const jwk = parseJson(await readPublicFile(file));
  await withStore(flags, context, async (store) => {
    context.out(await pinIssuer(store, tenant, jwk, systemClock()));
  });
}

/** `akashi issuer remove TENANT THUMBPRINT` */
export function removeIssuerCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '', issuer = '']: readonly string[],
): Promise<void> {
  return withStore(flags, context, (store) => unpinIssuer(store, tenant, issuer, systemClock()));
}

/** `akashi issuer list TENANT` */
export function listIssuersCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  return withStore(flags, context, async (store) => {
    if ((await store.tenant(tenant)) === undefined) throw new TypeError('there is no such tenant');
    for (const { issuer } of await store.issuers(tenant)) context.out(`pinned ${issuer}`);
    const source = await store.issuerSource(tenant);
    if (source === undefined) return;
    const { jwks, statusLists, staleSeconds } = source;
    if (jwks !== null) context.out(`jwks ${jwks}`);
    if (statusLists !== null)
      context.out(`status-lists ${statusLists}, stale for ${staleSeconds} seconds at most`);
  });
}

/** `akashi issuer source TENANT [--jwks URL] [--status-lists URL/] [--stale SECONDS]` */
export function issuerSourceCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  const { jwks, 'status-lists': statusLists, stale } = flags;
  if (typeof stale === 'string' && !/^[0-9]{1,6}$/.test(stale))
    throw new ConfigurationError('--stale is a number of seconds');
  const source = {
    ...(typeof jwks === 'string' ? { jwks } : {}),
    ...(typeof statusLists === 'string' ? { statusLists } : {}),
    ...(typeof stale === 'string' ? { staleSeconds: Number(stale) } : {}),
  };
  return withStore(flags, context, (store) => setIssuerSource(store, tenant, source, systemClock()));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AkashiError('malformed', { cause });
  }
}
