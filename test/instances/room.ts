import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Agent, openAgent } from '@akashi/sdk/agent';
import type { Issuer } from '@akashi/sdk/issuer';
import { createOperator, createSignInLink, createTenant, type Store } from '@akashi/verifier';
import pg from 'pg';
import { type Cable, createTestDatabase, layCable } from '../../verifier/postgres-fixtures.ts';
import { type PostgresServer, startPostgresServer } from '../../verifier/postgres-server.ts';
import { openStore } from '../../verifier/stores.ts';
import type { Backend, LoadPhone } from '../crash/load.ts';
import { prepared } from '../crash/load.ts';
import { TENANT } from '../crash/rounds.ts';
import { listingFetch, openTestIssuer } from '../harness.ts';
import { enrolRawPhone } from '../raw-phone.ts';
import { keepSecret, newPrivateFolder, newTraceFolder } from '../run.ts';
import { compileVerifierProcess, startVerifierProcess, type VerifierProcess } from '../verifier-process.ts';
import { type Balancer, startBalancer } from './balancer.ts';

// Three verifiers behind a balancer, on one PostgreSQL server that is theirs alone: it may be cut off and ended.

export interface InstancesRoom {
  readonly server: PostgresServer;
  /** Between the verifiers and the server: the last one has a cable of its own. */
  readonly cables: readonly [shared: Cable, last: Cable];
  readonly backend: Backend;
  /** For a look at what is stored, past everything that is cut. */
  readonly store: Store;
  verifier(place: number): VerifierProcess;
  /** A verifier that dies before it answers calls of this route; the balancer does not know it. */
  doomed(route: string): Promise<VerifierProcess>;
  /** Starts those that are gone. */
  revive(): Promise<void>;
  phone(subject: string): Promise<LoadPhone>;
  /** A desk of this verifier. */
  desk(place: number): Promise<Agent>;
  /** Runs statements as the superuser. */
  sql(text: string): Promise<pg.QueryResult>;
  /** Begins a transaction of the superuser that holds what the statement locks, until `release`. */
  hold(text: string): Promise<{ release(): Promise<void> }>;
  /** Until a verifier's connection waits for this. */
  untilWaiting(event: string): Promise<void>;
  close(): Promise<void>;
}

const COUNT = 3;
const now = () => Math.floor(Date.now() / 1000);

export async function openInstancesRoom(): Promise<InstancesRoom> {
  const [server, balancer, program] = await Promise.all([
    startPostgresServer(),
    startBalancer(),
    compileVerifierProcess(newPrivateFolder()),
  ]);
  const database = await createTestDatabase({ server: server.url });
  const cables = [await layCable(database.url), await layCable(database.url)] as const;
  const keysFile = join(newPrivateFolder(), 'keys.json');
  const { origin } = balancer;
  const start = (databaseUrl: string, rest: { readonly dieBeforeAnswering?: string } = {}) =>
    startVerifierProcess(
      { folder: newTraceFolder(), keysFile, port: 0, origin, databaseUrl, ...rest },
      program,
    );
  const urlOf = (place: number) => cables[place === COUNT - 1 ? 1 : 0].url;
  // The first one alone: it makes the keys.
  const verifiers = [await start(urlOf(0))];
  const others = Array.from({ length: COUNT - 1 }, (_, i) => start(urlOf(i + 1)));
  verifiers.push(...(await Promise.all(others)));
  const doomed: VerifierProcess[] = [];
  balance(balancer, verifiers);
  const store = await openStore({ databaseUrl: database.url }, randomBytes);
  const { apiKey } = await createTenant(
    store,
    { tenant: TENANT, name: 'Bank', origins: [] },
    now(),
    randomBytes,
  );
  keepSecret('token', apiKey);
  const issuer: Issuer = await openTestIssuer(origin, TENANT, apiKey, now);
  const superuser = async () => {
    const client = new pg.Client({ connectionString: database.superuser });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const sql = async (text: string) => {
    const client = await superuser();
    return client.query(text).finally(() => client.end());
  };
  const verifier = (place: number) => {
    const found = verifiers[place];
    if (found === undefined) throw new TypeError('no such verifier');
    return found;
  };
  return {
    ...{ server, cables, store, sql, verifier, backend: { origin, apiKey } },
    async doomed(dieBeforeAnswering) {
      const one = await start(urlOf(0), { dieBeforeAnswering });
      doomed.push(one);
      return one;
    },
    async revive() {
      for (const [place, { alive }] of verifiers.entries())
        if (!alive()) verifiers[place] = await start(urlOf(place));
      balance(balancer, verifiers);
    },
    phone: async (subject) => prepared(await enrolRawPhone(origin, issuer, subject)),
    async desk(place) {
      const operator = { tenant: TENANT, name: 'Sato', role: 'operator' } as const;
      const id = await createOperator(store, operator, now(), randomBytes);
      const link = await createSignInLink(store, TENANT, id, now(), randomBytes);
      keepSecret('token', link);
      const desk = openAgent({ verifier: verifier(place).address, fetch: listingFetch });
      await desk.signIn(`https://desk.example/#signin=${link}`);
      return desk;
    },
    async hold(text) {
      const client = await superuser();
      await client.query('BEGIN');
      await client.query(text);
      return {
        async release() {
          await client.query('COMMIT');
          await client.end();
        },
      };
    },
    async untilWaiting(event) {
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'akashi' AND '${event}' IN (wait_event, wait_event_type)`;
      for (let tries = 0; tries < 200; tries++) {
        if ((await sql(waiting)).rowCount) return;
        await setTimeout(10);
      }
      throw new Error(`nobody waits for ${event}`);
    },
    async close() {
      balancer.close();
      await Promise.all([...verifiers, ...doomed].map((one) => one.kill()));
      await store.close();
      await Promise.all(cables.map((cable) => cable.close()));
      await server.stop();
    },
  };
}

function balance(balancer: Balancer, verifiers: readonly VerifierProcess[]): void {
  balancer.to(verifiers.map(({ port }) => port));
}
