import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tenantScope } from '@akashi/circuits';
import type { Prover } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { generateIssuerKeys, openIssuer } from '@akashi/sdk/issuer';
import { quantile, rounded } from './quantile.ts';
import type { Results } from './results.ts';
import { openServiceConnection, type ServiceConnection } from './service-connection.ts';
import { openServiceDesk, type ServiceDesk } from './service-desk.ts';
import {
  type AcceptedRequest,
  enrolServicePhone,
  SERVICE_FACTS,
  type ServicePhone,
} from './service-phone.ts';
import {
  type BenchTenant,
  startVerifierProcess,
  type VerifierProcess,
  type VerifierUsage,
} from './verifier-process.ts';

// The verifier as a service: HTTP on this machine, in a process of its own, on an SQLite file that syncs every commit;
// the load in this process, on the same cores. Each verification is of two facts, each device call signed, and only
// what a watching desk has read as `passed` counts; anything else ends the measurement.
//
// - p50, p99: one caller at a time, from the presentation posted until the desk has read the verdict.
// - perSecond: whole verifications, started at the desk, accepted, presented and read, many callers at once.
// - presentationsPerSecond: the same, with start and accept done before the clock runs.
//
// What the phones of the load leave out is in service-phone.ts.

const POLICY = 'service';
const PURPOSE = 'bench';

// A tenant starts at most 600 verifications a minute, an operator 60 (docs/protocol.md, section 8).
const STARTS_PER_TENANT = 600;
const OPERATORS_EACH = 10;

export interface ServiceAmounts {
  /** Callers at once, under load. */
  readonly phones: number;
  /** Verifications that can be started within a minute: so many tenants are made. */
  readonly startsAMinute: number;
  readonly singleRuns: number;
  /** For how long each kind of load is counted. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** What the committed figures are of. */
export const SERVICE_FULL: ServiceAmounts = {
  phones: 16,
  startsAMinute: 24_000,
  singleRuns: 300,
  seconds: 30,
  warmUpSeconds: 5,
};

export interface ServiceOptions extends ServiceAmounts {
  readonly prover: Prover;
  readonly say: (line: string) => void;
}

/** A customer with a phone, and the desks that ask, each in turn. */
export interface Caller {
  readonly phone: ServicePhone;
  readonly desks: ServiceDesk[];
}

interface AcceptedCall {
  readonly desk: ServiceDesk;
  readonly verification: string;
  readonly code: string;
  readonly request: AcceptedRequest;
}

/** @throws Error for anything but a pass, wherever */
export async function measureService(options: ServiceOptions): Promise<Results['service']> {
  const { say, phones, seconds, warmUpSeconds, singleRuns } = options;
  const folder = await mkdtemp(join(tmpdir(), 'akashi-service-'));
  const tenants = Math.max(phones, Math.ceil(options.startsAMinute / STARTS_PER_TENANT));
  const verifier = await startVerifierProcess(folder, { tenants, operatorsEach: OPERATORS_EACH });
  const connection = openServiceConnection(verifier.origin, 4 * phones);
  try {
    say(`service: enrolling ${tenants} phones`);
    const callers = await openCallers(verifier, connection, options);
    say(`service: warming up for ${warmUpSeconds} s`);
    await underLoad(callers, phones, warmUpSeconds);
    say(`service: one caller at a time, ${singleRuns} runs`);
    const single = await oneByOne(callers, singleRuns);
    say(`service: ${phones} phones at once, ${seconds} s`);
    const load = await underLoad(callers, phones, seconds, verifier);
    say(`service: ${phones} phones at once, presentations alone, ${seconds} s`);
    const presentations = await presentationsAlone(callers, phones, seconds);
    return {
      ...{ runs: single.length, ...spread(single) },
      perSecond: rounded(load.times.length / load.seconds),
      presentationsPerSecond: rounded(presentations.passed / presentations.seconds),
      load: {
        phones,
        seconds: rounded(load.seconds),
        passed: load.times.length,
        ...spread(load.times),
        verifierCpuMs: rounded(load.verifier.processorMs / load.times.length),
        writtenKb: rounded(load.verifier.writtenKb / load.times.length),
        loadCpuMs: rounded(load.loadMs / load.times.length),
      },
    };
  } finally {
    connection.close();
    await verifier.stop();
    await rm(folder, { recursive: true });
  }
}

export async function openCallers(
  { origin, tenants }: VerifierProcess,
  connection: ServiceConnection,
  { prover }: Pick<ServiceOptions, 'prover'>,
): Promise<readonly Caller[]> {
  const keys = await generateIssuerKeys();
  const open = async ({ tenant, apiKey, signIns }: BenchTenant): Promise<Caller> => {
    const issuer = await openIssuer({ verifier: origin, apiKey, tenant, ...keys });
    await issuer.register();
    await issuer.putPolicy({
      policy: POLICY,
      facts: [...SERVICE_FACTS],
      purposes: [{ id: PURPOSE, text: { ja: '計測', en: 'Benchmark' } }],
    });
    const [subject, scope] = [`customer-of-${tenant}`, await tenantScope(tenant)];
    const phone = await enrolServicePhone({ connection, issuer, tenantScope: scope, subject, prover });
    const desks: ServiceDesk[] = [];
    for (const signIn of signIns) {
      desks.push(await openServiceDesk({ connection, signIn, policy: POLICY, purpose: PURPOSE }));
    }
    return { phone, desks };
  };
  const callers: Caller[] = [];
  for (const tenant of tenants) callers.push(await open(tenant));
  return callers;
}

async function call({ phone, desks }: Caller): Promise<AcceptedCall> {
  const desk = desks.shift();
  if (desk === undefined) throw new TypeError('no desk');
  desks.push(desk);
  const { verification, code } = await desk.start(phone.subject);
  return { desk, verification, code, request: await phone.accept(verification) };
}

/** Milliseconds from the presentation posted until the desk has read the verdict. */
async function present({ desk, verification, code, request }: AcceptedCall): Promise<number> {
  const presentation = request.prepare(code);
  const watch = await desk.watch(verification);
  const posted = performance.now();
  const answered = presentation.send();
  const [read] = await Promise.all([watch.passed().then(() => performance.now()), answered]);
  return read - posted;
}

async function oneByOne(callers: readonly Caller[], runs: number): Promise<number[]> {
  const times: number[] = [];
  const waiting = [...callers];
  while (times.length < runs)
    times.push(await inTurn(waiting, async (caller) => present(await call(caller))));
  return times;
}

export interface Load {
  readonly times: readonly number[];
  readonly seconds: number;
  readonly loadMs: number;
  readonly verifier: VerifierUsage;
}

/** Whole verifications until the time is over; those that are read after it do not count. */
export async function underLoad(
  callers: readonly Caller[],
  lanes: number,
  seconds: number,
  verifier?: VerifierProcess,
): Promise<Load> {
  const waiting = [...callers];
  const times: number[] = [];
  const [usedHere, usedThere] = [process.cpuUsage(), await verifier?.usage()];
  const begun = performance.now();
  const end = begun + seconds * 1000;
  const lane = async () => {
    while (performance.now() < end) {
      const ms = await inTurn(waiting, async (caller) => present(await call(caller)));
      if (performance.now() <= end) times.push(ms);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const { user, system } = process.cpuUsage(usedHere);
  const used = await verifier?.usage();
  return {
    ...{ times, seconds, loadMs: (user + system) / 1000 },
    verifier: {
      processorMs: (used?.processorMs ?? 0) - (usedThere?.processorMs ?? 0),
      writtenKb: (used?.writtenKb ?? 0) - (usedThere?.writtenKb ?? 0),
    },
  };
}

/** For how long a batch is accepted, well within the two minutes that a verification lives, however slow this machine. */
const ACCEPTING_MS = 15_000;

/** Presentations of verifications that were started and accepted while the clock stood, batch after batch. */
async function presentationsAlone(
  callers: readonly Caller[],
  lanes: number,
  seconds: number,
): Promise<{ readonly passed: number; readonly seconds: number }> {
  let [passed, ms] = [0, 0];
  while (ms < seconds * 1000) {
    const batch = await acceptedCalls(callers, lanes, Math.min(ACCEPTING_MS, seconds * 1000));
    const begun = performance.now();
    passed += (await presentAll(batch, lanes)).length;
    ms += performance.now() - begun;
  }
  return { passed, seconds: ms / 1000 };
}

/** As many as can be started and accepted in so much time. */
export async function acceptedCalls(
  callers: readonly Caller[],
  lanes: number,
  ms: number,
): Promise<readonly AcceptedCall[]> {
  const waiting = [...callers];
  const batch: AcceptedCall[] = [];
  const end = performance.now() + ms;
  await inLanes(lanes, async () => {
    if (performance.now() >= end) return false;
    batch.push(await inTurn(waiting, call));
    return true;
  });
  return batch;
}

/** What each took in milliseconds, until its desk had read the verdict. */
export async function presentAll(batch: readonly AcceptedCall[], lanes: number): Promise<readonly number[]> {
  const left = [...batch];
  const times: number[] = [];
  await inLanes(lanes, async () => {
    const accepted = left.shift();
    if (accepted === undefined) return false;
    times.push(await present(accepted));
    return true;
  });
  return times;
}

async function inLanes(lanes: number, step: () => Promise<boolean>): Promise<void> {
  const lane = async () => {
    while (await step());
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** The one that has waited longest, so that everyone's limits are used alike. */
async function inTurn<T>(waiting: Caller[], work: (caller: Caller) => Promise<T>): Promise<T> {
  const caller = waiting.shift();
  if (caller === undefined) throw new TypeError('fewer callers than lanes');
  const result = await work(caller);
  waiting.push(caller);
  return result;
}

function spread(times: readonly number[]): { p50Ms: number; p95Ms: number; p99Ms: number } {
  const at = (share: number) => rounded(quantile(times, share));
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
}

async function main(args: readonly string[]): Promise<void> {
  const { phones, seconds } = SERVICE_FULL;
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: String(seconds) },
      phones: { type: 'string', default: String(phones) },
    },
  });
  const figures = await measureService({
    ...SERVICE_FULL,
    phones: Number(values.phones),
    seconds: Number(values.seconds),
    prover: inlineProver(),
    say: (line) => console.error(line),
  });
  console.log(JSON.stringify(figures));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
