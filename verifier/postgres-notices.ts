import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Listener } from './database.ts';
import { connectionOptions } from './postgres-connections.ts';
import { Topics } from './topics.ts';

// Changes are told to the other verifiers by NOTIFY, after their commit and many at a time, by a connection of its own that
// also listens. Not in the transaction of the change: PostgreSQL commits transactions with notices one after the other, disk
// and all (CONTRIBUTING.md, decisions). So a notice can be lost, when a verifier dies right behind a commit or its connection
// is down; for that each listener is told to look again every few seconds, whether anything came or not.

export interface NoticesOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, of the verifier's role, not of the owner. */
  readonly url: string;
  /** Milliseconds between two turns of looking again (default: 1000), the net under the notices. */
  readonly lookAgainMs?: number | undefined;
}

const CHANNEL = 'akashi';
/** Payloads are below 8000 bytes. */
const TOPICS_PER_NOTICE = 300;
/** What waits while the connection is down; what is beyond is found by looking again. */
const WAITING_MAX = 10_000;
const LOOK_AGAIN_MS = 1_000;
/** Each listener looks again once in so many turns; in each turn while nothing can be heard. */
const TURNS = 10;
const BACKOFF_MS = [100, 200, 500, 1_000, 2_000];

/** What travels in place of a topic: notices are seen by every role of the database, subjects are nobody's business. */
function digestOf(topic: string): string {
  return createHash('sha256').update(topic).digest('base64url').slice(0, 22);
}

export class PostgresNotices {
  readonly #url: string;
  readonly #topics = new Topics();
  readonly #waiting = new Set<string>();
  readonly #lookAgain: NodeJS.Timeout;
  #client: pg.Client | undefined;
  #turn = 0;
  #tries = 0;
  #sending = false;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor({ url, lookAgainMs = LOOK_AGAIN_MS }: NoticesOptions) {
    this.#url = url;
    this.#lookAgain = setInterval(() => {
      this.#turn += 1;
      if (this.#client === undefined) this.#topics.tellAll();
      else this.#topics.tellSome(this.#turn % TURNS, TURNS);
      // Of a network that is half open nothing is heard, not even that.
      if (this.#turn % TURNS === 0) void this.#ask('SELECT 1');
    }, lookAgainMs);
    this.#lookAgain.unref();
  }

  /** Begins to listen. @throws Error when it cannot the first time; later it tries by itself */
  async open(): Promise<void> {
    await this.#connect();
  }

  subscribe(topic: string, listener: Listener): () => void {
    return this.#topics.subscribe(digestOf(topic), listener);
  }

  /** After a commit: here at once, elsewhere in a moment. */
  tell(topics: Iterable<string>): void {
    for (const topic of topics) {
      const digest = digestOf(topic);
      this.#topics.tell(digest);
      if (this.#waiting.size < WAITING_MAX) this.#waiting.add(digest);
    }
    if (!this.#sending && this.#waiting.size > 0) void this.#send();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#lookAgain);
    clearTimeout(this.#retry);
    this.#topics.clear();
    await this.#client?.end().catch(() => {});
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({ ...connectionOptions(this.#url), pipeline: true });
    client.on('error', () => this.#lost(client));
    client.on('end', () => this.#lost(client));
    client.on('notification', ({ processId, payload }) => {
      // Its own were told at the commit.
      if (processId === (client as unknown as { processID: number }).processID) return;
      for (const digest of payload?.split(',') ?? []) this.#topics.tell(digest);
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (cause) {
      client.connection.stream.destroy();
      throw cause;
    }
    if (this.#closed) return client.end();
    this.#client = client;
    this.#tries = 0;
    // What was told while nothing was heard.
    this.#topics.tellAll();
    if (this.#waiting.size > 0) void this.#send();
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client || this.#closed) return;
    this.#client = undefined;
    this.#reconnect();
  }

  #reconnect(): void {
    const wait = BACKOFF_MS[Math.min(this.#tries, BACKOFF_MS.length - 1)];
    this.#tries += 1;
    this.#retry = setTimeout(() => {
      this.#connect().catch(() => {
        if (!this.#closed) this.#reconnect();
      });
    }, wait);
    this.#retry.unref();
  }

  /** One notice at a time: what comes meanwhile goes with the next. */
  async #send(): Promise<void> {
    this.#sending = true;
    try {
      while (this.#waiting.size > 0 && this.#client !== undefined) {
        const batch = [...this.#waiting].slice(0, TOPICS_PER_NOTICE);
        for (const digest of batch) this.#waiting.delete(digest);
        await this.#ask('SELECT pg_notify($1, $2)', [CHANNEL, batch.join(',')]);
      }
    } finally {
      this.#sending = false;
    }
  }

  /** Whoever gets no answer is on a connection that is no good; a batch that went with it is found by looking again. */
  async #ask(text: string, values: readonly string[] = []): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    try {
      await client.query(text, [...values]);
    } catch {
      client.connection.stream.destroy();
      this.#lost(client);
    }
  }
}
