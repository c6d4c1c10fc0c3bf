import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Client, { type Database as SqliteClient } from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import type { Database, Listener } from './database.ts';
import { type Dialect, sqliteDialect } from './dialects.ts';
import { answerTo, isDiskFault } from './sqlite-faults.ts';
import { migrate } from './sqlite-migrations.ts';
import type { Scope, Statement, Step, Verb, Writing } from './statement.ts';
import { Topics } from './topics.ts';

export interface SqliteOptions {
  /** Path of the database. The file is made with mode 0600, its folder with 0700. */
  readonly file: string;
  readonly random: (length: number) => Uint8Array;
  /** Told what was touched after each commit, where listeners are elsewhere. */
  readonly told?: ((topics: ReadonlySet<string>) => void) | undefined;
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

/**
 * One connection with everything that must hold of it.
 *
 * It is kept when the disk fails. After a failed sync the kernel takes the pages for written although they are not (Linux,
 * fsync(2)), and only what is written again gets to the disk. SQLite does that: the frames of a commit that failed are not
 * in its index of the log, so the next commit writes over each of them, and a checkpoint that failed is done again from
 * the log. Closing and opening would not: recovery takes frames for committed that the kernel holds and the disk
 * may lack, and a power cut would lose all that was acknowledged behind them. Where a process ended in between, the
 * next one gets rid of such frames before it writes anything ({@link emptyLog}).
 */
export class SqliteDatabase implements Database {
  readonly gapless = true;
  readonly #client: SqliteClient;
  readonly #dialect: Dialect;
  readonly #prepared = new Map<Statement, Prepared>();
  readonly #random: (length: number) => Uint8Array;
  readonly #topics = new Topics();
  readonly #told: SqliteOptions['told'];
  #waiting: Waiting[] = [];
  /** The disk failed, and has not been seen to work since. */
  #faulty = false;

  /** @throws Error when a setting does not hold, or the tables are of another version */
  constructor({ file, random, told }: SqliteOptions) {
    makePrivate(file);
    this.#client = new Client(file, { timeout: BUSY_TIMEOUT });
    try {
      configure(this.#client);
      emptyLog(this.#client);
      migrate(this.#client);
    } catch (cause) {
      this.#client.close();
      throw cause;
    }
    this.#random = random;
    this.#told = told;
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
    try {
      return this.#run(verb());
    } catch (cause) {
      throw this.#noted(cause);
    }
  }

  subscribe(topic: string, listener: Listener): () => void {
    return this.#topics.subscribe(topic, listener);
  }

  /** Pages in memory can be read from a dead disk: after a fault only a write that reached it, log and file, is an answer. */
  async ping(): Promise<void> {
    try {
      if (this.#faulty) {
        // Writes a page as it is.
        this.#client.transaction(() => this.#client.pragma('user_version = 0')).immediate();
        this.#client.pragma('wal_checkpoint(PASSIVE)');
        this.#faulty = false;
      }
      this.#client.prepare('SELECT 1').get();
    } catch (cause) {
      throw this.#noted(cause);
    }
  }

  /** Everything goes from the log into the one file, so that the file alone is a good backup. */
  async close(): Promise<void> {
    this.#commitWaiting();
    this.#topics.clear();
    if (!this.#client.open) return;
    try {
      emptyLog(this.#client);
    } finally {
      this.#client.close();
    }
  }

  #noted(cause: unknown): unknown {
    if (isDiskFault(cause)) this.#faulty = true;
    return answerTo(cause);
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
        // After a fault of the disk nobody knows what of the verb was undone: then nothing of the group stands.
        if (!this.#client.inTransaction || isDiskFault(cause)) throw cause;
        answers.push(() => reject(answerTo(cause)));
      }
    };
    try {
      this.#client.transaction(() => group.forEach(run)).immediate();
    } catch (cause) {
      const answer = this.#noted(cause);
      for (const { reject } of group) reject(answer);
      return;
    }
    for (const topic of topics) this.#topics.tell(topic);
    if (topics.size > 0) this.#told?.(topics);
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
    if (step.ask === 'next') return true;
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

/** Everything goes from the log into the file, with syncs that hold, and the log begins anew. Not while others read. */
function emptyLog(client: SqliteClient): void {
  client.pragma('wal_checkpoint(TRUNCATE)');
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
