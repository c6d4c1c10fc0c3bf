import { setTimeout } from 'node:timers/promises';
import type { Database, Listener } from './database.ts';
import { type PostgresConnection, PostgresConnections } from './postgres-connections.ts';
import { answerTo, isClash, isCut, isRefusedWrite, underlying } from './postgres-faults.ts';
import { checkMigrations } from './postgres-migrations.ts';
import { type NoticesOptions, PostgresNotices } from './postgres-notices.ts';
import { checkRole } from './postgres-roles.ts';
import type { Scope, Verb, Writing } from './statement.ts';

export interface PostgresOptions extends NoticesOptions {
  readonly random: (length: number) => Uint8Array;
}

/** How often a transaction is run again when others were in its way, and the longest wait before, in milliseconds. */
const CLASHES_MAX = 5;
const CLASH_WAIT_MS = 20;
/** For how long an instance whose writes are refused says that it is not ready. Then the next write tells. */
const REFUSED_MS = 5_000;

/** A server that several verifiers share. Writings are READ COMMITTED: verbs hold the rows that they decide by. */
export class PostgresDatabase implements Database {
  readonly gapless = false;
  readonly #connections: PostgresConnections;
  readonly #notices: PostgresNotices;
  readonly #random: (length: number) => Uint8Array;
  /** The last write that the server refused although it answers, and when. */
  #refused: { readonly cause: unknown; readonly at: number } | undefined;

  private constructor(options: PostgresOptions) {
    this.#connections = new PostgresConnections(options.url);
    this.#notices = new PostgresNotices(options);
    this.#random = options.random;
  }

  /** @throws Error when the server cannot be had, does not hold what it must, or has other tables than this program's */
  static async open(options: PostgresOptions): Promise<PostgresDatabase> {
    const database = new PostgresDatabase(options);
    try {
      await database.#use(async ({ client }) => {
        await checkMigrations(client);
        await checkRole(client);
      });
      await database.#notices.open();
    } catch (cause) {
      await database.close();
      throw cause;
    }
    return database;
  }

  /** A read that lost its connection is asked once more: it changed nothing. */
  async read<R>(scope: Scope, verb: () => Verb<R>): Promise<R> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#use((connection) => connection.read(scope, verb()));
      } catch (cause) {
        if (tries > 1 || !isCut(cause)) throw answerTo(cause);
      }
    }
  }

  /**
   * A transaction is run again when others were in its way, and once when its connection was lost before the commit was
   * asked for: nothing of it stands then. When the connection is lost behind that, nobody knows whether it stands, and the
   * caller is told so little as that: the next call will see.
   */
  async write<R>(scope: Scope, verb: (tx: Writing) => Verb<R>): Promise<R> {
    let cuts = 0;
    for (let clashes = 0; ; ) {
      const topics = new Set<string>();
      const tx = { random: this.#random, touch: (topic: string) => void topics.add(topic) };
      const commit = { asked: false };
      try {
        const result = await this.#use((connection) => connection.write(scope, verb(tx), commit));
        this.#notices.tell(topics);
        return result;
      } catch (cause) {
        const clash = isClash(cause) && clashes < CLASHES_MAX;
        const cut = isCut(cause) && !commit.asked && cuts < 1;
        if (isRefusedWrite(cause)) this.#refused = { cause, at: performance.now() };
        if (!clash && !cut) throw answerTo(cause);
        if (clash) clashes += 1;
        else cuts += 1;
        await setTimeout(Math.random() * CLASH_WAIT_MS);
      }
    }
  }

  subscribe(topic: string, listener: Listener): () => void {
    return this.#notices.subscribe(topic, listener);
  }

  async ping(): Promise<void> {
    const { cause, at } = this.#refused ?? { at: Number.NEGATIVE_INFINITY };
    if (performance.now() - at < REFUSED_MS) throw answerTo(cause);
    await this.#use(({ client }) => client.query('SELECT 1')).catch((cause: unknown) => {
      throw answerTo(cause);
    });
  }

  async close(): Promise<void> {
    await this.#notices.close();
    await this.#connections.close();
  }

  /** Lends a connection to `work`; one whose state is not known afterwards is not used again. */
  async #use<R>(work: (connection: PostgresConnection) => Promise<R>): Promise<R> {
    const connection = await this.#connections.lease();
    let broken = true;
    try {
      const result = await work(connection);
      broken = false;
      return result;
    } catch (cause) {
      const fault = underlying(cause);
      // A transaction that failed on the server is undone there; a connection that is not even good for that is dropped.
      broken = isCut(fault) || !(await rolledBack(connection));
      throw fault;
    } finally {
      this.#connections.release(connection, broken);
    }
  }
}

async function rolledBack({ client }: PostgresConnection): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}
