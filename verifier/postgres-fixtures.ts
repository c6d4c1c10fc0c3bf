import { randomBytes } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { getTableName, is } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { migratePostgres } from './postgres-migrations.ts';
import * as schema from './postgres-schema.ts';
import { openPostgresStore } from './postgres-store.ts';
import type { Store } from './store.ts';
import type { StoreHarness } from './store-fixtures.ts';
import { race, StorePeer } from './store-peers.ts';

const READY_TRIES = 200;
const TABLES = Object.values(schema).filter((value) => is(value, PgTable));

/** A database of its own for one file of tests, on the server that the run has started (postgres-server.ts). */
export interface TestDatabase {
  /** Of the three roles: who made the server, who owns the tables, who the verifier is. */
  readonly superuser: string;
  readonly owner: string;
  readonly url: string;
  readonly role: string;
  /** Removes every row, past the triggers that keep the audit. */
  empty(): Promise<void>;
  remove(): Promise<void>;
}

/** @throws Error when the run has no server, and none is given */
export async function createTestDatabase({
  migrated = true,
  server = process.env.AKASHI_TEST_POSTGRES,
}: {
  readonly migrated?: boolean;
  readonly server?: string | undefined;
} = {}): Promise<TestDatabase> {
  if (server === undefined) {
    throw new Error(
      'these tests need PostgreSQL: install its server (Debian: postgresql, as .ci/prepare does), or set DATABASE_URL',
    );
  }
  await ready(server);
  const name = `akashi_${randomBytes(6).toString('hex')}`;
  const roles = { owner: `${name}_owner`, app: `${name}_app` };
  const password = randomBytes(16).toString('hex');
  await asUser(server, async (client) => {
    for (const role of Object.values(roles))
      await client.query(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
    await client.query(`CREATE DATABASE ${name} OWNER ${roles.owner}`);
  });
  const urlOf = (role?: string) => {
    const url = new URL(server);
    url.pathname = `/${name}`;
    if (role !== undefined) Object.assign(url, { username: role, password });
    return url.href;
  };
  const database = { superuser: urlOf(), owner: urlOf(roles.owner), url: urlOf(roles.app), role: roles.app };
  if (migrated) await migratePostgres(database.owner, database.role);
  const admin = new pg.Client({ connectionString: database.superuser });
  // Where a server is made to fail, this connection goes with it.
  admin.on('error', () => {});
  await admin.connect();
  await admin.query('SET session_replication_role = replica');
  const empty = async () => {
    const epoch = 'INSERT INTO epochs (one, epoch, copy) VALUES (1, 1, false)';
    await admin.query([...TABLES.map((table) => `DELETE FROM ${getTableName(table)}`), epoch].join('; '));
  };
  const remove = async () => {
    await admin.end();
    await asUser(server, async (client) => {
      await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
      for (const role of Object.values(roles)) await client.query(`DROP ROLE ${role}`);
    });
  };
  return { ...database, empty, remove };
}

/** Works with a connection of this role, by hand. */
export async function asUser<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Whose verbs wait for one another as long as it takes: races are about who wins, not about when. */
function patient(url: string): string {
  const waiting = new URL(url);
  for (const limit of ['lock_timeout', 'statement_timeout', 'query_timeout'])
    waiting.searchParams.set(limit, '60000');
  return waiting.href;
}

/** A store on a database that was emptied, and two other processes with a store on the same. */
export function postgresHarness(
  database: () => TestDatabase,
  store: () => Store,
  peers: readonly StorePeer[],
): () => Promise<StoreHarness> {
  let opened = false;
  const open = () => ({ task: 'open', engine: 'postgres', location: patient(database().url) }) as const;
  return async () => {
    await database().empty();
    return {
      store: store(),
      race: async (calls) => {
        if (!opened) await Promise.all(peers.map((peer) => peer.ask(open())));
        opened = true;
        return race(peers, calls);
      },
      callAndDie: async (call) => {
        const peer = new StorePeer();
        await peer.ask(open());
        await peer.die(call);
      },
      dispose: async () => {},
    };
  };
}

/** Told of changes only: without the net of looking again, which calls back now and then when nothing changed. */
export function openTestStore({ url }: TestDatabase): Promise<Store> {
  return openPostgresStore({ url: patient(url), lookAgainMs: 600_000 });
}

/** A cable to the server that can be cut: a TCP proxy. */
export interface Cable {
  /** The same database behind it. */
  readonly url: string;
  /** Ends every connection; with `refuse`, those that come as well, until it is mended. */
  cut(refuse?: boolean): void;
  mend(): void;
  /** Connections that there are carry nothing any more, and nobody is told; with `all`, nor do those that come. */
  freeze(all?: boolean): void;
  /** Takes what goes to the server next and has this text, and then cuts: the answer never arrives. Ends when it did. */
  cutBehind(text: string): Promise<void>;
  /** How many connections have come. */
  readonly came: number;
  close(): Promise<void>;
}

export async function layCable(to: string): Promise<Cable> {
  const target = new URL(to);
  const open = new Set<Socket>();
  let refusing = false;
  let swallowing = false;
  let last: { readonly text: string; readonly met: () => void } | undefined;
  let came = 0;
  const end = () => {
    for (const socket of open) socket.destroy();
    open.clear();
  };
  const server = createServer((near) => {
    came += 1;
    if (refusing) return void near.destroy();
    if (swallowing) {
      open.add(near.resume().on('error', () => {}));
      return;
    }
    const far = connect(Number(target.port || 5432), target.hostname);
    let drained = false;
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => {});
    }
    far.on('close', () => near.destroy());
    // Ended, not destroyed, where the server is to have all that was sent.
    near.on('close', () => void (drained ? far.end() : far.destroy()));
    near.on('data', (chunk) => {
      const behind = last !== undefined && chunk.includes(last.text);
      if (behind) {
        last?.met();
        last = undefined;
        drained = true;
        far.removeAllListeners('data').resume();
      }
      far.write(chunk, () => behind && near.destroy());
    });
    far.on('data', (chunk) => near.write(chunk));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  const url = new URL(to);
  Object.assign(url, { hostname: '127.0.0.1', port: String(address.port) });
  return {
    url: url.href,
    cut(refuse = false) {
      refusing = refuse;
      end();
    },
    mend() {
      refusing = false;
      swallowing = false;
    },
    freeze(all = false) {
      swallowing = all;
      for (const socket of open) socket.removeAllListeners('data').resume();
    },
    cutBehind: (text) =>
      new Promise((met) => {
        last = { text, met };
      }),
    get came() {
      return came;
    },
    close() {
      end();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

/** The run starts its server and does not wait for it. */
async function ready(url: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await asUser(url, async () => {});
    } catch (cause) {
      if (tries === READY_TRIES) throw cause;
      await setTimeout(50);
    }
  }
}
