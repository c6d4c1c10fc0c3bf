import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { type Dialect, postgresDialect } from './dialects.ts';
import { poolFull } from './postgres-faults.ts';
import type { Scope, Statement, Step, Values, Verb } from './statement.ts';

/** Connections for verbs; one more listens (postgres-notices.ts). */
const CONNECTIONS_MAX = 10;
/** Verbs that wait for one. Each takes a few milliseconds: these are about a second of work. */
const WAITING_MAX = 500;
const CONNECT_MS = 5_000;
/** On the server, for one statement and for the wait for one lock: all of them are short. */
const STATEMENT_MS = 5_000;
const LOCK_MS = 3_000;
/** A transaction whose verifier is gone, or a network that is half open, holds its locks for so long. */
const IDLE_IN_TRANSACTION_MS = 10_000;
/** Here, when nothing comes at all: longer than the server's own timeouts. */
const ANSWER_MS = 8_000;

/** What must hold for an acknowledged commit to be durable. The first is set on each connection, and read back. */
const DURABLE = { synchronous_commit: ['on', 'remote_apply'], fsync: ['on'], full_page_writes: ['on'] };

export function connectionOptions(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    lock_timeout: LOCK_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    application_name: 'akashi',
    options: '-c synchronous_commit=on',
  };
}

interface Prepared {
  execute(values: Values): Promise<unknown>;
}

const names = new WeakMap<Statement, string>();
let named = 0;

/** The same in each connection: a server keeps prepared statements by name, for each connection. */
function nameOf(statement: Statement): string {
  let name = names.get(statement);
  if (name === undefined) {
    named += 1;
    name = `akashi_${named}`;
    names.set(statement, name);
  }
  return name;
}

/** One connection, with the statements that it has prepared. */
export class PostgresConnection {
  readonly client: pg.PoolClient;
  readonly #dialect: Dialect;
  readonly #prepared = new Map<Statement, Prepared>();

  constructor(client: pg.PoolClient) {
    this.client = client;
    this.#dialect = postgresDialect(drizzle({ client }));
  }

  /** Runs a verb in the transaction that was begun, in this order: one statement, its answer, the next. */
  async run<R>(verb: Verb<R>): Promise<R> {
    let next = verb.next();
    while (!next.done) next = verb.next(await this.#answer(next.value));
    return next.value;
  }

  async #answer(step: Step): Promise<unknown> {
    if (step.ask === 'scope') return this.client.query(scopeText(step.scope));
    if (step.ask === 'queue') return this.client.query(QUEUE, [step.line]);
    const answer = await this.#prepare(step.statement).execute(step.values);
    if (step.ask === 'count') return (answer as pg.QueryResult).rowCount ?? 0;
    return step.ask === 'one' ? (answer as readonly unknown[])[0] : answer;
  }

  #prepare(statement: Statement): Prepared {
    let prepared = this.#prepared.get(statement);
    if (prepared === undefined) {
      const built = statement.make(this.#dialect) as { prepare(name: string): Prepared };
      prepared = built.prepare(nameOf(statement));
      this.#prepared.set(statement, prepared);
    }
    return prepared;
  }
}

/** Locks of the transaction by name. Two names with one number only wait for each other without need. */
const QUEUE = { name: 'akashi_queue', text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 4202))' };

/** All three settings at once, for this transaction: a scope takes the place of the one before. */
export function scopeText(scope: Scope): string {
  const tenant = scope !== 'upkeep' && 'tenant' in scope ? scope.tenant : '';
  const key = scope !== 'upkeep' && 'key' in scope ? Buffer.from(scope.key).toString('hex') : '';
  const settings = { tenant, key, upkeep: scope === 'upkeep' ? 'on' : '' };
  const calls = Object.entries(settings).map(
    ([name, value]) => `set_config('akashi.${name}', ${pg.escapeLiteral(value)}, true)`,
  );
  return `SELECT ${calls.join(', ')}`;
}

/** A bounded pool of connections that hold what they must. */
export class PostgresConnections {
  readonly #pool: pg.Pool;
  readonly #checked = new WeakMap<pg.PoolClient, PostgresConnection>();

  constructor(url: string) {
    const options = connectionOptions(url);
    this.#pool = new pg.Pool({ ...options, max: CONNECTIONS_MAX, pipeline: true, allowExitOnIdle: true });
    // Of a connection that nobody holds: the pool drops it, and the next verb makes another. Of one that is lent out: the
    // verb that waits for its answer is told, and without a listener the process would end.
    this.#pool.on('error', () => {});
    this.#pool.on('connect', (client) => void client.on('error', () => {}));
  }

  /** @throws AkashiError `busy` when too many wait; what connecting throws */
  async lease(): Promise<PostgresConnection> {
    if (this.#pool.waitingCount >= WAITING_MAX) throw poolFull();
    const client = await this.#pool.connect();
    const known = this.#checked.get(client);
    if (known !== undefined) return known;
    try {
      await checkDurability(client);
    } catch (cause) {
      client.release(true);
      throw cause;
    }
    const connection = new PostgresConnection(client);
    this.#checked.set(client, connection);
    return connection;
  }

  /** @param broken it is not given out again */
  release({ client }: PostgresConnection, broken: boolean): void {
    client.release(broken);
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }
}

/** @throws Error when an acknowledged commit could be lost */
export async function checkDurability(client: pg.ClientBase): Promise<void> {
  for (const [name, good] of Object.entries(DURABLE)) {
    const { rows } = await client.query<{ value: string }>('SELECT current_setting($1) AS value', [name]);
    if (!good.includes(rows[0]?.value ?? '')) throw new Error(`postgres does not hold ${name}`);
  }
}
