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

/** One connection with everything that must hold of it. */
export class SqliteDatabase {
  readonly #client: SqliteClient;
  readonly #query: Query;
  readonly #random: (length: number) => Uint8Array;
  readonly #listeners = new Map<string, Set<Listener>>();

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

  /** Runs `verb` in a transaction that holds the write lock from its start, commits durably, then tells listeners. */
  write<R>(verb: (tx: Transaction) => R): R {
    const topics = new Set<string>();
    const tx = { query: this.#query, random: this.#random, touch: (topic: string) => void topics.add(topic) };
    const result = this.#client.transaction(() => verb(tx)).immediate();
    for (const topic of topics) this.#tell(topic);
    return result;
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
    this.#listeners.clear();
    if (!this.#client.open) return;
    this.#client.pragma('wal_checkpoint(TRUNCATE)');
    this.#client.close();
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
