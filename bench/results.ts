import { readFile, writeFile } from 'node:fs/promises';
import { factId, parse } from '@akashi/circuits';
import * as v from 'valibot';

// What a run of the benchmark says, as bench/results.json holds it. The tables of the README come from that file
// alone (report.ts). Times are milliseconds, sizes bytes.

const figure = v.pipe(v.number(), v.finite(), v.minValue(0));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

const spread = v.strictObject({ runs: count, p50: figure, p95: figure, p99: figure });

const resultsShape = v.strictObject({
  date: v.pipe(v.string(), v.isoTimestamp()),
  /** `null`: measured outside of a commit. */
  commit: v.nullable(v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/))),
  /** The sources differed from the commit. */
  dirty: v.boolean(),
  machine: v.strictObject({
    cpu: v.string(),
    cores: count,
    memoryGiB: count,
    os: v.string(),
    node: v.string(),
    chromium: v.string(),
  }),
  packages: v.record(v.string(), v.string()),
  /** From the presentation posted, with a proof of each fact, to the verdict readable at the desk. */
  verifyPath: v.strictObject({
    single: spread,
    load: v.strictObject({ ...spread.entries, phones: count, perSecond: figure }),
  }),
  proving: v.strictObject({
    /** The calibrating loop on the page's main thread, plain and slowed, and the ratio: the slow-down reached. */
    calibration: v.strictObject({ asked: figure, plain: figure, slowed: figure, reached: figure }),
    facts: v.array(
      v.strictObject({
        fact: factId,
        /** Medians, and of how many runs each. */
        runs: count,
        worker: figure,
        mainThread: figure,
        mainThreadSlowed: figure,
      }),
    ),
  }),
  /** Medians of one check of one proof, in turn with each other. */
  checking: v.array(v.strictObject({ fact: factId, runs: count, verifyProof: figure, snarkjs: figure })),
  /** Beside the other verifiers in JavaScript; absent in results from before it was measured. Ratios: snarkjs over ours. */
  verify: v.optional(
    v.strictObject({
      runs: count,
      singleMs: figure,
      batch64PerProofMs: figure,
      snarkjsMs: figure,
      zkKitMs: figure,
      nobleMs: figure,
      ratioSingle: figure,
      ratioBatch: figure,
    }),
  ),
  sizes: v.array(v.strictObject({ what: v.string(), bytes: count, gzip: count })),
});

export type Results = v.InferOutput<typeof resultsShape>;

/** @throws AkashiError `malformed` for anything else */
export function parseResults(input: unknown): Results {
  return parse(resultsShape, input);
}

export async function readResults(file: URL): Promise<Results> {
  return parseResults(JSON.parse(await readFile(file, 'utf8')));
}

export async function writeResults(file: URL, results: Results): Promise<void> {
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
}

/** The time that a verdict may take at most, at the 95th percentile, one caller at a time or many. */
export const VERIFY_PATH_P95_MS = 2000;

/** What is over {@link VERIFY_PATH_P95_MS}, in words; none when all is well. */
export function overBudget({ verifyPath }: Pick<Results, 'verifyPath'>): readonly string[] {
  const { single, load } = verifyPath;
  return [
    { name: 'one caller at a time', p95: single.p95 },
    { name: `${load.phones} phones at once`, p95: load.p95 },
  ]
    .filter(({ p95 }) => p95 > VERIFY_PATH_P95_MS)
    .map(({ name, p95 }) => `verify path, ${name}: p95 is ${p95} ms, over ${VERIFY_PATH_P95_MS} ms`);
}
