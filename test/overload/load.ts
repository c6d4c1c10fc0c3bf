import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { quantile } from '../../bench/quantile.ts';
import { policyOf } from '../harness.ts';
import type { Customer, LoadedVerifier } from './verifier.ts';

// More starts of verifications than a verifier can do, whatever becomes of those before them (open loop): each is a call of a
// tenant's back end on a connection of its own, which the verifier writes down, signs, and answers; or refuses.

export interface LoadResult {
  /** Starts a second, by so many callers at once that each is let in. */
  readonly capacity: number;
  readonly seconds: number;
  readonly offered: number;
  /** Refused with 503 or 429 and `Retry-After`, and how soon the client had the refusal. */
  readonly shed: number;
  readonly shedP50Ms: number;
  readonly shedP99Ms: number;
  /** Started; how many a second, and how soon. */
  readonly admitted: number;
  readonly goodput: number;
  readonly admittedP99Ms: number;
  /** Answered in another way, or not at all. */
  readonly otherwise: number;
  readonly health: {
    readonly calls: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly failed: number;
  };
  /** Of this client's event loop, which the figures above hold as well, and of the verifier's. */
  readonly clientLateP99Ms: number;
  readonly verifierLateP99Ms: number;
}

export interface LoadOptions {
  readonly times: number;
  readonly capacitySeconds: number;
  readonly seconds: number;
}

const LANES = 64;
const HEALTH_MS = 50;
const LAST_MS = 10_000;

export async function measureOverload(verifier: LoadedVerifier, options: LoadOptions): Promise<LoadResult> {
  const starts = new Starts(verifier);
  const capacity = await measureCapacity(starts, options.capacitySeconds);
  const shed: number[] = [];
  const admitted: number[] = [];
  const running = new Set<Promise<void>>();
  let [offered, otherwise] = [0, 0];
  await verifier.usage();
  const health = watchHealth(verifier);
  const late = watchLateness();
  const began = performance.now();
  const end = began + options.seconds * 1000;
  const begin = async () => {
    const { ms, text } = await starts.next();
    if (text.startsWith('HTTP/1.1 201')) admitted.push(ms);
    else if (SHED.test(text)) shed.push(ms);
    else otherwise += 1;
  };
  for (let now = began; now < end; now = performance.now()) {
    const due = ((now - began) / 1000) * capacity * options.times;
    for (; offered < due; offered++) {
      const call = begin().finally(() => running.delete(call));
      running.add(call);
    }
    await setTimeout(1);
  }
  const { lateP99 } = await verifier.usage();
  const clientLate = late.end();
  const { times, failed } = await health.end();
  await Promise.race([Promise.all(running), setTimeout(LAST_MS, undefined, { ref: false })]);
  otherwise += running.size;
  const at = (of: readonly number[], share: number) => Math.round(quantile(of, share) * 10) / 10;
  return {
    ...{ capacity, seconds: options.seconds, offered },
    ...{ shed: shed.length, shedP50Ms: at(shed, 0.5), shedP99Ms: at(shed, 0.99) },
    ...{ admitted: admitted.length, goodput: Math.round(admitted.length / options.seconds) },
    ...{ admittedP99Ms: at(admitted, 0.99), otherwise },
    health: { calls: times.length, p50Ms: at(times, 0.5), p99Ms: at(times, 0.99), failed },
    ...{ clientLateP99Ms: clientLate, verifierLateP99Ms: Math.round(lateP99) },
  };
}

const SHED = /^HTTP\/1\.1 (?:503|429) .*\r\nretry-after: [1-9].*"code":"(?:busy|rate_limited)"/is;

async function measureCapacity(starts: Starts, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let done = 0;
  const lane = async () => {
    while (performance.now() < end) {
      const { text } = await starts.next();
      if (!text.startsWith('HTTP/1.1 201')) throw new Error(`a start was refused: ${text}`);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return Math.round(done / seconds);
}

/** Customers in turn, so that the limits of their tenants are used alike. */
class Starts {
  readonly #port: number;
  readonly #calls: readonly string[];
  #next = 0;

  constructor({ port, customers }: LoadedVerifier) {
    this.#port = port;
    this.#calls = customers.map(startOf);
  }

  /** The answer, and the milliseconds until its first byte. */
  next(): Promise<{ readonly ms: number; readonly text: string }> {
    const call = this.#calls[this.#next % this.#calls.length] ?? '';
    this.#next += 1;
    const began = performance.now();
    let [text, ms] = ['', 0];
    return new Promise((resolve) => {
      const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
      socket.setEncoding('latin1').write(call);
      socket.on('data', (more) => {
        if (ms === 0) ms = performance.now() - began;
        text += more;
      });
      socket.on('error', () => {});
      socket.once('close', () => resolve({ ms, text }));
    });
  }
}

function startOf({ subject, apiKey }: Customer): string {
  const [policy, purpose, mode] = [policyOf('pin'), 'identify', 'call'];
  const body = JSON.stringify({ subject, policy, purpose, mode, call: { direction: 'inbound' } });
  const headers = [
    'POST /v1/verifications HTTP/1.1',
    ...['Host: localhost', 'Connection: close', `Authorization: Bearer ${apiKey}`],
    ...['Content-Type: application/json', `Content-Length: ${body.length}`],
  ];
  return `${headers.join('\r\n')}\r\n\r\n${body}`;
}

function watchHealth({ origin }: LoadedVerifier) {
  const times: number[] = [];
  let [failed, running] = [0, true];
  const done = (async () => {
    while (running) {
      const began = performance.now();
      const answer = await fetch(`${origin}/v1/health`);
      await answer.arrayBuffer();
      times.push(performance.now() - began);
      if (!answer.ok) failed += 1;
      await setTimeout(HEALTH_MS);
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

function watchLateness() {
  const late = monitorEventLoopDelay({ resolution: 5 });
  late.enable();
  return { end: () => Math.round(late.percentile(99) / 1e6) };
}

/** So many callers at once. */
export async function measureBurst(
  verifier: LoadedVerifier,
  callers: number,
): Promise<Pick<LoadResult, 'admitted' | 'shed' | 'otherwise'>> {
  const starts = new Starts(verifier);
  const answers = await Promise.all(Array.from({ length: callers }, () => starts.next()));
  const admitted = answers.filter(({ text }) => text.startsWith('HTTP/1.1 201')).length;
  const shed = answers.filter(({ text }) => SHED.test(text)).length;
  return { admitted, shed, otherwise: callers - admitted - shed };
}
