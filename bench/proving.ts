import { FACT_IDS, type FactId, parseField, parseProof } from '@akashi/circuits';
import type { Page } from 'playwright-core';
import { launchChromium } from '../examples/pre-call/browser.ts';
import { verifyProof } from '../verifier/proof.ts';
import type { VerificationKeys } from '../verifier/verification-keys.ts';
import { openPhoneSite } from './phone-site.ts';
import type { Where } from './proving-page.ts';
import { median, rounded } from './quantile.ts';
import type { Results } from './results.ts';

// How long a phone needs for a proof. A desktop browser stands in for it: as it is, and slowed. The browser slows a
// page's main thread only, never its workers, so slowed proofs are made on the main thread by the same prover code;
// unslowed ones are made there too, so that the two can be compared.

const SLOW_DOWN = 4;
const CALIBRATIONS = 9;
const WARM_UP = 3;

export interface ProvingOptions {
  /** Path of the browser. */
  readonly chromium: string;
  readonly scripts: { readonly page: Uint8Array; readonly worker: Uint8Array };
  readonly keys: VerificationKeys;
  /** Proofs of each fact in each place. */
  readonly runs: number;
  readonly say: (line: string) => void;
}

export interface Proving {
  readonly figures: Results['proving'];
  /** What the browser calls its version. */
  readonly browser: string;
  /** Names of the artifacts that the page downloaded. */
  readonly artifacts: readonly string[];
}

/** @throws Error when a proof does not hold or the page is not well */
export async function measureProving(options: ProvingOptions): Promise<Proving> {
  const site = await openPhoneSite(options.scripts);
  const browser = await launchChromium(options.chromium);
  try {
    const page = await browser.newPage();
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
    return { figures, browser: browser.version(), artifacts: [...site.artifacts].sort() };
  } finally {
    await browser.close();
    site.close();
  }
}

async function measure(page: Page, options: ProvingOptions): Promise<Results['proving']> {
  const devtools = await page.context().newCDPSession(page);
  // Calibrated before and after, in both states: other work on this machine may come and go.
  const plain = await calibrate(page);
  const facts = new Map<FactId, { worker: number; mainThread: number }>();
  for (const fact of FACT_IDS) {
    options.say(`proving ${fact}: worker, main thread`);
    const worker = await medianOf(page, 'worker', fact, options);
    facts.set(fact, { worker, mainThread: await medianOf(page, 'mainThread', fact, options) });
  }
  plain.push(...(await calibrate(page)));

  await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOW_DOWN });
  const slowed = await calibrate(page);
  const measured: Results['proving']['facts'] = [];
  for (const [fact, medians] of facts) {
    options.say(`proving ${fact}: main thread, slowed`);
    const mainThreadSlowed = await medianOf(page, 'mainThread', fact, options);
    measured.push({ fact, runs: options.runs, ...medians, mainThreadSlowed });
  }
  slowed.push(...(await calibrate(page)));
  return { calibration: calibration(median(plain), median(slowed)), facts: measured };
}

function calibration(plain: number, slowed: number): Results['proving']['calibration'] {
  return {
    asked: SLOW_DOWN,
    plain: rounded(plain),
    slowed: rounded(slowed),
    reached: rounded(slowed / plain),
  };
}

async function calibrate(page: Page): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < CALIBRATIONS; run++) {
    times.push(await page.evaluate(() => globalThis.provingPage.calibrate()));
  }
  return times;
}

async function medianOf(
  page: Page,
  where: Where,
  fact: FactId,
  { keys, runs }: ProvingOptions,
): Promise<number> {
  const times: number[] = [];
  for (let run = -WARM_UP; run < runs; run++) {
    const { ms, proof, signals } = await page.evaluate(
      (call) => globalThis.provingPage.prove(call.where, call.fact),
      { where, fact },
    );
    if (!verifyProof(keys[fact], signals.map(parseField), parseProof(proof))) {
      throw new Error(`${fact}: a proof made in the ${where} does not hold`);
    }
    if (run >= 0) times.push(ms);
  }
  return rounded(median(times));
}
