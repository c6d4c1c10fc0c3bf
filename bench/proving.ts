import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FACT_IDS, type FactId, parseField, parseProof } from '@akashi/circuits';
import type { Browser, Page } from 'playwright-core';
import { artifactFile } from '../circuits/artifact.ts';
import { compileFact } from '../circuits/compilation.ts';
import { endSnarkjs, snarkjs } from '../circuits/snarkjs.ts';
import { verifyProof } from '../verifier/proof.ts';
import type { VerificationKeys } from '../verifier/verification-keys.ts';
import { proofText } from './peer-key.ts';
import { openSite, type SiteFiles } from './phone-site.ts';
import type { TimedProof } from './proving-page.ts';
import { median, rounded } from './quantile.ts';
import { eachFact, type Results } from './results.ts';
import { type Semaphore, semaphoreInputs } from './semaphore.ts';

// How long a phone needs for a proof. A desktop browser stands in for it: as it is, and slowed. The browser slows a
// page's main thread only, never its workers, so all proofs are made there, ours and the peers', plain and slowed.
// Ours and a peer's take turns, so that whatever else the machine does meets both.

const SLOW_DOWN = 4;
const CALIBRATIONS = 9;
const WARM_UP = 2;

export interface ProvingOptions {
  readonly browser: Browser;
  /** The page of proving-page.ts. */
  readonly page: SiteFiles;
  readonly keys: VerificationKeys;
  readonly semaphore: Semaphore | null;
  /** Of Semaphore's prover, which is slow. */
  readonly semaphoreRuns: number;
  /** Of everything. */
  readonly runs: number;
  readonly say: (line: string) => void;
}

export type BrowserFigures = Omit<Results['prove'], 'bindPlainMs'>;

/** @throws Error when a proof does not hold or the page is not well */
export async function measureProving(options: ProvingOptions): Promise<BrowserFigures> {
  const site = await openSite('proving-page.js', await siteFiles(options));
  const context = await options.browser.newContext();
  try {
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    await page.goto(site.address);
    await page.waitForFunction(() => 'provingPage' in globalThis);
    const figures = await measure(page, options);
    // A violated policy is reported on the console.
    if (faults.length > 0) throw new Error(`the page is not well: ${faults.join('; ')}`);
    return figures;
  } finally {
    await context.close();
    site.close();
    await endSnarkjs();
  }
}

/** The page, and what snarkjs proves from: each circuit as circom compiles it, with the key that ours is made of. */
async function siteFiles({ page, semaphore, say }: ProvingOptions): Promise<SiteFiles> {
  const files = new Map(page);
  const folder = await mkdtemp(join(tmpdir(), 'akashi-circuits-'));
  try {
    for (const fact of FACT_IDS) {
      say(`compiling ${fact} for snarkjs`);
      const { wasm } = await compileFact(fact, folder);
      const zkey = new URL(`../circuits/artifacts/${artifactFile(fact, 'zkey').name}`, import.meta.url);
      files.set(`peers/${fact}.wasm`, wasm).set(`peers/${fact}.zkey`, await readFile(zkey));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  if (semaphore !== null) {
    files.set('peers/semaphore.wasm', semaphore.wasm).set('peers/semaphore.zkey', semaphore.zkey);
  }
  return files;
}

async function measure(page: Page, options: ProvingOptions): Promise<BrowserFigures> {
  const { runs, semaphore, semaphoreRuns, say } = options;
  const devtools = await page.context().newCDPSession(page);
  // Calibrated before and after, in both states: other work on this machine may come and go.
  const plain = await calibrate(page);
  const facts = await eachFact(async (fact) => {
    say(`proving ${fact}: prepare, snarkjs, bind`);
    const times = await inTurns(runs, {
      prepareMs: () => page.evaluate((of) => globalThis.provingPage.prepare(of), fact),
      snarkjsMs: () => snarkjsProof(page, fact, options),
    });
    return { bindMs: await bindFigure(page, fact, options), ...times };
  });
  const plainMs = semaphore && (await semaphoreFigure(page, semaphore, options));
  plain.push(...(await calibrate(page)));

  await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOW_DOWN });
  const slowed = await calibrate(page);
  const slowFacts = await eachFact(async (fact) => {
    say(`proving ${fact}, slowed: snarkjs, bind`);
    const times = await inTurns(runs, { snarkjsMs: () => snarkjsProof(page, fact, options) });
    return { bindMs: await bindFigure(page, fact, options), ...times };
  });
  const slow4xMs = semaphore && (await semaphoreFigure(page, semaphore, options));
  slowed.push(...(await calibrate(page)));
  return {
    ...{ runs, ...facts },
    semaphore: plainMs === null || slow4xMs === null ? null : { runs: semaphoreRuns, plainMs, slow4xMs },
    slow4x: {
      slowDown: rounded(median(slowed) / median(plain)),
      ...slowFacts,
    },
  };
}

async function calibrate(page: Page): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < CALIBRATIONS; run++) {
    times.push(await page.evaluate(() => globalThis.provingPage.calibrate()));
  }
  return times;
}

/** Medians of what takes turns. */
async function inTurns<Name extends string>(
  runs: number,
  work: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Record<Name, number>> {
  const names = Object.keys(work) as Name[];
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let run = -WARM_UP; run < runs; run++) {
    for (const name of names) {
      const ms = await work[name]();
      if (run >= 0) times.get(name)?.push(ms);
    }
  }
  const medians = names.map((name) => [name, rounded(median(times.get(name) ?? []))] as const);
  return Object.fromEntries(medians) as Record<Name, number>;
}

/** For binding, which has nothing to take turns with: of all its steps the shortest by far. */
async function bindFigure(page: Page, fact: FactId, { keys, runs }: ProvingOptions): Promise<number> {
  const { bindMs } = await inTurns(runs, {
    bindMs: async () =>
      msIfGood(fact, keys, await page.evaluate((of) => globalThis.provingPage.bind(of), fact)),
  });
  return bindMs;
}

async function snarkjsProof(page: Page, fact: FactId, { keys }: ProvingOptions): Promise<number> {
  return msIfGood(fact, keys, await page.evaluate((of) => globalThis.provingPage.snarkjs(of), fact));
}

function msIfGood(fact: FactId, keys: VerificationKeys, { ms, proof, signals }: TimedProof): number {
  if (!verifyProof(keys[fact], signals.map(parseField), parseProof(proof))) {
    throw new Error(`${fact}: a proof does not hold`);
  }
  return ms;
}

async function semaphoreFigure(
  page: Page,
  { verificationKey }: Semaphore,
  { semaphoreRuns, say }: ProvingOptions,
): Promise<number> {
  say('proving with Semaphore');
  const { ms: figure } = await inTurns(semaphoreRuns, {
    ms: async () => {
      const { ms, proof, signals } = await page.evaluate(
        (inputs) => globalThis.provingPage.snarkjsOn('semaphore', inputs),
        semaphoreInputs(),
      );
      if (!(await snarkjs.groth16.verify(verificationKey, signals, proofText(proof)))) {
        throw new Error('semaphore: a proof does not hold');
      }
      return ms;
    },
  });
  return figure;
}
