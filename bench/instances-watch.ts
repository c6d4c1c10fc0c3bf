import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import type { PostgresServer } from '../verifier/postgres-server.ts';
import { familyTime, threadTimes } from './processor-time.ts';
import { rounded } from './quantile.ts';

// What verifiers and their PostgreSQL use while a load runs, and what the connections wait for: sampled, since the server
// counts no waits.

const SAMPLE_MS = 20;

/**
 * What the verifiers' connections do that serve somebody just now: `processor` where they wait for nothing of
 * PostgreSQL's, `verifier` in a transaction whose next statement has not come yet, else what they wait for.
 */
const DOING = `
  SELECT CASE WHEN state LIKE 'idle in%' THEN 'verifier'
              WHEN wait_event IS NULL THEN 'processor'
              WHEN wait_event = 'ClientRead' THEN 'verifier'
              ELSE wait_event_type || ':' || wait_event END AS what,
         count(*)::int AS many
  FROM pg_stat_activity WHERE application_name = 'akashi' AND datname = $1 AND state <> 'idle' GROUP BY 1`;
const COUNTS = `
  SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal,
         (SELECT wal_sync FROM pg_stat_wal) AS syncs,
         (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'akashi' AND datname = $1) AS connections`;

interface Counts {
  readonly wal: number;
  readonly syncs: number;
  readonly connections: number;
}

/** Everything `per` is of one verification; processor time by kind of thread. */
export interface Usage {
  readonly perMs: {
    readonly verifier: number;
    readonly answering: number;
    readonly checking: number;
    readonly other: number;
    readonly postgres: number;
  };
  readonly perWalBytes: number;
  /** How often the log was synced to the disk: connections share one. */
  readonly perSyncs: number;
  /** Open, of all verifiers. */
  readonly connections: number;
  /** How many of them did what, on average at any moment. */
  readonly doing: Readonly<Record<string, number>>;
}

/** Begins to watch. @param database its name */
export async function watchUsage(server: PostgresServer, database: string, pids: readonly number[]) {
  const client = new pg.Client({ connectionString: server.url });
  // When a measurement fails, its server is ended first.
  client.on('error', () => {});
  await client.connect();
  const counts = async () => {
    const { rows } = await client.query<Record<string, string>>(COUNTS, [database]);
    return Object.fromEntries(
      Object.entries(rows[0] ?? {}).map(([name, value]) => [name, Number(value)]),
    ) as unknown as Counts;
  };
  const postmaster = Number(readFileSync(join(server.data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const times = () => ({
    postgres: familyTime(postmaster),
    verifiers: pids.map((pid) => ({ pid, threads: threadTimes(pid) })),
  });
  const seen = new Map<string, number>();
  let [samples, over] = [0, false];
  const sample = async () => {
    for (; !over; await setTimeout(SAMPLE_MS)) {
      const { rows } = await client.query<{ what: string; many: number }>(DOING, [database]);
      samples += 1;
      for (const { what, many } of rows) seen.set(what, (seen.get(what) ?? 0) + many);
    }
  };
  const [began, before] = [times(), await counts()];
  const sampling = sample();
  sampling.catch(() => {});
  return {
    async end(verifications: number): Promise<Usage> {
      const ended = times();
      over = true;
      await sampling;
      const after = await counts();
      await client.end();
      const per = (sum: number) => rounded(sum / verifications);
      const kinds = { answering: 0, checking: 0, other: 0 };
      for (const [i, { pid, threads }] of ended.verifiers.entries()) {
        const earlier = began.verifiers[i]?.threads;
        const used = [...threads].map(([id, ms]) => ({ id, ms: ms - (earlier?.get(id) ?? 0) }));
        // One thread checks proofs on two cores: of those that do not answer, none uses more.
        const others = used.filter(({ id }) => id !== pid).sort((a, b) => b.ms - a.ms);
        const checkers = Math.max(1, availableParallelism() - 1);
        kinds.answering += used.find(({ id }) => id === pid)?.ms ?? 0;
        for (const [place, { ms }] of others.entries()) kinds[place < checkers ? 'checking' : 'other'] += ms;
      }
      const { answering, checking, other } = kinds;
      return {
        perMs: {
          verifier: per(answering + checking + other),
          ...{ answering: per(answering), checking: per(checking), other: per(other) },
          postgres: per(ended.postgres - began.postgres),
        },
        perWalBytes: Math.round((after.wal - before.wal) / verifications),
        perSyncs: per(after.syncs - before.syncs),
        connections: after.connections,
        doing: Object.fromEntries([...seen].map(([what, sum]) => [what, rounded(sum / samples)])),
      };
    },
  };
}
