import { readdir, readFile } from 'node:fs/promises';
import { FACT_IDS } from '@akashi/circuits';
import { describe, expect, test } from 'vitest';
import { blockOf, type Language, READMES } from '../examples/quick-start/readme-block.ts';
import { RESULTS_FILE, renderCharts, renderResults } from './report.ts';
import { overBudget, parseResults, type Results, readResults, VERIFY_PATH_P95_MS } from './results.ts';
import { readInstances, renderScale, SCALE_FILE } from './scale.ts';

const languages = Object.keys(READMES) as Language[];
const results = await readResults(RESULTS_FILE);
const STALE = 'stale: node_modules/.bin/tsx --conditions=akashi-source bench/report.ts renders them again';
const ROOT = new URL('../', import.meta.url);

test.each(languages)('the tables of the README (%s) are those of the committed results', async (language) => {
  const markdown = await readFile(new URL(READMES[language], ROOT), 'utf8');
  expect(blockOf(markdown, 'bench'), STALE).toBe(renderResults(results, language));
});

test.each(languages)('the charts (%s) are those of the committed results', async (language) => {
  for (const [path, svg] of renderCharts(results, language)) {
    expect(await readFile(new URL(path, ROOT), 'utf8'), STALE).toBe(svg);
  }
});

test('the figures of docs/scale.md are those of the committed results', async () => {
  const markdown = await readFile(SCALE_FILE, 'utf8');
  expect(blockOf(markdown, 'scale'), STALE).toBe(renderScale(results, await readInstances()));
});

test('there is no chart but those', async () => {
  const charts = languages.flatMap((language) => [...renderCharts(results, language).keys()]);
  const kept = await readdir(new URL('charts/', import.meta.url));
  expect(kept.map((name) => `bench/charts/${name}`).sort()).toEqual(charts.sort());
});

// Every figure, one at a time: a table that leaves one out could go stale unseen.
const FIGURES: readonly (readonly [path: string])[] = [
  ...[
    'runs',
    'singleMs',
    'batch64PerProofMs',
    'snarkjsMs',
    'zkKitMs',
    'nobleMs',
    'ratioSingle',
    'ratioBatch',
  ].map((name) => [`verify.${name}`] as const),
  ...FACT_IDS.flatMap((fact) =>
    [
      `${fact}.bindMs`,
      `${fact}.prepareMs`,
      `${fact}.snarkjsMs`,
      `slow4x.${fact}.bindMs`,
      `slow4x.${fact}.snarkjsMs`,
    ].map((name) => [`prove.${name}`] as const),
  ),
  ...(results.prove.semaphore === null ? [] : ['runs', 'plainMs', 'slow4xMs']).map(
    (name) => [`prove.semaphore.${name}`] as const,
  ),
  ...['runs', 'bindPlainMs', 'slow4x.slowDown'].map((name) => [`prove.${name}`] as const),
  ...['runs', 'p50Ms', 'p95Ms', 'p99Ms', 'perSecond', 'presentationsPerSecond'].map(
    (name) => [`service.${name}`] as const,
  ),
  ...['phones', 'seconds', 'p50Ms', 'p95Ms', 'p99Ms'].map((name) => [`service.load.${name}`] as const),
  ...['singleMs', 'cpuMs', 'perSecond', 'credentials', 'accountsEach', 'peakMiB'].map(
    (name) => [`issuing.${name}`] as const,
  ),
  ...['places', 'memoryMiB', 'revokedPerSecond', 'signMs', 'kB', 'openMs', 'lookupsPerSecond'].map(
    (name) => [`issuing.statusList.${name}`] as const,
  ),
  ...[
    'runs',
    'coreGzipKb',
    'coldStartMs',
    'slow4x.pinToSentMs',
    ...FACT_IDS.map((fact) => `firstProofGzipKb.${fact}`),
  ].map((name) => [`sdk.${name}`] as const),
];

describe.each(languages)('in the tables (%s)', (language) => {
  test.each(FIGURES)('%s is shown', (path) => {
    const changed = withFigure(path, 7777);
    expect(renderResults(changed, language)).not.toBe(renderResults(results, language));
  });
});

test('the committed results were measured in full, and hold the budget', () => {
  const { verify, prove, service, sdk } = results;
  for (const { runs } of [verify, prove, sdk]) expect(runs).toBeGreaterThanOrEqual(30);
  expect(service.runs).toBeGreaterThanOrEqual(200);
  expect(service.load.seconds).toBeGreaterThanOrEqual(30);
  expect(service.perSecond).toBeCloseTo(service.load.passed / service.load.seconds, 1);
  expect(overBudget(results)).toEqual([]);
});

test.each(['service.p95Ms', 'service.load.p95Ms'])('a verify path that is too slow is named: %s', (path) => {
  expect(overBudget(withFigure(path, VERIFY_PATH_P95_MS))).toEqual([]);
  expect(overBudget(withFigure(path, VERIFY_PATH_P95_MS + 0.01))).toEqual([
    expect.stringContaining('over 2000 ms'),
  ]);
});

test.each([
  ['a missing figure', { ...results, verify: undefined }],
  ['a figure that is none', { ...results, sdk: { ...results.sdk, coldStartMs: Number.NaN } }],
  ['a figure below zero', { ...results, sdk: { ...results.sdk, coldStartMs: -1 } }],
  ['more than the registered shape', { ...results, extra: 1 }],
  ['a fact that is none', { ...results, prove: { ...results.prove, age: results.prove.pin } }],
  ['a fact left out', { ...results, prove: { ...results.prove, pin: undefined } }],
])('results with %s are refused', (_, broken) => {
  expect(() => parseResults(broken)).toThrow('malformed');
});

test('without Semaphore there is neither its row nor its bar', () => {
  const { prove } = results;
  const without = parseResults({
    ...results,
    prove: { ...prove, semaphore: null },
  });
  for (const language of languages) {
    const shown = [renderResults(without, language), ...renderCharts(without, language).values()];
    for (const text of shown) expect(text).not.toContain('Semaphore');
  }
});

test('the committed results are taken as they are', () => {
  expect(parseResults(JSON.parse(JSON.stringify(results)))).toEqual(results);
});

/** The results with another figure at `path`. */
function withFigure(path: string, value: number): Results {
  const copy: unknown = JSON.parse(JSON.stringify(results));
  const names = path.split('.');
  let at = copy as Record<string, unknown>;
  for (const name of names.slice(0, -1)) at = at[name] as Record<string, unknown>;
  const last = names.at(-1) ?? '';
  expect(at).toHaveProperty(last);
  at[last] = value;
  return parseResults(copy);
}
