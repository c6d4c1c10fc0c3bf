import { open } from 'node:fs/promises';
import type { CheckpointSink } from './checkpoint.ts';
import { ConfigurationError } from './configuration.ts';

// Where checkpoints go: a file that is only added to, or an address.

const ANSWER_MS = 10_000;

/** @throws ConfigurationError when the setting is neither an address nor a file that can be written to */
export async function checkpointSink(setting: string): Promise<CheckpointSink> {
  if (!/^https?:/.test(setting)) return fileSink(setting);
  const url = URL.canParse(setting) ? new URL(setting) : undefined;
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
    throw new ConfigurationError('AKASHI_CHECKPOINTS or --checkpoints is a file or https://HOST/PATH');
  return addressSink(url.href, fetch);
}

/** One JSON line for each, on the disk when it is done. */
export async function fileSink(file: string): Promise<CheckpointSink> {
  // A crash may have left half a line, which the next must not be joined to.
  await append(file, '\n').catch((cause: unknown) => {
    throw new ConfigurationError(`the file of checkpoints cannot be written: ${file}`, { cause });
  });
  return (checkpoints) =>
    append(file, checkpoints.map((checkpoint) => `${JSON.stringify({ checkpoint })}\n`).join(''));
}

/** `POST {"checkpoints": [...]}`, done when the answer is a 2xx. */
export function addressSink(url: string, send: typeof fetch): CheckpointSink {
  return async (checkpoints, signal) => {
    const answer = await send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ checkpoints }),
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error('the address of checkpoints did not take them');
  };
}

async function append(file: string, text: string): Promise<void> {
  const handle = await open(file, 'a', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
