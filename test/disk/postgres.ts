import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../verifier/port-fixtures.ts';
import { binaryFolder, SERVER_URL, SETTINGS, unprivileged } from '../../verifier/postgres-server.ts';

// A PostgreSQL server on a disk that can be made to fail, under a supervisor as systemd is one: after a panic whose recovery
// fails too, the server ends, and somebody has to start it.

/** Whoever closes the pipe, by ending in whatever way, ends it and the server. Its notes are on another disk. */
const SUPERVISOR = `
  while [ ! -e "$NOTES/stop" ]; do "$@" & echo $! > "$NOTES/pid"; wait $!; sleep 0.2; done &
  read -r _; touch "$NOTES/stop"; kill -INT "$(cat "$NOTES/pid")"; wait`;
/** Small segments of the log, so that they fill a small disk. */
const SMALL = { wal_keep_size: '0', min_wal_size: '2MB', max_wal_size: '8MB', restart_after_crash: 'on' };

export interface DiskServer {
  /** Of the supervisor. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a server in the folder; the tests' databases are made on it from then on. */
export async function startDiskServer(folder: string): Promise<DiskServer> {
  const [binaries, user] = [binaryFolder(), unprivileged()];
  if (binaries === undefined) throw new Error('PostgreSQL is needed (Debian: postgresql)');
  const notes = mkdtempSync(join(tmpdir(), 'akashi-supervisor-'));
  if (user !== undefined) for (const place of [folder, notes]) chownSync(place, user.uid, user.gid);
  const data = join(folder, 'data');
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  execFileSync(join(binaries, 'initdb'), [...initdb, '--wal-segsize=1'], {
    ...user,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const port = await freePort('127.0.0.1');
  const settings = Object.entries({ ...SETTINGS, ...SMALL, port });
  const given = settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const supervisor = spawn('sh', ['-c', SUPERVISOR, 'sh', join(binaries, 'postgres'), '-D', data, ...given], {
    ...user,
    cwd: folder,
    env: { ...process.env, NOTES: notes },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const before = process.env[SERVER_URL];
  process.env[SERVER_URL] = `postgres://postgres@127.0.0.1:${port}/postgres`;
  return {
    pid: supervisor.pid ?? 0,
    async stop() {
      const ended = once(supervisor, 'exit');
      supervisor.stdin.end();
      await ended;
      for (const place of [data, notes]) rmSync(place, { recursive: true });
      if (before === undefined) delete process.env[SERVER_URL];
      else process.env[SERVER_URL] = before;
    },
  };
}
