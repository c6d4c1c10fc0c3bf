import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Client, { type Database as SqliteClient } from 'better-sqlite3';
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3';
import { migrate } from './sqlite-migrations.ts';

export type Query = BetterSQLite3Database;

/** What a verb gets. It is synchronous from end to end: nothing can await inside a transaction. */
export interface Transaction {
  readonly query: Query;
  /** Bytes for the ids of audit entries. */
  readonly random: (length: number) => Uint8Array;
  /** Listeners of the topic are called after the commit. */
  touch(topic: string): void;
}

export type Listener = () => void;

export interface SqliteOptions {
  /** Path of the database. The file is made with mode 0600, its folder with 0700. */
  readonly file: string;
  readonly random: (length: number) => Uint8Array;
}

/** Milliseconds a writer waits for another process's transaction. All of them are short. */
const BUSY_TIMEOUT = 5_000;
const OPEN_TRIES = 50;

/** Rows that one transaction of the upkeep handles: others wait for the write lock meanwhile. */
export const SWEEP_BATCH = 200;

/** Verbs that one commit makes durable together. */
const GROUP_MAX = 64;

/** A verb that waits for its turn to write. */
interface Waiting {
  /** Runs the verb inside the transaction of its group. What it returns is called after the commit. */
  readonly run: (topics: Set<string>) => () => void;
  readonly reject: (cause: unknown) => void;
}

/** One connection with everything that must hold of it. */
export class SqliteDatabase {
  readonly #client: SqliteClient;
  readonly #query: Query;
  readonly #random: (length: number) => Uint8Array;
  readonly #listeners = new Map<string, Set<Listener>>();
  #waiting: Waiting[] = [];

  /** @throws Error when a setting does not hold, or the tables are of another version */
  constructor({ file, random }: SqliteOptions) {
    makePrivate(file);
    this.#client = new Client(file, { timeout: BUSY_TIMEOUT });
    try {
      configure(this.#client);
      migrate(this.#client);
    } catch (cause) {
      this.#client.close();
      throw cause;
    }
    this.#random = random;
    this.#query = drizzle({ client: this.#client });
  }

  /**
   * Runs `verb` by itself in a transaction that holds the write lock from its start, and answers when the disk has it;
   * then listeners are told. Verbs of one turn of the event loop share a commit, since the disk's sync costs more than
   * most verbs: each in a savepoint of its own, so that one that throws undoes nothing but itself.
   */
  write<R>(verb: (tx: Transaction) => R): Promise<R> {
    return new Promise((resolve, reject) => {
      const run: Waiting['run'] = (topics) => {
        const own = new Set<string>();
        const touch = (topic: string) => void own.add(topic);
        const tx = { query: this.#query, random: this.#random, touch };
        const result = this.#client.transaction(() => verb(tx))();
        for (const topic of own) topics.add(topic);
        return () => resolve(result);
      };
      if (this.#waiting.push({ run, reject }) === 1) setImmediate(() => this.#commitWaiting());
    });
  }

  /** Runs `verb` outside a transaction: for verbs of one statement that change nothing. */
  read<R>(verb: (query: Query) => R): R {
    return verb(this.#query);
  }

  subscribe(topic: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    // A wrapper of its own, so that one function may listen twice and stop once.
    const entry = () => listener();
    listeners.add(entry);
    return () => {
      listeners.delete(entry);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
    };
  }

  /** Everything goes from the log into the one file, so that the file alone is a good backup. */
  close(): void {
    this.#commitWaiting();
    this.#listeners.clear();
    if (!this.#client.open) return;
    this.#client.pragma('wal_checkpoint(TRUNCATE)');
    this.#client.close();
  }

  #commitWaiting(): void {
    while (this.#waiting.length > 0) this.#commit(this.#waiting.splice(0, GROUP_MAX));
  }

  #commit(group: readonly Waiting[]): void {
    const topics = new Set<string>();
    const answers: (() => void)[] = [];
    const run = ({ run, reject }: Waiting) => {
      try {
        answers.push(run(topics));
      } catch (cause) {
        // Some faults of the disk make SQLite undo the whole transaction: then nothing of the group stands.
        if (!this.#client.inTransaction) throw cause;
        answers.push(() => reject(cause));
      }
    };
    try {
      this.#client.transaction(() => group.forEach(run)).immediate();
    } catch (cause) {
      for (const { reject } of group) reject(cause);
      return;
    }
    for (const topic of topics) this.#tell(topic);
    for (const answer of answers) answer();
  }

  #tell(topic: string): void {
    // Later, not now: the commit stands, and a listener that throws must not make it look undone.
    for (const listener of this.#listeners.get(topic) ?? []) queueMicrotask(listener);
  }
}

function makePrivate(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Made before SQLite does, which would use the umask; its log and index files take the mode of this one.
  closeSync(openSync(file, 'a', 0o600));
}

/**
 * Sets what the connection must hold, and reads it back. SQLite is built here with `synchronous=NORMAL` for WAL,
 * which can lose acknowledged commits at a power cut, and the setting is not kept in the file.
 */
function configure(client: SqliteClient): void {
  enterWal(client);
  client.pragma('synchronous = FULL');
  client.pragma('foreign_keys = ON');
  client.pragma('secure_delete = ON');
  // Without it INSERT OR REPLACE would remove rows past the triggers that forbid it.
  client.pragma('recursive_triggers = ON');
  const held = {
    journal_mode: 'wal',
    synchronous: 2,
    foreign_keys: 1,
    secure_delete: 1,
    recursive_triggers: 1,
    busy_timeout: BUSY_TIMEOUT,
  };
  for (const [name, value] of Object.entries(held)) {
    if (client.pragma(name, { simple: true }) !== value) throw new Error(`sqlite does not hold ${name}`);
  }
}

/** SQLite may refuse this at once, without waiting, to all but one of several processes that open a new file. */
function enterWal(client: SqliteClient): void {
  for (let tries = 1; ; tries += 1) {
    try {
      client.pragma('journal_mode = WAL');
      return;
    } catch (cause) {
      const busy = cause instanceof Client.SqliteError && cause.code.startsWith('SQLITE_BUSY');
      if (!busy || tries === OPEN_TRIES) throw cause;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
