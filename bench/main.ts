import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { findChromium, HOW_TO_GET_CHROMIUM, launchChromium } from '../examples/pre-call/browser.ts';
import { loadVerificationKeys, type VerificationKeys } from '../verifier/verification-keys.ts';
import { DOWNLOAD_ENTRIES, measureDownload } from './download.ts';
import { ISSUING_FULL, type IssuingAmounts, measureIssuing } from './issuing.ts';
import { describeMachine, describeSources, packageVersions } from './machine.ts';
import { bundle, type SiteFiles } from './phone-site.ts';
import { measurePlainBinding } from './plain-binding.ts';
import { type BrowserFigures, measureProving } from './proving.ts';
import { RESULTS_FILE, renderResults, writeReport } from './report.ts';
import { overBudget, type Results, writeResults } from './results.ts';
import { loadSemaphore } from './semaphore.ts';
import { measureService, SERVICE_FULL, type ServiceAmounts } from './service.ts';
import { measureVerifying } from './verifying.ts';

const USAGE = `npm run bench -- [--quick] [--json]

Measures verifying, proving, the service and what a phone loads, beside the peers; writes bench/results.json and the
tables and charts of the READMEs. Exits with 1 when the 95th percentile of the verify path is over two seconds.

  --quick   fewer runs, to see that it works; writes out/bench/results.json only
  --json    the last line on standard output is the results as one JSON object`;

const ROOT = new URL('../', import.meta.url);
const OUT = new URL('out/bench/', ROOT);

interface Amounts {
  /** Of everything that has a median. */
  readonly runs: number;
  /** Of Semaphore's prover, which is slow: five minutes for as many as of the others. */
  readonly semaphoreRuns: number;
  readonly service: ServiceAmounts;
  readonly issuing: IssuingAmounts;
}

const FULL: Amounts = { runs: 31, semaphoreRuns: 9, service: SERVICE_FULL, issuing: ISSUING_FULL };
const QUICK: Amounts = {
  runs: 3,
  semaphoreRuns: 1,
  service: { phones: 8, startsAMinute: 4800, singleRuns: 20, seconds: 4, warmUpSeconds: 2 },
  issuing: { credentials: 1000, remembered: 1000 },
};

type Say = (line: string) => void;

async function measure(amounts: Amounts, say: Say): Promise<Results> {
  const random = (length: number) => new Uint8Array(randomBytes(length));
  const keys = await loadVerificationKeys();
  const { runs, service } = amounts;
  // First, while the machine is as it was: the ratios are of times that are close to each other.
  const prover = inlineProver();
  say('verifying one proof and 64: the engine, snarkjs, zk-kit, noble');
  const verify = await measureVerifying(keys, prover, runs, random);
  const bindPlainMs = await measurePlainBinding(keys, prover, runs, random);
  const inBrowser = await measureBrowser(keys, amounts, say);
  const measured = { verify, service: await measureService({ ...service, prover, say }) };
  prover.close();
  say(`issuing ${amounts.issuing.credentials} credentials, a status list of ${amounts.issuing.remembered}`);
  const issuing = await measureIssuing(amounts.issuing);

  const { version, prove, sdk } = inBrowser;
  return {
    date: new Date().toISOString(),
    ...(await describeSources(ROOT)),
    machine: await describeMachine(version),
    packages: await packageVersions(ROOT),
    ...{ ...measured, issuing, prove: { ...prove, bindPlainMs }, sdk },
  };
}

async function measureBrowser(
  keys: VerificationKeys,
  { runs, semaphoreRuns }: Amounts,
  say: Say,
): Promise<Pick<Results, 'sdk'> & { readonly version: string; readonly prove: BrowserFigures }> {
  const path = await findChromium(process.env.CHROMIUM_PATH, process.env.PATH);
  if (path === null) throw new Error(HOW_TO_GET_CHROMIUM);
  const semaphore = await loadSemaphore(OUT, say);
  const browser = await launchChromium(path);
  try {
    const download = { sdk: await bundle(DOWNLOAD_ENTRIES), page: await script('phone-page') };
    const sdk = await measureDownload({ browser, ...download, runs, say });
    const page = await script('proving-page');
    const prove = await measureProving({ browser, page, keys, semaphore, semaphoreRuns, runs, say });
    return { sdk, prove, version: browser.version() };
  } finally {
    await browser.close();
  }
}

/** A page of this folder, with all that it imports. */
async function script(name: string): Promise<SiteFiles> {
  const files = await bundle({ [`${name}.js`]: `bench/${name}.ts` });
  return files;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  // Progress is not the result: it goes where a pipe does not take it.
  const results = await measure(values.quick ? QUICK : FULL, (line) => console.error(line));
  if (values.quick) {
    await mkdir(OUT, { recursive: true });
    await writeResults(new URL('results.json', OUT), results);
  } else {
    await writeResults(RESULTS_FILE, results);
    await writeReport(results);
  }
  const over = overBudget(results);
  for (const line of over) console.error(line);
  if (over.length > 0) process.exitCode = 1;
  console.log(values.json ? JSON.stringify(results) : renderResults(results, 'en'));
}

await main(process.argv.slice(2));
