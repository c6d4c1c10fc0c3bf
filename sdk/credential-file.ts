import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AkashiError, base64url32, parse, reference, time } from '@akashi/circuits';
import * as v from 'valibot';
import { type CredentialStore, memoryCredentials } from './credential-store.ts';
import { queue } from './queue.ts';

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const line = v.union([
  v.strictObject({
    add: v.strictObject({
      list: whole,
      index: whole,
      subject: reference,
      jkt: base64url32,
      schema: v.string(),
      issuedAt: time,
      expiresAt: time,
    }),
  }),
  v.strictObject({
    revoke: v.strictObject({
      subject: reference,
      jkt: v.optional(base64url32),
      schema: v.optional(v.string()),
    }),
  }),
]);
type Line = v.InferOutput<typeof line>;

/**
 * A store in one file, readable by its owner only (0600), which grows by one line for each change, on disk before the verb
 * resolves. For issuers without a database, on one machine, one process at a time.
 * @throws AkashiError `storage_unavailable` when the file cannot be read or is damaged
 */
export async function fileCredentials(path: string): Promise<CredentialStore> {
  const memory = memoryCredentials();
  const exclusive = queue();
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, 'a+', 0o600);
    try {
      await replay(memory, file, await readFile(path, 'utf8'));
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new AkashiError('storage_unavailable', { cause });
  }

  // After a failed write nobody knows what is on disk: nothing more happens until the file was opened anew.
  let broken = false;
  const change = <R>(work: () => Promise<R>, lineOf: (result: R) => Line | null) =>
    exclusive(async () => {
      if (broken) throw new AkashiError('storage_unavailable');
      const result = await work();
      const entry = lineOf(result);
      try {
        if (entry !== null) await append(path, entry);
      } catch (cause) {
        broken = true;
        throw new AkashiError('storage_unavailable', { cause });
      }
      return result;
    });

  return {
    newestList: () => memory.newestList(),
    add: (credential) =>
      change(
        () => memory.add(credential),
        (count) => (count === null ? null : { add: { ...credential } }),
      ),
    revoke: (filter) =>
      change(
        () => memory.revoke(filter),
        (count) => (count === 0 ? null : { revoke: { ...filter } }),
      ),
    revoked: (list, now) => memory.revoked(list, now),
  };
}

type File = Awaited<ReturnType<typeof open>>;

async function replay(memory: CredentialStore, file: File, text: string): Promise<void> {
  const lines = text.split('\n');
  // A crash can leave a part of the last line: its verb never resolved.
  const rest = lines.pop() ?? '';
  for (const each of lines) {
    const entry = parse(line, JSON.parse(each));
    if ('revoke' in entry) await memory.revoke(entry.revoke);
    else if ((await memory.add(entry.add)) === null) throw new AkashiError('malformed');
  }
  if (rest !== '') await file.truncate(Buffer.byteLength(text) - Buffer.byteLength(rest));
}

async function append(path: string, entry: Line): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(entry)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
