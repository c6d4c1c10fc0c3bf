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

/**
 * Statements as drizzle builds them, once for all connections: building one takes longer than running it. Their names are
 * the same everywhere, since a server keeps prepared statements by name, for each connection.
 */
class Statements {
  readonly #built = new Map<Statement, Prepared>();
  readonly #dialect: Dialect;
  #client: pg.PoolClient | undefined;

  constructor() {
    const query = (config: pg.QueryConfig, values: unknown[]) => this.#client?.query(config, values);
    this.#dialect = postgresDialect(drizzle({ client: { query } as unknown as pg.PoolClient }));
  }

  execute(client: pg.PoolClient, statement: Statement, values: Values): Promise<unknown> {
    let built = this.#built.get(statement);
    if (built === undefined) {
      const made = statement.make(this.#dialect) as { prepare(name: string): Prepared };
      built = made.prepare(`akashi_${this.#built.size + 1}`);
      this.#built.set(statement, built);
    }
    // drizzle hands its text to the driver before it returns.
    this.#client = client;
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
  /** What was sent since the verb began, in order. */
  #sent: Promise<unknown>[] = [];
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
      this.#enter(scope, 'LOCAL', 'BEGIN ISOLATION LEVEL READ COMMITTED');
      const result = await this.#run(verb, 'LOCAL');
      commit.asked = true;
      const { command } = await this.#send(() => this.client.query('COMMIT'));
      if (command !== 'COMMIT') throw new Error('the transaction was undone by the server');
      return result;
    });
  }

  /** One after the other, and all answered at the end. */
  async #run<R>(verb: Verb<R>, hold: Hold): Promise<R> {
    let next = verb.next();
    while (!next.done) next = verb.next(await this.#answer(next.value, hold));
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
    if (step.ask === 'queue') return void this.#send(() => this.client.query(QUEUE, [step.line]));
    if (step.ask === 'next') {
      const answer = this.#send(() => this.client.query<{ next: boolean }>(NEXT, [step.line]));
      return answer.then(({ rows }) => rows[0]?.next === true);
    }
    const { statement, values } = step;
    const answer = this.#send(() => this.#statements.execute(this.client, statement, values));
    if (step.ask === 'none') return undefined;
    if (step.ask === 'count') return answer.then((result) => (result as pg.QueryResult).rowCount ?? 0);
    return step.ask === 'one' ? answer.then((rows) => (rows as readonly unknown[])[0]) : answer;
  }

  /** `ask` hands its text to the driver before it returns, as drizzle does: so the order here is the order there. */
  #send<T>(ask: () => Promise<T>): Promise<T> {
    const { stream } = this.client.connection;
    // What is sent in one turn of the event loop goes in one piece.
    stream.cork();
    process.nextTick(() => stream.uncork());
    const answer = ask();
    // Whoever waits for it is told; those for whom nobody waits are asked at the end.
    answer.catch(() => {});
    this.#sent.push(answer);
    return answer;
  }

  /** Sends what leads from the scope that it is in to this one, behind `first`, in one message. */
  #enter(scope: Scope, hold: Hold, ...first: string[]): void {
    const settings = settingsOf(scope);
    const known = hold === 'LOCAL' ? this.#localScope : this.#sessionScope;
    if (hold === 'LOCAL') this.#localScope = settings;
    else this.#sessionScope = settings;
    const commands = [...first];
    for (const name of SETTINGS) {
      if (known?.[name] === settings[name]) continue;
      commands.push(`SET ${hold} akashi.${name} TO ${pg.escapeLiteral(settings[name])}`);
    }
    if (commands.length > 0) void this.#send(() => this.client.query(commands.join('; ')));
  }
}

/** Until the end of the transaction, or until another one is set. */
type Hold = 'LOCAL' | 'SESSION';

const SETTINGS = ['tenant', 'key', 'upkeep'] as const;
type Settings = Readonly<Record<(typeof SETTINGS)[number], string>>;

/** Locks of the transaction by name. Two names with one number only wait for each other without need. */
const QUEUE = { name: 'akashi_queue', text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 4202))' };
const NEXT = {
  name: 'akashi_next',
  text: 'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 4202)) AS next',
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
