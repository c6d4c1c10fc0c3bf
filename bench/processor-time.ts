import { readdirSync, readFileSync } from 'node:fs';

// Processor time as Linux counts it: of processes that cannot be asked, and of single threads. Milliseconds.

/** The kernel tells in hundredths of a second, whatever it counts in. */
const TICK_MS = 10;

/** Threads of a process by id; the first one has the id of the process. */
export function threadTimes(pid: number): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const found = statOf(`/proc/${pid}/task/${thread}/stat`);
    if (found !== undefined) times.set(Number(thread), found.own);
  }
  return times;
}

/** A process with its children, those that are gone included. */
export function familyTime(pid: number): number {
  let sum = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    const found = statOf(`/proc/${name}/stat`);
    if (found === undefined) continue;
    if (Number(name) === pid) sum += found.own + found.ofGone;
    else if (found.parent === pid) sum += found.own;
  }
  return sum;
}

/** proc(5); what is gone meanwhile has none. The name, in parentheses, may hold anything. */
function statOf(file: string) {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [, parent = 0, , , , , , , , , , user = 0, system = 0, goneUser = 0, goneSystem = 0] = fields;
  return { parent, own: (user + system) * TICK_MS, ofGone: (goneUser + goneSystem) * TICK_MS };
}
