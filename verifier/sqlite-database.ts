import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Client, { type Database as SqliteClient } from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import type { Database, Listener } from './database.ts';
import { type Dialect, sqliteDialect } from './dialects.ts';
import { migrate } from './sqlite-migrations.ts';
import type { Scope, Statement, Step, Verb, Writing } from './statement.ts';
import { Topics } from './topics.ts';

export interface SqliteOptions {
  /** Path of the database. The file is made with mode 0600, its folder with 0700. */
  readonly file: string;
  readonly random: (length: number) => Uint8Array;
}

/** Milliseconds a writer waits for another process's transaction. All of them are short. */
const BUSY_TIMEOUT = 5_000;
const OPEN_TRIES = 50;

const CHECKPOINT_PAGES = 4000;

/** Verbs that one commit makes durable together. */
const GROUP_MAX = 64;

/** A verb that waits for its turn to write. */
interface Waiting {
  /** Runs the verb inside the transaction of its group. What it returns is called after the commit. */
  readonly run: (topics: Set<string>) => () => void;
  readonly reject: (cause: unknown) => void;
}

/** A statement that SQLite has compiled, as drizzle hands it out. */
interface Prepared {
  get(values: unknown): unknown;
  all(values: unknown): unknown;
  run(values: unknown): { readonly changes: number };
}

/** One connection with everything that must hold of it. */
export class SqliteDatabase implements Database {
  readonly gapless = true;
  readonly #client: SqliteClient;
  readonly #dialect: Dialect;
  readonly #prepared = new Map<Statement, Prepared>();
  readonly #random: (length: number) => Uint8Array;
  readonly #topics = new Topics();
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
    this.#dialect = sqliteDialect(drizzle({ client: this.#client }));
  }

  /**
   * Runs `verb` by itself in a transaction that holds the write lock from its start, and answers when the disk has it;
   * then listeners are told. Verbs of one turn of the event loop share a commit, since the disk's sync costs more than
   * most verbs: each in a savepoint of its own, so that one that throws undoes nothing but itself.
   */
  write<R>(_scope: Scope, verb: (tx: Writing) => Verb<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      const run: Waiting['run'] = (topics) => {
        const own = new Set<string>();
        const touch = (topic: string) => void own.add(topic);
        const tx = { random: this.#random, touch };
        const result = this.#client.transaction(() => this.#run(verb(tx)))();
        for (const topic of own) topics.add(topic);
        return () => resolve(result);
      };
      if (this.#waiting.push({ run, reject }) === 1) setImmediate(() => this.#commitWaiting());
    });
  }

  /** Runs `verb` outside a transaction: nothing comes between its statements, since nothing awaits. */
  async read<R>(_scope: Scope, verb: () => Verb<R>): Promise<R> {
    return this.#run(verb());
  }

  subscribe(topic: string, listener: Listener): () => void {
    return this.#topics.subscribe(topic, listener);
  }

  async ping(): Promise<void> {
    this.#client.prepare('SELECT 1').get();
  }

  /** Everything goes from the log into the one file, so that the file alone is a good backup. */
  async close(): Promise<void> {
    this.#commitWaiting();
    this.#topics.clear();
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
    for (const topic of topics) this.#topics.tell(topic);
    for (const answer of answers) answer();
  }

  #run<R>(verb: Verb<R>): R {
    let next = verb.next();
    while (!next.done) next = verb.next(this.#answer(next.value));
    return next.value;
  }

  /** Tenants are kept apart by the conditions of the statements alone, and one writer needs no queue. */
  #answer(step: Step): unknown {
    if (step.ask === 'scope' || step.ask === 'queue') return undefined;
    if (step.ask === 'together') return step.steps.map((one) => this.#answer(one));
    const statement = this.#prepare(step.statement);
    if (step.ask === 'one') return statement.get(step.values);
    if (step.ask === 'all') return statement.all(step.values);
    return statement.run(step.values).changes;
  }

  #prepare(statement: Statement): Prepared {
    let prepared = this.#prepared.get(statement);
    if (prepared === undefined) {
      prepared = (statement.make(this.#dialect) as { prepare(): Prepared }).prepare();
      this.#prepared.set(statement, prepared);
    }
    return prepared;
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
  // 16 MiB of log before it goes into the file, four times SQLite's own: most pages are written again meanwhile, and each
  // time is felt by who waits. More saves little and is felt more.
  client.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  // Without it INSERT OR REPLACE would remove rows past the triggers that forbid it.
  client.pragma('recursive_triggers = ON');
  const held = {
    journal_mode: 'wal',
    synchronous: 2,
    foreign_keys: 1,
    secure_delete: 1,
    recursive_triggers: 1,
    wal_autocheckpoint: CHECKPOINT_PAGES,
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
