import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { temporary } from './folder-fixtures.ts';
import { freePort } from './port-fixtures.ts';

// PostgreSQL servers from this machine's binaries, each with a folder and a port of its own: one for a whole run of the
// tests, gone with the run, unless `DATABASE_URL` (a superuser's) names another; and some to be ill-treated or measured.

/** Where tests find the server (postgres-fixtures.ts). */
export const SERVER_URL = 'AKASHI_TEST_POSTGRES';

/**
 * Starts the server anew for each line, which is the signal that ends it. Whoever closes the pipe, by ending in whatever
 * way, ends the server, and its folder goes with it.
 */
const LEASH = `trap : INT; folder=$1; shift; "$@" & server=$!
while read -r signal; do kill "-$signal" $server; wait $server; "$@" & server=$!; done
kill -INT $server; wait $server; rm -rf "$folder"`;

export const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  log_min_messages: 'panic',
};

interface User {
  readonly uid: number;
  readonly gid: number;
}

export interface PostgresServer {
  /** Of its superuser. Whoever connects waits until it is ready (postgres-fixtures.ts). */
  readonly url: string;
  /** Its files. */
  readonly data: string;
  /** Ends all its processes at once, as `pg_ctl stop -m immediate` does, and starts it again. */
  restart(): void;
  stop(): Promise<void>;
}

/** Starts the server of a run and sets where it is. Does nothing where there are no binaries: the tests that need one say so. */
export async function startPostgres(): Promise<() => Promise<void>> {
  const given = process.env.DATABASE_URL;
  if (given !== undefined && given !== '') process.env[SERVER_URL] = given;
  if (process.env[SERVER_URL] !== undefined || binaryFolder() === undefined) return async () => {};
  const server = await startPostgresServer();
  process.env[SERVER_URL] = server.url;
  return server.stop;
}

/**
 * @param options.folder where to put its files; by default in memory where there is room, since the server syncs each
 * commit, and what the tests hold it to is no power cut
 * @throws Error where there are no binaries
 */
export async function startPostgresServer({ folder: above = temporary() } = {}): Promise<PostgresServer> {
  const binaries = binaryFolder();
  if (binaries === undefined) throw new Error('the binaries of PostgreSQL are needed (Debian: postgresql)');
  const user = unprivileged();
  const folder = mkdtempSync(join(above, 'akashi-postgres-'));
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  execFileSync(join(binaries, 'initdb'), initdb, {
    ...user,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const port = await freePort('127.0.0.1');
  const settings = Object.entries({ ...SETTINGS, port }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const args = ['-c', LEASH, 'sh', folder, join(binaries, 'postgres'), '-D', data, ...settings];
  const server = spawn('sh', args, { ...user, cwd: folder, stdio: ['pipe', 'ignore', 'inherit'] });
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    data,
    restart: () => void server.stdin?.write('QUIT\n'),
    stop: () => stop(server, folder),
  };
}

async function stop(server: ChildProcess, folder: string): Promise<void> {
  const end = new Promise((resolve) => server.once('exit', resolve));
  server.stdin?.end();
  if (server.exitCode === null) await end;
  rmSync(folder, { recursive: true, force: true });
}

/** Of the newest version in PATH or where Debian puts them. */
export function binaryFolder(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...versions.map((version) => join(debian, version, 'bin')),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** The server refuses to run as root. */
export function unprivileged(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) =>
        Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // No such user: the next one.
    }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor nobody');
}
