import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { quantile } from '../../bench/quantile.ts';
import type { CrowdedVerifier, Wait } from './verifier.ts';

// Clients that send a byte a second, or never read: what they hold, when they are cut off, and whether others notice.

export interface SlowResult {
  readonly connections: number;
  /** Of those, the ones that are to be cut off, those that were, and after how many seconds the last one. */
  readonly slow: number;
  readonly cutOff: number;
  readonly longestSeconds: number;
  /** Bytes that each connection took, while all were there. */
  readonly rssEach: number;
  /** Calls of others meanwhile, at most so long, and how many were not answered well. */
  readonly calls: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

/** Of each kind so many connections. */
export interface SlowOptions {
  readonly slowHeaders: number;
  readonly slowBodies: number;
  /** Ask for more than the kernel keeps for them, and read none of it. */
  readonly stuck: number;
  /** Have a stream of events, and never read. */
  readonly neverReading: number;
  /** For which every slow sender must be gone. */
  readonly seconds: number;
}

const BYTE_MS = 1000;
const CALL_MS = 50;
const AT_ONCE = 100;
const POST = 'POST /v1/sessions HTTP/1.1\r\nHost: a\r\n';
const BODY = 'Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n';
const STUCK_CALLS = 8000;

export async function measureSlow(verifier: CrowdedVerifier, options: SlowOptions): Promise<SlowResult> {
  const { slowHeaders, slowBodies, stuck, neverReading, seconds } = options;
  const before = await verifier.usage();
  const lives: number[] = [];
  const open = async (first: string, reads: boolean) => {
    const socket = connect({ port: verifier.port, host: 'localhost' });
    // What reads learns at once that it was cut off; what does not, by the next byte that it writes.
    if (reads) socket.resume();
    else socket.pause();
    socket.on('error', () => {}).write(first);
    await once(socket, 'connect');
    const began = performance.now();
    socket.once('close', () => lives.push((performance.now() - began) / 1000));
    return socket;
  };
  const slow = [
    ...(await many(slowHeaders, () => open(`${POST}X-Slow: `, true))),
    ...(await many(slowBodies, () => open(`${POST}${BODY}`, true))),
    ...(await many(stuck, () => open('GET /v1/jwks HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(STUCK_CALLS), false))),
  ];
  const waits = verifier.waits.slice(0, neverReading);
  const readers = await many(neverReading, (i) => open(streamOf(waits[i]), false));
  // A byte that is written to a connection that was cut is how one that does not read learns of it.
  const bytes = setInterval(() => {
    for (const socket of slow) if (socket.writable) socket.write('a');
  }, BYTE_MS);
  const calls = callAlong(verifier);
  await setTimeout(BYTE_MS);
  const during = await verifier.usage();
  await setTimeout(seconds * 1000);
  clearInterval(bytes);
  const { times, failed } = await calls.end();
  // Now they are ended from here.
  const cut = [...lives];
  for (const socket of [...slow, ...readers]) socket.destroy();
  const connections = slow.length + readers.length;
  const at = (share: number) => Math.round(quantile(times, share) * 10) / 10;
  return {
    ...{ connections, slow: slow.length, cutOff: cut.length },
    longestSeconds: Math.round(Math.max(0, ...cut) * 10) / 10,
    rssEach: Math.round((during.rss - before.rss) / connections),
    ...{ calls: times.length, p50Ms: at(0.5), p99Ms: at(0.99), failed },
  };
}

async function many(count: number, make: (number: number) => Promise<Socket>): Promise<Socket[]> {
  const made: Socket[] = [];
  while (made.length < count) {
    const some = Math.min(AT_ONCE, count - made.length);
    made.push(...(await Promise.all(Array.from({ length: some }, (_, i) => make(made.length + i)))));
  }
  return made;
}

function streamOf(wait: Wait | undefined): string {
  if (wait === undefined) throw new TypeError('fewer verifications than readers');
  const { verification, session } = wait;
  const headers = `Host: a\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${session}`;
  return `GET /v1/verifications/${verification} HTTP/1.1\r\n${headers}\r\n\r\n`;
}

/** Calls health and a verification, one after the other, until told to end. */
function callAlong({ origin, waits }: CrowdedVerifier) {
  const [wait] = waits;
  if (wait === undefined) throw new TypeError('nothing to read');
  const headers = { authorization: `Bearer ${wait.session}` };
  const addresses = [`${origin}/v1/health`, `${origin}/v1/verifications/${wait.verification}`];
  const times: number[] = [];
  let [failed, running] = [0, true];
  const done = (async () => {
    while (running) {
      for (const address of addresses) {
        const began = performance.now();
        const answer = await fetch(address, { headers });
        await answer.arrayBuffer();
        times.push(performance.now() - began);
        if (!answer.ok) failed += 1;
      }
      await setTimeout(CALL_MS);
    }
  })();
  return {
    async end() {
      running = false;
      await done;
      return { times, failed };
    },
  };
}
