import { join } from 'node:path';
import { readSecretFile } from './key-file.ts';
import { type Keys, openKeys, parseKeysDocument } from './keys.ts';
import type { StoreLocation } from './stores.ts';

// The environment, read and checked in one place, before anything starts. A flag goes before its variable.

/** Something to be put right by who runs the command; the message names the flag or variable. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Values of command-line flags, by name. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

const DEFAULT_PORT = 4300;

/** Folder of the keys and the database that development mode makes for itself. */
export const DEVELOPMENT_FOLDER = '.akashi';

/** The value of a flag, or of the variable that stands for it. */
export function settingOf(
  flags: Flags,
  env: Environment,
  flag: string,
  variable: string,
): string | undefined {
  const given = flags[flag];
  const value = typeof given === 'string' ? given : env[variable];
  return value === '' ? undefined : value;
}

/** The value of a flag that has no variable. @throws ConfigurationError when it is not given */
export function requiredFlag(flags: Flags, name: string): string {
  const value = flags[name];
  if (typeof value !== 'string' || value === '') throw new ConfigurationError(`--${name} is missing`);
  return value;
}

/** @throws ConfigurationError when neither is given */
export function requiredSetting(flags: Flags, env: Environment, flag: string, variable: string): string {
  const value = settingOf(flags, env, flag, variable);
  if (value === undefined) throw new ConfigurationError(`set ${variable} or --${flag}`);
  return value;
}

export function portSetting(flags: Flags, env: Environment): number {
  const text = settingOf(flags, env, 'port', 'AKASHI_PORT') ?? String(DEFAULT_PORT);
  return checkedPort(text, 'AKASHI_PORT or --port');
}

function checkedPort(text: string, setting: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 1 && port <= 65_535)) throw new ConfigurationError(`${setting} must be 1 to 65535`);
  return port;
}

/** Where metrics are served, if anywhere: by default on this machine only. */
export function metricsSetting(
  flags: Flags,
  env: Environment,
): { readonly metrics?: { readonly port: number; readonly hostname: string } } {
  const text = settingOf(flags, env, 'metrics-port', 'AKASHI_METRICS_PORT');
  if (text === undefined) return {};
  const hostname = settingOf(flags, env, 'metrics-hostname', 'AKASHI_METRICS_HOSTNAME') ?? 'localhost';
  return { metrics: { port: checkedPort(text, 'AKASHI_METRICS_PORT or --metrics-port'), hostname } };
}

/** Seconds for which a stopping verifier still answers, so that a load balancer sees that it is to be left out. */
export function drainSetting(flags: Flags, env: Environment): number {
  const text = settingOf(flags, env, 'drain', 'AKASHI_DRAIN_SECONDS') ?? '0';
  if (!/^[0-9]{1,3}$/.test(text)) {
    throw new ConfigurationError('AKASHI_DRAIN_SECONDS or --drain are seconds, 0 to 999');
  }
  return Number(text);
}

/** An origin in its one form: `https`, or `http` on this machine only. */
export function checkedOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && url.hostname === 'localhost');
  if (url?.origin !== text || !secure) {
    throw new ConfigurationError(
      'AKASHI_ORIGIN or --origin must be https://HOST[:PORT], without a path; http only for localhost',
    );
  }
  return text;
}

/** Origins inside of the verifier's own network where tenants may publish, with blanks between. */
export function privateOriginsSetting(flags: Flags, env: Environment): readonly string[] {
  const text = settingOf(flags, env, 'private-origins', 'AKASHI_PRIVATE_ORIGINS') ?? '';
  const origins = text.split(/\s+/).filter((origin) => origin !== '');
  for (const origin of origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin || !origin.startsWith('https:'))
      throw new ConfigurationError(
        'AKASHI_PRIVATE_ORIGINS or --private-origins are https://HOST[:PORT], without a path',
      );
  }
  return origins;
}

/** A SQLite file or a PostgreSQL server, one of them. */
export function databaseSetting(flags: Flags, env: Environment): StoreLocation {
  const file = settingOf(flags, env, 'database', 'AKASHI_DATABASE');
  const url = settingOf(flags, env, 'database-url', 'AKASHI_DATABASE_URL');
  if (file !== undefined && url !== undefined)
    throw new ConfigurationError('set AKASHI_DATABASE or AKASHI_DATABASE_URL, not both');
  if (url !== undefined) return { databaseUrl: checkedDatabaseUrl(url) };
  if (file !== undefined) return { file };
  if (flags.development === true) return { file: join(DEVELOPMENT_FOLDER, 'akashi.db') };
  throw new ConfigurationError(
    'set AKASHI_DATABASE, AKASHI_DATABASE_URL or --database (or use --development)',
  );
}

const LOCAL_HOSTS = ['', 'localhost', '127.0.0.1', '::1', '[::1]'];

/**
 * What goes to another machine is encrypted and the machine proves who it is, unless the URL says otherwise in so many
 * words. Never shown: it may hold a password.
 */
export function checkedDatabaseUrl(text: string): string {
  const wrong =
    'AKASHI_DATABASE_URL or --database-url must be postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=...]';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^postgres(?:ql)?:$/.test(url.protocol)) throw new ConfigurationError(wrong);
  const mode = url.searchParams.get('sslmode');
  if (mode !== null && mode !== 'verify-full' && mode !== 'disable')
    throw new ConfigurationError(
      'sslmode of AKASHI_DATABASE_URL or --database-url is verify-full or disable',
    );
  // The driver prefers this parameter. A path is a socket of this machine.
  const host = url.searchParams.get('host') ?? url.hostname;
  if (mode === null && !LOCAL_HOSTS.includes(host) && !host.startsWith('/'))
    throw new ConfigurationError(
      'AKASHI_DATABASE_URL or --database-url names another machine: add ?sslmode=verify-full',
    );
  return text;
}

/** The keys, from a file or from the environment itself, certified for this origin. */
export async function keysSetting(flags: Flags, env: Environment, origin: string): Promise<Keys> {
  const file = settingOf(flags, env, 'keys', 'AKASHI_KEYS_FILE');
  const inline = settingOf({}, env, 'keys', 'AKASHI_KEYS');
  if (file === undefined && inline === undefined) {
    throw new ConfigurationError('set AKASHI_KEYS_FILE, --keys or AKASHI_KEYS; "akashi keys" makes them');
  }
  const source = file === undefined ? 'AKASHI_KEYS' : 'AKASHI_KEYS_FILE';
  const text = file === undefined ? (inline ?? '') : await readSecretFile(file);
  return openKeysFrom(source, text, origin);
}

/** @throws ConfigurationError that names `source`, never what it holds */
export async function openKeysFrom(source: string, text: string, origin: string): Promise<Keys> {
  const document = explained(`${source} is no document of keys`, () => parseKeysDocument(text));
  const keys = await openKeys(document).catch((cause: unknown) => {
    throw new ConfigurationError(`${source}: its signing keys are not certified; see "akashi keys certify"`, {
      cause,
    });
  });
  if (keys.issuer !== origin) {
    throw new ConfigurationError(`${source}: its key statement is for ${keys.issuer}, not for ${origin}`);
  }
  return keys;
}

function explained<T>(message: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new ConfigurationError(message, { cause });
  }
}
