import { readFile, writeFile } from 'node:fs/promises';
import { FACT_IDS, type FactId, parse } from '@akashi/circuits';
import * as v from 'valibot';

// What a run of the benchmark says, as bench/results.json holds it and `--json` prints it. Tables and charts of the
// READMEs come from that file alone (report.ts). Times are milliseconds, medians where nothing else is said; a ratio is
// the peer's time over ours.

const figure = v.pipe(v.number(), v.finite(), v.minValue(0));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

/** The same of each fact. */
function factEntries<S extends v.GenericSchema>(shape: S): Record<FactId, S> {
  return Object.fromEntries(FACT_IDS.map((fact) => [fact, shape])) as Record<FactId, S>;
}

/** One fact after the other. */
export async function eachFact<T>(work: (fact: FactId) => Promise<T>): Promise<Record<FactId, T>> {
  const found: Partial<Record<FactId, T>> = {};
  for (const fact of FACT_IDS) found[fact] = await work(fact);
  return found as Record<FactId, T>;
}

const spread = { p50Ms: figure, p95Ms: figure, p99Ms: figure };

/** Issuing credentials, and a status list (issuing.ts). */
export const issuingShape = v.strictObject({
  credentials: count,
  accountsEach: count,
  /** One after the other. */
  singleMs: figure,
  perSecond: figure,
  /** Processor time of one, of all threads. */
  cpuMs: figure,
  /** Of the process at its largest, over all of them. */
  peakMiB: figure,
  statusList: v.strictObject({
    /** Credentials in it, half of them revoked. */
    places: count,
    /** What the issuer keeps of them in memory. */
    memoryMiB: figure,
    revokedPerSecond: figure,
    /** From the store to the signed list. */
    signMs: figure,
    kB: figure,
    /** From the fetched text to an answer: signature, shape, unpacking. */
    openMs: figure,
    /** In a list that the verifier has at hand. */
    lookupsPerSecond: figure,
  }),
});

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
  /** One check of one proof, and of 64 together; the facts by turns (verifying.ts). */
  verify: v.strictObject({
    runs: count,
    singleMs: figure,
    batch64PerProofMs: figure,
    snarkjsMs: figure,
    zkKitMs: figure,
    nobleMs: figure,
    ratioSingle: figure,
    ratioBatch: figure,
  }),
  /** In Chromium, on the main thread (proving.ts). */
  prove: v.strictObject({
    runs: count,
    ...factEntries(v.strictObject({ bindMs: figure, prepareMs: figure, snarkjsMs: figure })),
    /** `null` where its artifacts could not be had. */
    semaphore: v.nullable(v.strictObject({ runs: count, plainMs: figure, slow4xMs: figure })),
    /** Binding without WebAssembly, in Node, the facts by turns. */
    bindPlainMs: figure,
    /** The same with the browser's processor slowed by four; what a calibrating loop found is `slowDown`. */
    slow4x: v.strictObject({
      slowDown: figure,
      ...factEntries(v.strictObject({ bindMs: figure, snarkjsMs: figure })),
    }),
  }),
  /** The verifier over HTTP (service.ts): one caller at a time, then as many as `load` says. */
  service: v.strictObject({
    runs: count,
    ...spread,
    perSecond: figure,
    presentationsPerSecond: figure,
    load: v.strictObject({
      phones: count,
      seconds: figure,
      /** Verifications counted. */
      passed: count,
      ...spread,
      /** Processor time of one verification, on either side. */
      verifierCpuMs: figure,
      /** What the verifier gave to the disk for one, in kB of 1000 bytes. */
      writtenKb: figure,
      loadCpuMs: figure,
    }),
  }),
  issuing: issuingShape,
  /** What a phone loads (download.ts). kB are 1000 bytes, compressed by gzip. */
  sdk: v.strictObject({
    runs: count,
    coreGzipKb: figure,
    firstProofGzipKb: v.strictObject(factEntries(figure)),
    coldStartMs: figure,
    /** With the processor slowed by four: from the PIN typed to the presentation sent. */
    slow4x: v.strictObject({ pinToSentMs: figure }),
  }),
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
export function overBudget({ service }: Pick<Results, 'service'>): readonly string[] {
  return [
    { name: 'one caller at a time', p95: service.p95Ms },
    { name: `${service.load.phones} phones at once`, p95: service.load.p95Ms },
  ]
    .filter(({ p95 }) => p95 > VERIFY_PATH_P95_MS)
    .map(({ name, p95 }) => `verify path, ${name}: p95 is ${p95} ms, over ${VERIFY_PATH_P95_MS} ms`);
}
