import type { Server } from 'node:http';
import { setImmediate } from 'node:timers/promises';

/** Calls that go on before connections are looked for again: what they do next takes the thread for some milliseconds. */
const RELEASED = 16;
/** Who was let in waits for no more connections than these: 16 come for each call that is worked on. */
const TURNS_MAX = 256;

/**
 * Node takes one new connection a turn of its event loop, and a turn is as long as the work in it. Under more calls than can
 * be done, each on its own connection, most would so wait in the kernel, for seconds, and nobody would tell them that
 * the verifier is busy. So work that was let in waits until nobody stands at the door.
 * @returns resolves when a call may go on
 */
export function arrivalsAt(server: Server): () => Promise<void> {
  const line: (() => void)[] = [];
  let came = false;
  server.on('connection', () => {
    came = true;
  });
  const release = async () => {
    // To the end of this turn; from there on each one looks at the door.
    await setImmediate();
    while (line.length > 0) {
      let turns = 0;
      do {
        came = false;
        await setImmediate();
        turns += 1;
      } while (came && turns < TURNS_MAX);
      for (const go of line.splice(0, RELEASED)) go();
    }
  };
  return async () => {
    if (!came && line.length === 0) return;
    await new Promise<void>((resolve) => {
      if (line.push(resolve) === 1) void release();
    });
  };
}
