import { parseArgs } from 'node:util';
import { AkashiError, base64url16, base64url32 } from '@akashi/circuits';
import * as v from 'valibot';
import {
  addKeyCommand,
  addOperatorCommand,
  addTenantCommand,
  migrateCommand,
  operatorLinkCommand,
  tenantOriginsCommand,
  tenantPasskeysCommand,
} from './admin-commands.ts';
import { AuditBroken } from './audit.ts';
import { exportAuditCommand, verifyAuditCommand } from './audit-commands.ts';
import { backupCommand, restoreCommand } from './backup-commands.ts';
import { ConfigurationError, drainSetting, type Flags } from './configuration.ts';
import {
  addEncryptionCommand,
  dropEncryptionCommand,
  resealCommand,
  useEncryptionCommand,
} from './encryption-commands.ts';
import {
  addIssuerCommand,
  issuerSourceCommand,
  listIssuersCommand,
  removeIssuerCommand,
} from './issuer-commands.ts';
import { certifyCommand, createCommand, installCommand, rootCommand, rotateCommand } from './key-commands.ts';
import { KeyFileError } from './key-file.ts';
import { moveCommand } from './move-command.ts';
import { explainPolicyCommand, listPoliciesCommand, putPolicyCommand } from './policy-commands.ts';
import { runRetentionCommand, setRetentionCommand, showRetentionCommand } from './retention-commands.ts';
import { type CommandContext, startCommand } from './start-command.ts';

// The commands of `akashi`: which there are, what may follow them, how they end.

const HELP = `akashi: verify callers without seeing what is verified

  akashi start [--development] [--origin URL] [--port N] [--hostname H] [--keys FILE]
               [--private-origins "URL..."]          where tenants may publish inside of this network
               [--metrics-port N] [--metrics-hostname H]
                                                     GET /metrics for Prometheus, not for the public
               [--checkpoints FILE|URL]              where signed heads of the audit go, twice a minute
               [--drain SECONDS]                     how long it still answers once it is told to stop
  akashi migrate [--role ROLE]                       makes the tables; PostgreSQL: with the owner's URL, ROLE is
                                                     the verifier's
  akashi move --from FILE                            from SQLite to an empty PostgreSQL database, with the owner's
                                                     URL; no verifier may run
  akashi backup --to FILE                            a copy of a SQLite database, while it is in use
  akashi restore --keys FILE [--from COPY]           puts a copy, or a PostgreSQL database that was put back, in
                                                     force: cancels what is open, leaves each device one PIN try
  akashi tenant add ID --name NAME [ORIGIN...]       prints the tenant's API key
  akashi tenant origins ID [ORIGIN...]               pages that may call from a browser
  akashi tenant passkeys ID --rp-id HOST [--accept-screen-lock] | --off
                                                     passkeys, and whether they are inherence
  akashi key add TENANT                              prints a further API key
  akashi issuer add TENANT FILE                      pins the key in FILE (JWK), prints its thumbprint
  akashi issuer remove TENANT THUMBPRINT
  akashi issuer list TENANT                          pinned keys, and what is published where
  akashi issuer source TENANT [--jwks URL] [--status-lists URL/] [--stale SECONDS]
                                                     where keys and status lists are published; none: nowhere
  akashi policy put TENANT FILE                      from a file (JSON), prints id and version; faults by where they are
  akashi policy list TENANT [--json]
  akashi policy explain TENANT POLICY [--signal NAMES] [--amount UNITS:CURRENCY] [--at TIME] [--failures N] [--json]
                                                     what a verification would ask for, and why; starts nothing
  akashi operator add TENANT --name NAME [--role operator|admin]
                                                     prints the operator's id
  akashi operator link TENANT OPERATOR [--desk URL]  prints a one-use sign-in link
  akashi keys root --root FILE                       offline: prints the thumbprint
  akashi keys create --keys FILE --public FILE
  akashi keys rotate --keys FILE --public FILE [--lead SECONDS]
                                                     one more signing key; it signs after a day, or SECONDS
  akashi keys certify --root FILE --public FILE --origin URL --statement FILE
                                                     offline
  akashi keys install --keys FILE --statement FILE --thumbprint T
  akashi keys add-encryption --keys FILE             one more key-encryption key, that opens; prints its id
  akashi keys use-encryption KEY --keys FILE         now it seals, when all verifiers run with the document before
  akashi keys reseal --keys FILE                     seals everything anew, while verifiers run; prints what is left
  akashi keys drop-encryption KEY --keys FILE        takes an old one out, once the database holds nothing under it
  akashi retention show TENANT
  akashi retention set TENANT [--verifications DAYS] [--devices DAYS] [--audit DAYS]
                                                     how long what is over is kept, 30 days at least; not named: for ever
  akashi retention run [--dry-run]                   rows that go, or would; verifiers do the same every hour
  akashi audit verify TENANT [--file EXPORT] [--head SEQ:LINK] [--checkpoints FILE --jwks FILE]
                                                     prints the head; exit code 3 if broken
  akashi audit export TENANT                         one JSON line for each entry

Commands on the database take --database FILE, --database-url URL, or --development for the one in ./.akashi.
Environment: AKASHI_ORIGIN, AKASHI_PORT, AKASHI_HOSTNAME, AKASHI_DATABASE, AKASHI_DATABASE_URL, AKASHI_PRIVATE_ORIGINS,
AKASHI_METRICS_PORT, AKASHI_METRICS_HOSTNAME, AKASHI_CHECKPOINTS, AKASHI_DRAIN_SECONDS, AKASHI_KEYS_FILE or AKASHI_KEYS (the document itself).
Exit codes: 0 done, 1 failed, 2 wrong use or configuration, 3 audit chain broken.
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  development: { type: 'boolean' },
  origin: { type: 'string' },
  port: { type: 'string' },
  hostname: { type: 'string' },
  database: { type: 'string' },
  'database-url': { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  keys: { type: 'string' },
  root: { type: 'string' },
  public: { type: 'string' },
  statement: { type: 'string' },
  thumbprint: { type: 'string' },
  lead: { type: 'string' },
  verifications: { type: 'string' },
  devices: { type: 'string' },
  audit: { type: 'string' },
  'dry-run': { type: 'boolean' },
  'private-origins': { type: 'string' },
  'metrics-port': { type: 'string' },
  'metrics-hostname': { type: 'string' },
  drain: { type: 'string' },
  checkpoints: { type: 'string' },
  jwks: { type: 'string' },
  'status-lists': { type: 'string' },
  stale: { type: 'string' },
  name: { type: 'string' },
  role: { type: 'string' },
  desk: { type: 'string' },
  file: { type: 'string' },
  head: { type: 'string' },
  'rp-id': { type: 'string' },
  'accept-screen-lock': { type: 'boolean' },
  off: { type: 'boolean' },
  signal: { type: 'string' },
  amount: { type: 'string' },
  at: { type: 'string' },
  failures: { type: 'string' },
  json: { type: 'boolean' },
} as const;

interface Command {
  readonly run: (flags: Flags, context: CommandContext, words: readonly string[]) => Promise<unknown>;
  /** How many words may follow the command. */
  readonly words: readonly [least: number, most: number];
}

const MAX_ORIGINS = 32;

const COMMANDS: Readonly<Record<string, Command>> = {
  start: { run: runUntilStopped, words: [0, 0] },
  migrate: { run: migrateCommand, words: [0, 0] },
  move: { run: moveCommand, words: [0, 0] },
  backup: { run: backupCommand, words: [0, 0] },
  restore: { run: restoreCommand, words: [0, 0] },
  'tenant add': { run: addTenantCommand, words: [1, 1 + MAX_ORIGINS] },
  'tenant origins': { run: tenantOriginsCommand, words: [1, 1 + MAX_ORIGINS] },
  'tenant passkeys': { run: tenantPasskeysCommand, words: [1, 1] },
  'key add': { run: addKeyCommand, words: [1, 1] },
  'issuer add': { run: addIssuerCommand, words: [2, 2] },
  'issuer remove': { run: removeIssuerCommand, words: [2, 2] },
  'issuer list': { run: listIssuersCommand, words: [1, 1] },
  'issuer source': { run: issuerSourceCommand, words: [1, 1] },
  'policy put': { run: putPolicyCommand, words: [2, 2] },
  'policy list': { run: listPoliciesCommand, words: [1, 1] },
  'policy explain': { run: explainPolicyCommand, words: [2, 2] },
  'operator add': { run: addOperatorCommand, words: [1, 1] },
  'operator link': { run: operatorLinkCommand, words: [2, 2] },
  'keys root': { run: rootCommand, words: [0, 0] },
  'keys create': { run: createCommand, words: [0, 0] },
  'keys rotate': { run: rotateCommand, words: [0, 0] },
  'keys certify': { run: certifyCommand, words: [0, 0] },
  'keys install': { run: installCommand, words: [0, 0] },
  'keys add-encryption': { run: addEncryptionCommand, words: [0, 0] },
  'keys use-encryption': { run: useEncryptionCommand, words: [1, 1] },
  'keys reseal': { run: resealCommand, words: [0, 0] },
  'keys drop-encryption': { run: dropEncryptionCommand, words: [1, 1] },
  'retention show': { run: showRetentionCommand, words: [1, 1] },
  'retention set': { run: setRetentionCommand, words: [1, 1] },
  'retention run': { run: runRetentionCommand, words: [0, 0] },
  'audit verify': { run: verifyAuditCommand, words: [1, 1] },
  'audit export': { run: exportAuditCommand, words: [1, 1] },
};

/**
 * Runs one command.
 * @returns the exit code
 */
export async function runCommand(args: readonly string[], context: CommandContext): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...withIds(args)],
      options: OPTIONS,
      allowPositionals: true,
    });
    if (values.help === true) {
      context.out(HELP);
      return 0;
    }
    const name = [positionals.slice(0, 2).join(' '), positionals[0] ?? ''].find((key) =>
      Object.hasOwn(COMMANDS, key),
    );
    const command = name === undefined ? undefined : COMMANDS[name];
    const words = positionals.slice(name?.split(' ').length);
    if (command === undefined || words.length < command.words[0] || words.length > command.words[1]) {
      context.err(HELP);
      return 2;
    }
    await command.run(values, context, words);
    return 0;
  } catch (error) {
    return explain(error, context);
  }
}

/**
 * Ids and thumbprints begin with a dash now and then, and would be taken for options. One that follows an option is its value;
 * others are the last words of every command that has any, so they can stand behind the mark that ends the options.
 */
function withIds(args: readonly string[]): readonly string[] {
  // Who set the mark knows what they meant.
  if (args.includes('--')) return args;
  const [others, ids]: [string[], string[]] = [[], []];
  for (const arg of args) {
    const last = others.at(-1);
    if (!arg.startsWith('-') || ![base64url16, base64url32].some((id) => v.is(id, arg))) others.push(arg);
    else if (last !== undefined && takesValue(last)) others.push(`${others.pop()}=${arg}`);
    else ids.push(arg);
  }
  return [...others, '--', ...ids];
}

function takesValue(arg: string): boolean {
  const option = Object.entries(OPTIONS).find(([name]) => arg === `--${name}`);
  return option?.[1].type === 'string';
}

/** `akashi start`, until the context says that it is to stop. */
async function runUntilStopped(flags: Flags, context: CommandContext): Promise<void> {
  const drain = drainSetting(flags, context.env);
  const service = await startCommand(flags, context);
  await context.untilStopped();
  await service.close(drain);
}

function explain(error: unknown, { err }: CommandContext): number {
  if (error instanceof AuditBroken) {
    err(`${error.message}, at entry ${error.at}`);
    return 3;
  }
  if (error instanceof ConfigurationError || error instanceof KeyFileError || isUsageError(error)) {
    err(error.message);
    return 2;
  }
  if (error instanceof AkashiError) {
    const malformed = 'a value is not in its form (docs/protocol.md, section 2)';
    // What lies under `busy` is the database.
    const under = error.cause instanceof Error ? error.cause.message : error.message;
    err(error.code === 'malformed' ? malformed : under);
    return 1;
  }
  err(error instanceof Error ? error.message : String(error));
  return 1;
}

/** What node:util throws for flags that it does not know. */
function isUsageError(error: unknown): error is TypeError {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
