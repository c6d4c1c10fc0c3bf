import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { blockOf, type Language, READMES } from '../examples/quick-start/readme-block.ts';
import { RESULTS_FILE, renderResults } from './report.ts';
import { overBudget, parseResults, type Results, readResults, VERIFY_PATH_P95_MS } from './results.ts';

const languages = Object.keys(READMES) as Language[];
const results = await readResults(RESULTS_FILE);

test.each(languages)('the tables of the README (%s) are those of the committed results', async (language) => {
  const markdown = await readFile(new URL(`../${READMES[language]}`, import.meta.url), 'utf8');
  expect(
    blockOf(markdown, 'bench'),
    'stale: npx tsx --conditions=akashi-source bench/report.ts renders them again',
  ).toBe(renderResults(results, language));
});

// Every figure, one at a time: a table that leaves one out could go stale unseen.
describe.each(languages)('in the tables (%s)', (language) => {
  test.each(figuresOf(results))('%s is shown', (_, change) => {
    expect(renderResults(change(results), language)).not.toBe(renderResults(results, language));
  });
});

test('the committed results were measured in full, and hold the budget', () => {
  expect(results.verifyPath.single.runs).toBeGreaterThanOrEqual(200);
  expect(results.verifyPath.load.runs).toBeGreaterThanOrEqual(300);
  for (const { runs } of results.proving.facts) expect(runs).toBeGreaterThanOrEqual(30);
  expect(overBudget(results)).toEqual([]);
});

test.each(['single', 'load'] as const)('a verify path that is too slow is named: %s', (kind) => {
  const at = (p95: number) => {
    const { verifyPath } = results;
    return { verifyPath: { ...verifyPath, [kind]: { ...verifyPath[kind], p95 } } };
  };
  expect(overBudget(at(VERIFY_PATH_P95_MS))).toEqual([]);
  expect(overBudget(at(VERIFY_PATH_P95_MS + 0.01))).toEqual([expect.stringContaining('over 2000 ms')]);
});

test.each([
  ['a missing figure', { ...results, checking: undefined }],
  ['a figure that is none', { ...results, sizes: [{ what: 'x', bytes: Number.NaN, gzip: 1 }] }],
  ['more than the registered shape', { ...results, extra: 1 }],
  ['a figure below zero', { ...results, sizes: [{ what: 'x', bytes: -1, gzip: 1 }] }],
  ['a fact that is none', { ...results, checking: [{ ...results.checking[0], fact: 'age' }] }],
])('results with %s are refused', (_, broken) => {
  expect(() => parseResults(broken)).toThrow('malformed');
});

test('the committed results are taken as they are', () => {
  expect(parseResults(JSON.parse(JSON.stringify(results)))).toEqual(results);
});

type Change = (results: Results) => Results;

/** For each number in a table, the results with another one in its place. */
function figuresOf({
  verifyPath,
  proving,
  checking,
  sizes,
}: Results): readonly (readonly [string, Change])[] {
  return [
    ...(['single', 'load'] as const).flatMap((kind) =>
      (['runs', 'p50', 'p95', 'p99'] as const).map((name): readonly [string, Change] => [
        `${kind} ${name}`,
        withPart({ verifyPath: { ...verifyPath, [kind]: { ...verifyPath[kind], [name]: 777 } } }),
      ]),
    ),
    [
      'verifications per second',
      withPart({ verifyPath: { ...verifyPath, load: { ...verifyPath.load, perSecond: 777 } } }),
    ],
    [
      'the slow-down',
      withPart({ proving: { ...proving, calibration: { ...proving.calibration, reached: 7.7 } } }),
    ],
    ...proving.facts.flatMap((entry, i) =>
      (['worker', 'mainThread', 'mainThreadSlowed'] as const).map((name): readonly [string, Change] => [
        `${entry.fact} ${name}`,
        withPart({ proving: { ...proving, facts: proving.facts.with(i, { ...entry, [name]: 7777 }) } }),
      ]),
    ),
    ...checking.flatMap((entry, i) =>
      (['verifyProof', 'snarkjs'] as const).map((name): readonly [string, Change] => [
        `${entry.fact} ${name}`,
        withPart({ checking: checking.with(i, { ...entry, [name]: 777 }) }),
      ]),
    ),
    ...sizes.flatMap((entry, i) =>
      (['bytes', 'gzip'] as const).map((name): readonly [string, Change] => [
        `${entry.what} ${name}`,
        withPart({ sizes: sizes.with(i, { ...entry, [name]: 7_777_777 }) }),
      ]),
    ),
  ];
}

test('the other verifiers stand in the table once they were measured', () => {
  const verify = {
    runs: 31,
    ...{ singleMs: 1.1, batch64PerProofMs: 2.2, snarkjsMs: 3.3, zkKitMs: 4.4, nobleMs: 5.5 },
    ...{ ratioSingle: 66.6, ratioBatch: 77.7 },
  };
  const measured = parseResults({ ...results, verify });
  for (const language of ['en', 'ja'] as const) {
    const table = renderResults(measured, language);
    for (const text of ['1.1 ms', '2.2 ms', '3.3 ms', '4.4 ms', '5.5 ms', '66.6×', '77.7×', '31']) {
      expect(table).toContain(text);
    }
  }
  expect(() => parseResults({ ...results, verify: { ...verify, nobleMs: undefined } })).toThrow('malformed');
});

function withPart(part: Partial<Results>): Change {
  return (whole) => ({ ...whole, ...part });
}
