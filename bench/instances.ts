import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Prover } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { createTestDatabase } from '../verifier/postgres-fixtures.ts';
import { startPostgresServer } from '../verifier/postgres-server.ts';
import { type Usage, watchUsage } from './instances-watch.ts';
import { describeMachine, describeSources, packageVersions } from './machine.ts';
import { quantile, rounded } from './quantile.ts';
import { RESULTS_FILE } from './report.ts';
import { readResults } from './results.ts';
import { INSTANCES_FILE, writeScale } from './scale.ts';
import { acceptedCalls, openCallers, presentAll, underLoad } from './service.ts';
import { openServiceConnection } from './service-connection.ts';
import { startVerifierProcess, type VerifierProcess } from './verifier-process.ts';

// One verifier and several on one PostgreSQL, all on this machine, under the load of service.ts: how many verifications a
// second, and what they cost whom; then presentations alone, the part that proofs are checked in. Every call goes to the next verifier, so a phone's and a desk's are rarely the same one.
// The server writes to a disk and syncs each commit.

const USAGE = `npx tsx --conditions=akashi-source bench/instances.ts [--verifiers 1,3] [--seconds 30] [--phones 16] [--write]

Measures verifications of two facts on one PostgreSQL, which it starts from this machine's binaries. Needs Linux.

  --write   the figures go to bench/instances.json as well`;

const ROOT = new URL('../', import.meta.url);
/** For each verifier: of three, each has a third of the load, and its code takes three times as long to be compiled. */
const WARM_UP_SECONDS = 15;
/** For how long verifications are started and accepted whose presentations are measured, well within the two minutes that they live. */
const ACCEPTING_SECONDS = 15;
/** Each starts at most 600 verifications a minute, with ten operators. */
const TENANTS = 24;
const OPERATORS_EACH = 10;

export interface InstancesAmounts {
  readonly verifiers: number;
  /** Callers at once. */
  readonly phones: number;
  readonly seconds: number;
  readonly warmUpSeconds?: number;
  readonly acceptingSeconds?: number;
  readonly tenants?: number;
}

export interface InstancesFigures extends Usage {
  readonly verifiers: number;
  readonly phones: number;
  readonly seconds: number;
  readonly passed: number;
  readonly perSecond: number;
  /** From the presentation posted until the desk has read the verdict. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of phones and desks, for each verification. */
  readonly loadMs: number;
  /** Of this machine's processors, what all of these had: the less, the more somebody else was measured, too. */
  readonly share: number;
  /** From the desk that begins to watch to the desk that has read the verdict: starting and accepting came before. */
  readonly presentations: {
    readonly passed: number;
    readonly perSecond: number;
    readonly perMs: Usage['perMs'];
  };
}

/** @throws Error for anything but a pass, wherever */
export async function measureInstances(amounts: InstancesAmounts, prover: Prover): Promise<InstancesFigures> {
  const { verifiers: count, phones, seconds, tenants = TENANTS } = amounts;
  const { warmUpSeconds = WARM_UP_SECONDS, acceptingSeconds = ACCEPTING_SECONDS } = amounts;
  const folder = await mkdtemp(join(tmpdir(), 'akashi-instances-'));
  const server = await startPostgresServer({ folder: tmpdir() });
  const verifiers: VerifierProcess[] = [];
  try {
    const { url: databaseUrl } = await createTestDatabase({ server: server.url });
    const first = await startVerifierProcess(folder, { tenants, operatorsEach: OPERATORS_EACH, databaseUrl });
    verifiers.push(first);
    const { origin } = first;
    const beside = { tenants: 0, operatorsEach: 0, databaseUrl, origin };
    while (verifiers.length < count) verifiers.push(await startVerifierProcess(folder, beside));
    const ports = verifiers.map(({ port }) => port);
    const connection = openServiceConnection(origin, 4 * phones, ports);
    const callers = await openCallers(first, connection, { prover });
    await underLoad(callers, phones, warmUpSeconds * count);
    const pids = verifiers.map(({ pid }) => pid);
    const watch = () => watchUsage(server, new URL(databaseUrl).pathname.slice(1), pids);
    const usage = await watch();
    const { times, loadMs } = await underLoad(callers, phones, seconds);
    const used = await usage.end(times.length);
    const presentations = await measurePresentations(
      await acceptedCalls(callers, phones, acceptingSeconds * 1000),
      { phones, watch },
    );
    connection.close();
    const at = (share: number) => rounded(quantile(times, share));
    return {
      ...{ verifiers: count, phones, seconds, passed: times.length },
      ...{ perSecond: rounded(times.length / seconds), p50Ms: at(0.5), p99Ms: at(0.99) },
      ...{ ...used, loadMs: rounded(loadMs / times.length) },
      share: rounded(
        ((used.perMs.verifier + used.perMs.postgres) * times.length + loadMs) /
          (seconds * 1000 * availableParallelism()),
      ),
      presentations,
    };
  } finally {
    for (const verifier of verifiers) await verifier.stop();
    await server.stop();
    await rm(folder, { recursive: true });
  }
}

async function measurePresentations(
  batch: Awaited<ReturnType<typeof acceptedCalls>>,
  { phones, watch }: { readonly phones: number; readonly watch: () => ReturnType<typeof watchUsage> },
): Promise<InstancesFigures['presentations']> {
  const usage = await watch();
  const begun = performance.now();
  const { length: passed } = await presentAll(batch, phones);
  const perSecond = rounded((passed * 1000) / (performance.now() - begun));
  return { passed, perSecond, perMs: (await usage.end(passed)).perMs };
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      verifiers: { type: 'string', default: '1,3' },
      seconds: { type: 'string', default: '30' },
      phones: { type: 'string', default: '16' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const [seconds, phones] = [Number(values.seconds), Number(values.phones)];
  const prover = inlineProver();
  const runs: InstancesFigures[] = [];
  for (const verifiers of values.verifiers.split(',').map(Number)) {
    console.error(`${verifiers} verifiers, ${phones} phones, ${seconds} s`);
    runs.push(await measureInstances({ verifiers, seconds, phones }, prover));
  }
  prover.close();
  const { chromium: _, ...machine } = await describeMachine('');
  const about = { date: new Date().toISOString(), ...(await describeSources(ROOT)), machine };
  const text = JSON.stringify({ ...about, packages: await packageVersions(ROOT), runs }, null, 2);
  if (values.write) {
    await writeFile(INSTANCES_FILE, `${text}\n`);
    await writeScale(await readResults(RESULTS_FILE));
  }
  console.log(text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
