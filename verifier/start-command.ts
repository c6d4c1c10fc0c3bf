import { join } from 'node:path';
import { pino } from 'pino';
import { checkpointSink } from './checkpoint-sink.ts';
import {
  checkedOrigin,
  DEVELOPMENT_FOLDER,
  databaseSetting,
  type Environment,
  type Flags,
  keysSetting,
  metricsSetting,
  openKeysFrom,
  portSetting,
  privateOriginsSetting,
  requiredSetting,
  settingOf,
} from './configuration.ts';
import { createSecretFile, fileExists, readSecretFile, replaceSecretFile } from './key-file.ts';
import {
  certificationOf,
  certifyKeys,
  createDevelopmentKeys,
  installStatement,
  type Keys,
  parseKeysDocument,
  parseRootDocument,
  rootThumbprint,
} from './keys.ts';
import { type Service, startVerifier, systemClock } from './service.ts';
import type { Random } from './token.ts';
import type { LogEntry } from './verifier.ts';

/** Where a command writes, and what it is given. */
export interface CommandContext {
  readonly env: Environment;
  readonly random: Random;
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  /** Resolves when a command that stays is to end. */
  readonly untilStopped: () => Promise<unknown>;
}

const DEVELOPMENT_NOTICE = `
  DEVELOPMENT MODE. Keys and database are in ./${DEVELOPMENT_FOLDER}, the root key beside them instead of offline.
  Nothing that is enrolled here is protected. Never use these keys for customers.
`;

/** `akashi start`: listens until it is told to stop. */
export async function startCommand(flags: Flags, context: CommandContext): Promise<Service> {
  const { env, random, err } = context;
  const development = flags.development === true;
  const port = portSetting(flags, env);
  const origin = checkedOrigin(
    development
      ? (settingOf(flags, env, 'origin', 'AKASHI_ORIGIN') ?? `http://localhost:${port}`)
      : requiredSetting(flags, env, 'origin', 'AKASHI_ORIGIN'),
  );
  const location = databaseSetting(flags, env);
  const keys = development ? await developmentKeys(origin, random) : await keysSetting(flags, env, origin);
  if (development) err(DEVELOPMENT_NOTICE);
  const hostname = settingOf(flags, env, 'hostname', 'AKASHI_HOSTNAME') ?? 'localhost';
  const privateOrigins = privateOriginsSetting(flags, env);
  const setting = settingOf(flags, env, 'checkpoints', 'AKASHI_CHECKPOINTS');
  const checkpoints = setting === undefined ? undefined : await checkpointSink(setting);
  const log = logTo(context.out);
  // No ids: who was reported stands in the audit, which is read by those who may.
  const alert = async () => log({ level: 'warn', event: 'alert.reported' });
  const listen = { origin, port, hostname, privateOrigins, checkpoints, ...metricsSetting(flags, env) };
  const service = await startVerifier({ ...location, keys, ...listen, log, alert, random });
  log({ level: 'info', event: 'started' });
  return service;
}

/** JSON lines. The fields are named one by one: what is not named is not written. */
export function logTo(out: (line: string) => void): (entry: LogEntry) => void {
  const logger = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
    { write: (line) => out(line.trimEnd()) },
  );
  return ({ level, event, method, route, status, ms, fault }) => {
    logger[level]({ event, method, route, status, ms, fault });
  };
}

/** The keys of development mode: made on the first start, certified again when the origin is another one. */
async function developmentKeys(origin: string, random: Random): Promise<Keys> {
  const keysFile = join(DEVELOPMENT_FOLDER, 'keys.json');
  const rootFile = join(DEVELOPMENT_FOLDER, 'root.json');
  const now = systemClock();
  if (!(await fileExists(keysFile))) {
    const made = await createDevelopmentKeys(origin, now, random);
    await createSecretFile(rootFile, JSON.stringify(made.root));
    await createSecretFile(keysFile, JSON.stringify(made.keys));
  }
  const document = parseKeysDocument(await readSecretFile(keysFile));
  const root = parseRootDocument(await readSecretFile(rootFile));
  const statement = await certifyKeys(root, await certificationOf(document), origin, now);
  const certified = JSON.stringify(await installStatement(document, await rootThumbprint(root), statement));
  await replaceSecretFile(keysFile, certified);
  return openKeysFrom(keysFile, certified, origin);
}
