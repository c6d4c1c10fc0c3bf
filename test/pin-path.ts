import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median } from '../bench/quantile.ts';
import { findChromium, HOW_TO_GET_CHROMIUM, launchChromium } from '../examples/pre-call/browser.ts';
import { newAccount, newPin, openWorld, startOf } from './harness.ts';
import { bundlePage, openPageSite } from './page-site.ts';
import type { PinPath, PinPathPage } from './pin-path-page.ts';
import { setup } from './setup.ts';

// `npm run measure:pin-path`: from the PIN typed to the presentation sent, on a main thread slowed four times, over
// loopback; two facts, both prepared. The first of a page comes once without anything warmed but what the page's idle time
// warms, as a customer has it, so every run is a fresh page.

const RUNS = Number(process.argv[2] ?? 15);
const PROFILE = process.argv[3];
const SLOW_DOWN = 4;
const SUBJECT = 'path';

const tearDown = setup();
const world = await openWorld();
const accounts = [newAccount()];
const scripts = await bundlePage({
  page: fileURLToPath(new URL('pin-path-page.ts', import.meta.url)),
  worker: '@akashi/sdk/prover-worker',
  from: fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, ''),
  conditions: ['akashi-source'],
});
const site = await openPageSite({
  scripts,
  artifacts: fileURLToPath(new URL('../circuits/artifacts/', import.meta.url)),
  verifier: world.origin,
  exchange: (receipt) => bank.issuer.issueAccounts({ receipt, subject: SUBJECT, accounts }),
});
const bank = await world.tenant('aoba', [site.origin]);
const executablePath = await findChromium(process.env.CHROMIUM_PATH, process.env.PATH);
if (executablePath === null) throw new Error(HOW_TO_GET_CHROMIUM);
const browser = await launchChromium(executablePath);
const context = await browser.newContext();
const pin = newPin();

async function openPage() {
  const page = await context.newPage();
  await page.goto(site.origin);
  const tell = <Name extends keyof PinPathPage>(name: Name, ...args: Parameters<PinPathPage[Name]>) =>
    page.evaluate(
      ([called, given]) => {
        const { pinPathPage } = globalThis as unknown as {
          pinPathPage: Record<string, (...args: readonly unknown[]) => unknown>;
        };
        return pinPathPage[called]?.(...given);
      },
      [name, args] as const,
    ) as Promise<Awaited<ReturnType<PinPathPage[Name]>>>;
  await tell('open', world.origin);
  return { page, tell, devtools: await context.newCDPSession(page) };
}

const first = await openPage();
const { fragment } = await bank.issuer.requestEnrolment(SUBJECT);
await first.tell('enrol', fragment, pin);
await first.page.close();

const paths: PinPath[] = [];
const reached: number[] = [];
for (let run = 0; run < RUNS; run++) {
  const { page, tell, devtools } = await openPage();
  const plain = await tell('calibrate');
  const { verification, code = '' } = await bank.issuer.start(startOf(SUBJECT));
  await tell('accept', verification);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOW_DOWN });
  reached.push((await tell('calibrate')) / plain);
  // The customer types for some seconds; the page's idle time passes.
  await page.waitForTimeout(1500);
  if (PROFILE && run === RUNS - 1) {
    await devtools.send('Profiler.enable');
    await devtools.send('Profiler.setSamplingInterval', { interval: 200 });
    await devtools.send('Profiler.start');
  }
  const { verdict, ...path } = await tell('present', verification, code, pin);
  if (verdict !== 'passed') throw new Error(`the verdict is ${verdict}`);
  if (PROFILE && run === RUNS - 1) {
    writeFileSync(PROFILE, JSON.stringify((await devtools.send('Profiler.stop')).profile));
  }
  paths.push(path);
  await page.close();
}

const of = (name: keyof PinPath) => Math.round(median(paths.map((path) => path[name])));
console.log(
  JSON.stringify({
    runs: RUNS,
    slowDown: Number(median(reached).toFixed(1)),
    pinSentMs: of('pinSent'),
    pinAnsweredMs: of('pinAnswered'),
    presentationSentMs: of('presentationSent'),
    all: paths.map(({ presentationSent }) => Math.round(presentationSent)),
  }),
);
await browser.close();
site.close();
await world.close();
tearDown();
