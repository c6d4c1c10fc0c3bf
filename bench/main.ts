import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { endSnarkjs } from '../circuits/snarkjs.ts';
import { findChromium, HOW_TO_GET_CHROMIUM } from '../examples/pre-call/browser.ts';
import { loadVerificationKeys } from '../verifier/verification-keys.ts';
import { measureChecking } from './checking.ts';
import { describeMachine, describeSources, packageVersions } from './machine.ts';
import { measurePeers } from './peers.ts';
import { bundle } from './phone-site.ts';
import { measureProving } from './proving.ts';
import { RESULTS_FILE, renderResults, writeReport } from './report.ts';
import { overBudget, type Results, writeResults } from './results.ts';
import { measureSizes } from './sizes.ts';
import { measureVerifyPath } from './verify-path.ts';

const USAGE = `npm run bench -- [--quick] [--json]

Measures the verify path, proving, checking and sizes; writes bench/results.json and the tables of the READMEs.
Exits with 1 when the 95th percentile of the verify path is over two seconds.

  --quick   fewer runs, to see that it works; writes out/bench/results.json only
  --json    the last line on standard output is the results as one JSON object`;

const ROOT = new URL('../', import.meta.url);

interface Amounts {
  readonly verifyPath: {
    readonly callers: number;
    readonly phones: number;
    readonly warmUpRuns: number;
    readonly singleRuns: number;
    readonly loadRuns: number;
  };
  readonly proofs: number;
  readonly checks: number;
  /** Runs of every verifier beside each other. */
  readonly peers: number;
}

const FULL: Amounts = {
  verifyPath: { callers: 48, phones: 8, warmUpRuns: 48, singleRuns: 240, loadRuns: 336 },
  proofs: 31,
  checks: 101,
  peers: 41,
};
const QUICK: Amounts = {
  verifyPath: { callers: 16, phones: 8, warmUpRuns: 16, singleRuns: 32, loadRuns: 48 },
  proofs: 11,
  checks: 21,
  peers: 11,
};

async function measure(amounts: Amounts, say: (line: string) => void): Promise<Results> {
  const chromium = await findChromium(process.env.CHROMIUM_PATH, process.env.PATH);
  if (chromium === null) throw new Error(HOW_TO_GET_CHROMIUM);
  const random = (length: number) => new Uint8Array(randomBytes(length));
  const keys = await loadVerificationKeys();
  const [holder, worker, page] = [
    await bundle(new URL('sdk/holder.ts', ROOT)),
    await bundle(new URL('sdk/prover-worker.ts', ROOT)),
    await bundle(new URL('bench/proving-page.ts', ROOT)),
  ];
  const proving = await measureProving({
    chromium,
    scripts: { page, worker },
    keys,
    runs: amounts.proofs,
    say,
  });
  const sizes = await measureSizes({ holder, worker }, proving.artifacts);
  const prover = inlineProver();
  say('checking one proof: verifyProof, snarkjs');
  const checking = await measureChecking(keys, prover, amounts.checks, random);
  say('checking one proof and 64: the engine, snarkjs, zk-kit, noble');
  const verify = await measurePeers(keys, prover, amounts.peers, random);
  const verifyPath = await measureVerifyPath({ ...amounts.verifyPath, prover, say });
  prover.close();

  return {
    date: new Date().toISOString(),
    ...(await describeSources(ROOT)),
    machine: await describeMachine(proving.browser),
    packages: await packageVersions(ROOT),
    verifyPath,
    proving: proving.figures,
    checking,
    verify,
    sizes,
  };
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
    await mkdir(new URL('out/bench/', ROOT), { recursive: true });
    await writeResults(new URL('out/bench/results.json', ROOT), results);
  } else {
    await writeResults(RESULTS_FILE, results);
    await writeReport(results);
  }
  const over = overBudget(results);
  for (const line of over) console.error(line);
  if (over.length > 0) process.exitCode = 1;
  console.log(values.json ? JSON.stringify(results) : renderResults(results, 'en'));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await endSnarkjs();
}
