import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Prover } from '@akashi/sdk/holder';
import { generateIssuerKeys, type Issuer, openIssuer } from '@akashi/sdk/issuer';
import { type Caller, openCaller, POLICY, type PreparedCall, PURPOSE } from './caller.ts';
import { rounded, spreadOf } from './quantile.ts';
import type { Results } from './results.ts';
import { startVerifierProcess, TENANT, type VerifierProcess } from './verifier-process.ts';

// The wait that operator and customer feel: from the presentation leaving the phone to the verdict readable at the
// desk, over HTTP on this machine, with the verifier in its own process on an SQLite file that syncs every commit.
// Proofs are made ahead, since the phone's time is measured elsewhere. A presentation fits its own verification only,
// and that lives two minutes, so calls are prepared and measured in batches.

/** A batch is measured while its calls are young, however slow this machine makes proofs. */
const PREPARE_MS = 60_000;

export interface VerifyPathOptions {
  readonly prover: Prover;
  /** Customers, each with a phone and a desk; a batch is at most one call of each. */
  readonly callers: number;
  /** How many of them present at once under load. */
  readonly phones: number;
  readonly warmUpRuns: number;
  readonly singleRuns: number;
  readonly loadRuns: number;
  readonly say: (line: string) => void;
}

export async function measureVerifyPath(options: VerifyPathOptions): Promise<Results['verifyPath']> {
  const folder = await mkdtemp(join(tmpdir(), 'akashi-bench-'));
  const verifier = await startVerifierProcess(folder, options.callers);
  try {
    options.say(`enrolling ${options.callers} phones`);
    const callers = await openCallers(verifier, options);
    const { say, phones } = options;

    say(`verify path: warm-up, ${options.warmUpRuns} runs`);
    await measure(callers, options.warmUpRuns, phones);
    say(`verify path: one at a time, ${options.singleRuns} runs`);
    const single = await measure(callers, options.singleRuns, 1);
    say(`verify path: ${phones} at once, ${options.loadRuns} runs`);
    const load = await measure(callers, options.loadRuns, phones);
    const perSecond = rounded((load.times.length / load.ms) * 1000);
    return { single: spreadOf(single.times), load: { ...spreadOf(load.times), phones, perSecond } };
  } finally {
    await verifier.stop();
    await rm(folder, { recursive: true });
  }
}

async function openCallers(
  { origin, apiKey, signIns }: VerifierProcess,
  { prover }: VerifyPathOptions,
): Promise<readonly Caller[]> {
  const keys = await generateIssuerKeys();
  const issuer: Issuer = await openIssuer({ verifier: origin, apiKey, tenant: TENANT, ...keys });
  await issuer.register();
  await issuer.putPolicy({
    policy: POLICY,
    facts: ['pin', 'account'],
    purposes: [{ id: PURPOSE, text: { ja: '計測', en: 'Benchmark' } }],
  });
  const callers: Caller[] = [];
  for (const [i, signIn] of signIns.entries()) {
    callers.push(await openCaller({ verifier: origin, issuer, prover, subject: `customer-${i}`, signIn }));
  }
  return callers;
}

interface Measured {
  readonly times: readonly number[];
  /** Wall time of all batches together, preparation apart. */
  readonly ms: number;
}

/** @param lanes how many present at once */
async function measure(callers: readonly Caller[], runs: number, lanes: number): Promise<Measured> {
  const times: number[] = [];
  let ms = 0;
  while (times.length < runs) {
    const batch = await prepareBatch(callers, runs - times.length);
    const begun = performance.now();
    times.push(...(await presentAll(batch, lanes)));
    ms += performance.now() - begun;
  }
  return { times, ms };
}

async function prepareBatch(callers: readonly Caller[], atMost: number): Promise<PreparedCall[]> {
  const batch: PreparedCall[] = [];
  const begun = performance.now();
  for (const caller of callers.slice(0, atMost)) {
    batch.push(await caller.prepare());
    if (performance.now() - begun > PREPARE_MS) break;
  }
  return batch;
}

async function presentAll(batch: readonly PreparedCall[], lanes: number): Promise<number[]> {
  const waiting = [...batch];
  const times: number[] = [];
  const lane = async () => {
    for (let call = waiting.shift(); call !== undefined; call = waiting.shift()) {
      times.push(await call.present());
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return times;
}
