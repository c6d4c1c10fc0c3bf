import { chmod, constants, copyFile, open, stat } from 'node:fs/promises';
import Client from 'better-sqlite3';
import { withStore } from './admin-commands.ts';
import { ConfigurationError, databaseSetting, type Flags, requiredFlag } from './configuration.ts';
import { readSecretFile, replaceSecretFile } from './key-file.ts';
import { epochOf, keyEncryptionOf, keysOfEpoch, parseKeysDocument } from './keys.ts';
import { countSealed } from './reseal.ts';
import { systemClock } from './service.ts';
import type { CommandContext } from './start-command.ts';

// `akashi backup` and `akashi restore` (docs/runbook.md, section 4). A database that was put back does not know what was
// used, counted and decided since: a used challenge or a spent try would be good again. So a copy cannot be started on,
// and what makes it a database again takes from everything open, and from every device, what it cannot be sure of.

/** `akashi backup --to FILE`: of a SQLite database, also while a verifier runs on it. */
export async function backupCommand(flags: Flags, { env, out }: CommandContext): Promise<void> {
  const to = requiredFlag(flags, 'to');
  const location = databaseSetting(flags, env);
  if (!('file' in location)) {
    throw new ConfigurationError(
      'PostgreSQL has its own ways to be backed up: see docs/runbook.md, section 4',
    );
  }
  if (await exists(to)) throw new ConfigurationError(`${to} exists already`);
  const source = new Client(location.file, { fileMustExist: true });
  // Made before the copy is, which would be readable by others.
  await (await open(to, 'wx', 0o600)).close();
  try {
    await source.backup(to);
  } finally {
    source.close();
  }
  const copy = new Client(to);
  try {
    copy.exec('PRAGMA journal_mode = DELETE; UPDATE epochs SET copy = 1');
    if (copy.pragma('integrity_check', { simple: true }) !== 'ok') throw new Error('the copy is not whole');
    const { epoch } = copy.prepare<[], { epoch: number }>('SELECT epoch FROM epochs').get() ?? { epoch: 0 };
    out(`${to} is a copy of epoch ${epoch}`);
  } finally {
    copy.close();
  }
}

/**
 * `akashi restore --keys FILE [--from COPY]`: the database, or the copy in a new file, is in force from now on, in an epoch
 * later than it and the keys have seen.
 */
export async function restoreCommand(flags: Flags, context: CommandContext): Promise<void> {
  const keysFile = requiredFlag(flags, 'keys');
  const keys = parseKeysDocument(await readSecretFile(keysFile));
  const { from } = flags;
  if (typeof from === 'string') {
    const location = databaseSetting(flags, context.env);
    if (!('file' in location)) throw new ConfigurationError('--from is for SQLite');
    if (await exists(location.file))
      throw new ConfigurationError(`${location.file} exists: move it away first`);
    await copyFile(from, location.file, constants.COPYFILE_EXCL);
    await chmod(location.file, 0o600);
  }
  await withStore(flags, context, async (store) => {
    const known = keyEncryptionOf(keys).keys;
    for (const id of (await countSealed(store)).keys()) {
      if (!known.has(id))
        throw new Error(
          'values are sealed under a key that is not in --keys: take it from the document of that time',
        );
    }
    const epoch = Math.max((await store.epoch()).epoch, epochOf(keys)) + 1;
    // The database first: if the keys are not written, it does not start, and this is run again.
    await store.beginEpoch(epoch, systemClock());
    await replaceSecretFile(keysFile, JSON.stringify(keysOfEpoch(keys, epoch, context.random)));
    context.out(`in force as epoch ${epoch}`);
  });
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
