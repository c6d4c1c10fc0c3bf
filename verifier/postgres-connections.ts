import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { type Dialect, postgresDialect } from './dialects.ts';
import { type Answer, Exchange, type NamedStatement, readRows } from './postgres-exchange.ts';
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
const ANSWER_MS = 6_000;

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

type Ask = (statement: NamedStatement, values: readonly unknown[]) => Promise<Answer>;

/**
 * Statements as drizzle builds them, once for all connections: building one takes longer than running it. Their names are
 * the same everywhere, since a server keeps prepared statements by name, for each connection.
 */
class Statements {
  readonly #built = new Map<Statement, Prepared>();
  readonly #named = new Map<string, NamedStatement>();
  readonly #dialect: Dialect;
  #ask: Ask | undefined;

  constructor() {
    // In the place of the driver's client: drizzle hands over text and values, and reads what it is given for the rows.
    const query = async (
      { name = '', text, rowMode }: pg.QueryConfig & { rowMode?: 'array' },
      values: unknown[],
    ) => {
      const statement = this.#named.get(name) ?? { name, text, hasRows: rowMode === 'array' };
      this.#named.set(name, statement);
      const answer = await this.#ask?.(statement, values);
      return answer && { rows: readRows(statement, answer), rowCount: answer.count };
    };
    this.#dialect = postgresDialect(drizzle({ client: { query } as unknown as pg.PoolClient }));
  }

  execute(ask: Ask, statement: Statement, values: Values): Promise<unknown> {
    let built = this.#built.get(statement);
    if (built === undefined) {
      const made = statement.make(this.#dialect) as { prepare(name: string): Prepared };
      built = made.prepare(`akashi_${this.#built.size + 1}`);
      this.#built.set(statement, built);
    }
    // drizzle hands its text over before it returns.
    this.#ask = ask;
    return built.execute(values);
  }
}

/**
 * One connection, and the scope that it is in. What is sent is answered in its order, so nothing waits for an answer that
 * nobody needs (`pipeline`): a transaction takes as many round trips as it has decisions to make, and one for its commit.
 */
export class PostgresConnection {
  readonly client: pg.PoolClient;
  readonly #statements: Statements;
  readonly #prepared = new Set<string>();
  /** What is asked in this turn of the event loop. */
  #exchange: Exchange | undefined;
  /** What was sent since the verb began, in order. */
  #sent: Promise<unknown>[] = [];
  /** Of the transaction that is open. */
  #committed: Promise<Answer> | undefined;
  /** Scope of the session, and of the transaction that is open; not known at first and after a fault. */
  #sessionScope: Settings | undefined;
  #localScope: Settings | undefined;

  constructor(client: pg.PoolClient, statements: Statements) {
    this.client = client;
    this.#statements = statements;
  }

  /** Statements that each stand for themselves: they see what was committed before them. */
  read<R>(scope: Scope, verb: Verb<R>): Promise<R> {
    return this.#surely(async () => {
      this.#enter(scope, 'SESSION');
      return this.#run(verb, 'SESSION');
    });
  }

  /** A transaction. `commit.asked` says whether it may stand although this fails. */
  write<R>(scope: Scope, verb: Verb<R>, commit: { asked: boolean }): Promise<R> {
    return this.#surely(async () => {
      this.#localScope = this.#sessionScope;
      this.#committed = undefined;
      void this.#send(this.#ask(BEGIN));
      this.#enter(scope, 'LOCAL');
      const result = await this.#run(verb, 'LOCAL', commit);
      const { command } = await (this.#committed ?? this.#commit(commit));
      if (command !== 'COMMIT') throw new Error('the transaction was undone by the server');
      return result;
    });
  }

  #commit(commit: { asked: boolean }): Promise<Answer> {
    commit.asked = true;
    this.#committed = this.#send(this.#ask(COMMIT));
    return this.#committed;
  }

  /** One after the other, and all answered at the end. */
  async #run<R>(verb: Verb<R>, hold: Hold, commit?: { asked: boolean }): Promise<R> {
    let next = verb.next();
    while (!next.done) {
      if (commit?.asked) throw new TypeError('a statement behind the last one');
      const answer = this.#answer(next.value, hold);
      if (commit !== undefined && 'last' in next.value) void this.#commit(commit);
      next = verb.next(await answer);
    }
    return next.value;
  }

  /** What failed first is the fault: what was sent behind it fails for no other reason. */
  async #surely<R>(work: () => Promise<R>): Promise<R> {
    this.#sent = [];
    try {
      const result = await work();
      await Promise.all(this.#sent);
      return result;
    } catch (cause) {
      this.#sessionScope = undefined;
      for (const answer of this.#sent) await answer;
      throw cause;
    }
  }

  #answer(step: Step, hold: Hold): unknown {
    if (step.ask === 'scope') return this.#enter(step.scope, hold);
    if (step.ask === 'together') return Promise.all(step.steps.map((one) => this.#answer(one, hold)));
    if (step.ask === 'queue') return void this.#send(this.#ask(QUEUE, step.line));
    if (step.ask === 'next')
      return this.#send(this.#ask(NEXT, step.line)).then((answer) => readRows(NEXT, answer)[0]?.[0] === true);
    const { statement, values } = step;
    const ask: Ask = (named, parameters) => this.#ask(named, ...parameters);
    const answer = this.#send(this.#statements.execute(ask, statement, values));
    if (step.ask === 'none') return undefined;
    if (step.ask === 'count') return answer.then((result) => (result as pg.QueryResult).rowCount ?? 0);
    return step.ask === 'one' ? answer.then((rows) => (rows as readonly unknown[])[0]) : answer;
  }

  /** What is asked in one turn of the event loop goes in one message. */
  #ask(statement: NamedStatement, ...values: readonly unknown[]): Promise<Answer> {
    if (this.#exchange === undefined) {
      const exchange = new Exchange(this.#prepared);
      this.#exchange = exchange;
      process.nextTick(() => {
        this.#exchange = undefined;
        this.client.query(exchange);
      });
    }
    return this.#exchange.ask(statement, values);
  }

  /** Whoever waits for it is told; those for whom nobody waits are asked at the end. */
  #send<T>(answer: Promise<T>): Promise<T> {
    answer.catch(() => {});
    this.#sent.push(answer);
    return answer;
  }

  /** Sets the scope, where it is another one than before. */
  #enter(scope: Scope, hold: Hold): void {
    const { tenant, key, upkeep } = settingsOf(scope);
    const known = hold === 'LOCAL' ? this.#localScope : this.#sessionScope;
    if (known?.tenant === tenant && known.key === key && known.upkeep === upkeep) return;
    const settings = { tenant, key, upkeep };
    if (hold === 'LOCAL') this.#localScope = settings;
    else this.#sessionScope = settings;
    void this.#send(this.#ask(SCOPE, tenant, key, upkeep, hold === 'LOCAL'));
  }
}

/** Until the end of the transaction, or until another one is set. */
type Hold = 'LOCAL' | 'SESSION';

type Settings = Readonly<Record<'tenant' | 'key' | 'upkeep', string>>;

const BEGIN = { name: 'akashi_begin', text: 'BEGIN ISOLATION LEVEL READ COMMITTED', hasRows: false };
const COMMIT = { name: 'akashi_commit', text: 'COMMIT', hasRows: false };
const SCOPE = {
  name: 'akashi_scope',
  text: "SELECT set_config('akashi.tenant', $1, $4), set_config('akashi.key', $2, $4), set_config('akashi.upkeep', $3, $4)",
  hasRows: false,
};
/** Locks of the transaction by name. Two names with one number only wait for each other without need. */
const QUEUE = {
  name: 'akashi_queue',
  text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 4202))',
  hasRows: false,
};
const NEXT: NamedStatement = {
  name: 'akashi_next',
  text: 'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 4202)) AS next',
  hasRows: true,
};

/** All three: a scope takes the place of the one before. */
function settingsOf(scope: Scope): Settings {
  const tenant = scope !== 'upkeep' && 'tenant' in scope ? scope.tenant : '';
  const key = scope !== 'upkeep' && 'key' in scope ? Buffer.from(scope.key).toString('hex') : '';
  return { tenant, key, upkeep: scope === 'upkeep' ? 'on' : '' };
}

/** A bounded pool of connections that hold what they must. */
export class PostgresConnections {
  readonly #pool: pg.Pool;
  readonly #checked = new WeakMap<pg.PoolClient, PostgresConnection>();
  readonly #statements = new Statements();

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
    const connection = new PostgresConnection(client, this.#statements);
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
