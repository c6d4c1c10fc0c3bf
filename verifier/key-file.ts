import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A file of secrets that others may read, or one that is not there. The message names the file, never its content. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

/**
 * The text of a file that holds secrets.
 * @throws KeyFileError when it is missing, no plain file, or open to group or others
 */
export async function readSecretFile(file: string): Promise<string> {
  const handle = await open(file).catch((cause: unknown) => {
    throw new KeyFileError(`${file} cannot be opened`, { cause });
  });
  try {
    // Asked of the open file, so that what is checked is what is read.
    const { mode } = await handle.stat();
    if ((mode & 0o077) !== 0) {
      throw new KeyFileError(`${file} is open to other users of this machine: chmod 600 it`);
    }
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/** Writes a new file with mode 0600, in a folder with mode 0700 if that has to be made. @throws KeyFileError when there is one */
export async function createSecretFile(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, text, { mode: 0o600, flag: 'wx' }).catch((cause: unknown) => {
    throw new KeyFileError(`${file} exists already or cannot be written`, { cause });
  });
}

/** Replaces a file of secrets in one step: a crash leaves the old text or the new one. */
export async function replaceSecretFile(file: string, text: string): Promise<void> {
  const fresh = `${file}.new`;
  await rm(fresh, { force: true });
  const handle = await open(fresh, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
}

export async function fileExists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** A file without secrets. @throws KeyFileError when it cannot be read */
export async function readPublicFile(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new KeyFileError(`${file} cannot be read`, { cause });
  });
}
