import { connect, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { quantile } from '../../bench/quantile.ts';
import type { Usage } from '../verifier-process.ts';
import type { CrowdedVerifier, Wait } from './verifier.ts';

// Desks that wait, all at once on one verifier, over plain sockets so that a thousand of them cost this process little; what
// each costs the verifier, and how soon a verdict is at its desk while the others wait.

export const WAYS = ['events', 'poll'] as const;
export type Way = (typeof WAYS)[number];

export interface DesksResult {
  readonly way: Way;
  readonly desks: number;
  /** Bytes that each takes more than none, after garbage collection. */
  readonly heapEach: number;
  readonly rssEach: number;
  /** Milliseconds from the call that decides until the desk has read the verdict, all others waiting. */
  readonly verdicts: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** One socket, and what came over it since it was last asked. */
interface Desk {
  readonly socket: Socket;
  read(): string;
  /** Resolves when what came holds this. */
  until(text: string): Promise<void>;
}

const WAIT_SECONDS = 30;
const OPENING_AT_ONCE = 50;
const SETTLE_MS = 300;
const WARM_UP = 100;

export interface DesksOptions {
  readonly desks: number;
  readonly verdicts: number;
  readonly perSecond: number;
}

/** Takes the first `desks` waits of the verifier, and decides `verdicts` of them. */
export async function measureDesks(
  verifier: CrowdedVerifier,
  way: Way,
  { desks, verdicts, perSecond }: DesksOptions,
): Promise<DesksResult> {
  const waits = verifier.waits.filter((wait) => !decided.has(wait)).slice(0, desks);
  if (waits.length < desks) throw new TypeError('fewer verifications than desks');
  // Some before, so that what the process keeps anyway is there: code, caches, pools.
  for (const desk of await openDesks(verifier, way, waits.slice(0, WARM_UP))) desk.socket.destroy();
  const without = await settled(verifier);
  const open = await openDesks(verifier, way, waits);
  const withThem = await settled(verifier);
  const times: number[] = [];
  for (let i = 0; i < verdicts; i++) {
    const chosen = Math.floor(((i + 0.5) * desks) / verdicts);
    const [desk, wait] = [open[chosen], waits[chosen]];
    if (desk === undefined || wait === undefined) throw new TypeError('no such desk');
    const began = performance.now();
    const told = desk.until('"verdict":"cancelled"').then(() => times.push(performance.now() - began));
    await decide(verifier, wait);
    await told;
    desk.socket.destroy();
    await setTimeout(Math.max(0, (1000 / perSecond) * (0.5 + Math.random()) - (performance.now() - began)));
  }
  for (const { socket } of open) socket.destroy();
  const each = (of: keyof Usage) => Math.round((withThem[of] - without[of]) / desks);
  const at = (share: number) => Math.round(quantile(times, share) * 10) / 10;
  return {
    ...{ way, desks, heapEach: each('heap'), rssEach: each('rss'), verdicts: times.length },
    ...{ p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) },
  };
}

const decided = new WeakSet<Wait>();

async function decide({ origin, apiKey }: CrowdedVerifier, wait: Wait): Promise<void> {
  decided.add(wait);
  const headers = { authorization: `Bearer ${apiKey}` };
  const answer = await fetch(`${origin}/v1/verifications/${wait.verification}`, {
    method: 'DELETE',
    headers,
  });
  if (!answer.ok) throw new Error(`${answer.status}`);
  await answer.arrayBuffer();
}

async function settled(verifier: CrowdedVerifier): Promise<Usage> {
  await setTimeout(SETTLE_MS);
  await verifier.usage();
  return verifier.usage();
}

async function openDesks(verifier: CrowdedVerifier, way: Way, waits: readonly Wait[]): Promise<Desk[]> {
  const open: Desk[] = [];
  for (let i = 0; i < waits.length; i += OPENING_AT_ONCE) {
    const some = waits.slice(i, i + OPENING_AT_ONCE);
    open.push(...(await Promise.all(some.map((wait) => openDesk(verifier, way, wait)))));
  }
  return open;
}

/** A desk that waits: it has read the state of now. */
async function openDesk({ port }: CrowdedVerifier, way: Way, { verification, session }: Wait): Promise<Desk> {
  const desk = await plug(port);
  const ask = (query: string, header: string) =>
    void desk.socket.write(
      `GET /v1/verifications/${verification}${query} HTTP/1.1\r\nHost: localhost:${port}\r\n` +
        `Authorization: Bearer ${session}\r\n${header}\r\n\r\n`,
    );
  if (way === 'events') {
    ask('', 'Accept: text/event-stream');
    await desk.until('"state":"pending"');
  } else {
    ask('', 'Accept: application/json');
    await desk.until('"state":"pending"');
    const etag = /^etag: (.*)\r$/im.exec(desk.read())?.[1];
    ask(`?wait=${WAIT_SECONDS}`, `If-None-Match: ${etag}`);
  }
  desk.read();
  return desk;
}

export async function plug(port: number): Promise<Desk> {
  const socket = connect({ port, host: 'localhost', noDelay: true });
  let [came, wanted, tell] = ['', '', () => {}];
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.setEncoding('latin1');
  socket.on('error', () => {});
  socket.on('data', (text) => {
    came += text;
    if (wanted !== '' && came.includes(wanted)) tell();
  });
  return {
    socket,
    read() {
      const all = came;
      came = '';
      return all;
    },
    until: (text) =>
      new Promise((resolve) => {
        [wanted, tell] = [text, resolve];
        if (came.includes(text)) resolve();
      }),
  };
}
