import { statfsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Where databases of tests lie.

const MEMORY = '/dev/shm';
const MEMORY_ROOM = 2 ** 31;

/** In memory where there is room: databases sync each commit, and what the tests hold them to is no power cut. */
export function temporary(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= MEMORY_ROOM ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** A folder of its own for one test, and what removes it. */
export async function temporaryFolder(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(temporary(), 'akashi-test-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
