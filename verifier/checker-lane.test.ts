import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FactCheck, Lane } from './checker.ts';
import { createWorkerLane, workerChecker } from './checker-lane.ts';
import { proofSamples, spoiled } from './proof-fixtures.ts';
import { loadVerificationKeys } from './verification-keys.ts';

let good: readonly FactCheck[];
let bad: FactCheck;
const lanes: Lane[] = [];

beforeAll(async () => {
  good = (await proofSamples()).map(({ check }) => check);
  const [first] = good;
  if (first === undefined) throw new TypeError('samples');
  bad = spoiled(first);
});

afterAll(() => Promise.all(lanes.map((lane) => lane.close())));

function lane(): Lane {
  const made = createWorkerLane();
  lanes.push(made);
  return made;
}

test('a thread says which proofs hold', async () => {
  const thread = lane();
  const checks = [...good, bad, ...good];
  expect(await thread.run(checks)).toEqual(checks.map((check) => check !== bad));
  expect(await thread.run([bad])).toEqual([false]);
});

test('a thread that dies is replaced; its batch gets a fault, not an answer and not silence', async () => {
  const thread = lane();
  expect(await thread.run(good)).toEqual(good.map(() => true));
  const [first] = good;
  if (first === undefined) throw new TypeError('samples');
  // Bytes that no main thread ever sends: the thread refuses them by its end.
  const torn = { ...first, points: { bytes: first.points.bytes.subarray(1) } };
  await expect(thread.run([torn])).rejects.toThrow('a checking thread ended');
  expect(await thread.run([...good, bad])).toEqual([...good.map(() => true), false]);
});

test('a thread that is ended in the middle of a batch loses none of its callers', async () => {
  const thread = lane();
  await thread.run(good);
  const running = thread.run(Array.from({ length: 32 }, () => bad));
  const refused = expect(running).rejects.toThrow('a checking thread ended');
  await thread.close();
  await refused;
});

test('many callers at once get each their own answers, from several threads', async () => {
  const checker = workerChecker(await loadVerificationKeys(), 2);
  try {
    const calls = Array.from({ length: 40 }, (_, i) => (i % 7 === 3 ? [bad, ...good] : good));
    const answers = await Promise.all(calls.map((call) => checker.check(call)));
    expect(answers).toEqual(calls.map((call) => call.map((check) => check !== bad)));
  } finally {
    await checker.close();
  }
});

test('a process that used one of its threads exits by itself, without closing any', async () => {
  const child = spawn(
    process.execPath,
    [
      ...['--conditions=akashi-source', '--import', 'tsx', '--input-type=module', '--eval'],
      `const { loadVerificationKeys } = await import(${JSON.stringify(new URL('verification-keys.ts', import.meta.url).href)});
       const { workerChecker } = await import(${JSON.stringify(new URL('checker-lane.ts', import.meta.url).href)});
       const checker = workerChecker(await loadVerificationKeys(), 2);
       const points = { bytes: new Uint8Array(${good[0]?.points.bytes.length}) };
       console.log(await checker.check([{ fact: 'pin', signals: [0n, 0n], points }]));`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], timeout: 120_000 },
  );
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  const [code] = await once(child, 'close');
  expect({ code, out: out.trim() }).toEqual({ code: 0, out: '[ false ]' });
});
