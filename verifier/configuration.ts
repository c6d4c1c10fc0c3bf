import { readSecretFile } from './key-file.ts';
import { type Keys, openKeys, parseKeysDocument } from './keys.ts';

// The environment, read and checked in one place, before anything starts. A flag goes before its variable.

/** Something to be put right by who runs the command; the message names the flag or variable. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Values of command-line flags, by name. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

const DEFAULT_PORT = 4300;

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

/** @throws ConfigurationError when neither is given */
export function requiredSetting(flags: Flags, env: Environment, flag: string, variable: string): string {
  const value = settingOf(flags, env, flag, variable);
  if (value === undefined) throw new ConfigurationError(`set ${variable} or --${flag}`);
  return value;
}

export function portSetting(flags: Flags, env: Environment): number {
  const text = settingOf(flags, env, 'port', 'AKASHI_PORT') ?? String(DEFAULT_PORT);
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 1 && port <= 65_535))
    throw new ConfigurationError('AKASHI_PORT or --port must be 1 to 65535');
  return port;
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
