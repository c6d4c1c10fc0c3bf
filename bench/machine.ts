import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { promisify } from 'node:util';
import type { Results } from './results.ts';

// What a figure needs beside it to mean something: where, with what, and of which sources.

const run = promisify(execFile);

/** Packages whose version moves a figure. */
const PACKAGES = [
  'snarkjs',
  '@zk-kit/groth16',
  'better-sqlite3',
  'drizzle-orm',
  'hono',
  'jose',
  '@noble/curves',
  'esbuild',
];

/** @param chromium what the browser calls its version */
export async function describeMachine(chromium: string): Promise<Results['machine']> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: await operatingSystem(),
    node: process.versions.node,
    chromium,
  };
}

/** @param root folder of the repository */
export async function packageVersions(root: URL): Promise<Results['packages']> {
  const versions: Record<string, string> = {};
  for (const name of PACKAGES) {
    const manifest = await readFile(new URL(`node_modules/${name}/package.json`, root), 'utf8');
    const { version }: { version: string } = JSON.parse(manifest);
    versions[name] = version;
  }
  return versions;
}

/** The commit that is checked out, and whether the files differ from it. `commit` is `null` where there is none. */
export async function describeSources(root: URL): Promise<Pick<Results, 'commit' | 'dirty'>> {
  try {
    const { stdout: commit } = await run('git', ['rev-parse', 'HEAD'], { cwd: root });
    const { stdout: changes } = await run('git', ['status', '--porcelain'], { cwd: root });
    return { commit: commit.trim(), dirty: changes !== '' };
  } catch {
    return { commit: null, dirty: true };
  }
}

async function operatingSystem(): Promise<string> {
  const kernel = `${type()} ${release()} ${arch()}`;
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(text)?.[1];
  return name === undefined ? kernel : `${name}, ${kernel}`;
}
