import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Disks that fail: for one process and its children by the kernel's limits and by strace, for all by their size.

/** Makes the fault, and resolves when it is there; what it gives takes it away again. */
export type Fault = () => Promise<() => Promise<void>>;

export const HOW_TO_TRACE =
  'Linux, strace (Debian: apt-get install strace) and the right to trace and to mount are needed: run as root';

/**
 * No file of the process grows beyond the size that this one has now (RLIMIT_FSIZE): nothing but prlimit is needed. The
 * process's own log must be shorter, and the database's may not begin anew: it has room then.
 */
export function growthFault(pid: number, file: string): Fault {
  const limit = (size: number | 'unlimited') =>
    void execFileSync('prlimit', ['--pid', String(pid), `--fsize=${size}:`]);
  return async () => {
    limit(statSync(file).size);
    // A process that was killed took its limit with it.
    return async () => {
      if (existsSync(`/proc/${pid}`)) limit('unlimited');
    };
  };
}

/** These system calls fail with this error. */
export function callFault(pids: () => readonly number[], calls: string, error: 'EIO' | 'ENOSPC'): Fault {
  return async () => {
    const traced = pids();
    const injection = ['-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}`];
    const args = ['-f', '-o', '/dev/null', ...injection, ...traced.flatMap((pid) => ['-p', String(pid)])];
    // Ends with this process: what it holds would stand still for ever.
    const strace = spawn('setpriv', ['--pdeathsig', 'TERM', 'strace', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    strace.stderr.setEncoding('utf8');
    const ended = once(strace, 'exit').catch(() => undefined);
    await new Promise<void>((resolve, reject) => {
      let said = '';
      strace.stderr.on('data', (text: string) => {
        said += text;
        // Those that ended meanwhile are not there to be attached to.
        const seen = said.match(/Process \d+ attached|attach: /g)?.length ?? 0;
        if (seen >= traced.length && said.includes(' attached')) resolve();
      });
      void ended.then(() => reject(new Error(`${HOW_TO_TRACE}. ${said}`)));
    });
    return async () => {
      strace.kill();
      await ended;
    };
  };
}

/** A process and all below it. */
export function familyOf(pid: number): readonly number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(familyOf)];
}

export interface SmallDisk {
  readonly folder: string;
  /** No room is left. */
  readonly full: Fault;
  remove(): void;
}

/** A file system of its own, in memory. @throws Error where that cannot be had */
export function mountSmallDisk(mebibytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'akashi-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=755`, 'akashi', folder]);
  } catch (cause) {
    throw new Error(HOW_TO_TRACE, { cause });
  }
  const ballast = join(folder, 'ballast');
  return {
    folder,
    async full() {
      for (const size of [2 ** 20, 4096]) {
        try {
          for (;;) appendFileSync(ballast, Buffer.alloc(size));
        } catch (cause) {
          if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC')) throw cause;
        }
      }
      return async () => rmSync(ballast);
    },
    remove() {
      execFileSync('umount', [folder]);
      rmdirSync(folder);
    },
  };
}
