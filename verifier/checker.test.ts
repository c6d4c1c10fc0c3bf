import { beforeAll, describe, expect, test } from 'vitest';
import { createChecker, type FactCheck, inlineChecker, type Lane } from './checker.ts';
import { proofSamples, spoiled } from './proof-fixtures.ts';
import { loadVerificationKeys, type VerificationKeys } from './verification-keys.ts';

let keys: VerificationKeys;
let good: FactCheck;
let bad: FactCheck;

beforeAll(async () => {
  keys = await loadVerificationKeys();
  const [sample] = await proofSamples();
  if (sample === undefined) throw new TypeError('samples');
  good = sample.check;
  bad = spoiled(good);
});

interface Pending {
  readonly checks: readonly FactCheck[];
  answer(verdicts?: readonly boolean[]): void;
  fail(reason: Error): void;
}

/** A lane whose batches the test ends by hand. */
function manualLane() {
  const batches: Pending[] = [];
  const lane: Lane = {
    run: (checks) =>
      new Promise((resolve, reject) => {
        const answer = (verdicts = checks.map((check) => check === good)) => resolve(verdicts);
        batches.push({ checks, answer, fail: reject });
      }),
    close: async () => {},
  };
  const batch = (index: number): Pending => {
    const found = batches[index];
    if (found === undefined) throw new TypeError('no such batch');
    return found;
  };
  return { lane, batches, batch };
}

const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

describe('a lone proof', () => {
  test('is under way within two milliseconds, and nothing has to follow it', async () => {
    const delays: number[] = [];
    let begun = 0;
    const lane: Lane = {
      run: async (checks) => {
        delays.push(performance.now() - begun);
        return checks.map(() => true);
      },
      close: async () => {},
    };
    const checker = createChecker(keys, [lane]);
    for (let i = 0; i < 51; i++) {
      begun = performance.now();
      await checker.check([good]);
    }
    expect(delays.sort((a, b) => a - b)[25]).toBeLessThan(2);
  });
});

describe('while the lanes are busy', () => {
  test('calls wait in order and go together, each getting its own verdicts', async () => {
    const { lane, batches, batch } = manualLane();
    const checker = createChecker(keys, [lane]);
    const first = checker.check([good]);
    await turn();
    const others = [checker.check([good, bad]), checker.check([bad]), checker.check([good])];
    await turn();
    expect(batches.length).toBe(1);
    batch(0).answer();
    expect(await first).toEqual([true]);
    await turn();
    expect(batch(1).checks).toEqual([good, bad, bad, good]);
    batch(1).answer();
    expect(await Promise.all(others)).toEqual([[true, false], [false], [true]]);
  });

  test('a batch has a limit, and no call is torn apart', async () => {
    const { lane, batches, batch } = manualLane();
    const checker = createChecker(keys, [lane]);
    const calls = Array.from({ length: 25 }, () => checker.check([good, bad, good]));
    await turn();
    expect(batch(0).checks.length).toBe(30);
    for (let i = 0; i < 3; i++) {
      batch(i).answer();
      await turn();
    }
    expect(batches.map(({ checks }) => checks.length)).toEqual([30, 30, 15]);
    expect(await Promise.all(calls)).toEqual(calls.map(() => [true, false, true]));
  });

  test('too many are refused at once, and served again when there is room', async () => {
    const { lane, batch } = manualLane();
    const checker = createChecker(keys, [lane], { waitingMax: 4 });
    const running = checker.check([good]);
    await turn();
    const waiting = [checker.check([good, good]), checker.check([good, good])];
    await expect(checker.check([good])).rejects.toMatchObject({ code: 'busy' });
    batch(0).answer();
    await running;
    await turn();
    const later = checker.check([bad]);
    batch(1).answer();
    await Promise.all(waiting);
    await turn();
    batch(2).answer();
    expect(await later).toEqual([false]);
  });
});

test('a lane that fails refuses the calls of its batch only, and is used again', async () => {
  const { lane, batch } = manualLane();
  const checker = createChecker(keys, [lane]);
  const lost = [checker.check([good]), checker.check([good])];
  await turn();
  const next = checker.check([bad]);
  const refused = Promise.all(lost.map((call) => expect(call).rejects.toThrow('gone')));
  batch(0).fail(new Error('gone'));
  await refused;
  await turn();
  batch(1).answer();
  expect(await next).toEqual([false]);
});

test('a closed checker refuses what waits and what comes', async () => {
  const { lane } = manualLane();
  const checker = createChecker(keys, [lane]);
  const running = checker.check([good]);
  running.catch(() => {});
  await turn();
  const refused = expect(checker.check([good])).rejects.toThrow('closed');
  await checker.close();
  await refused;
  await expect(checker.check([good])).rejects.toThrow('closed');
});

test('signals that are none of the key refuse their own call only', async () => {
  const checker = inlineChecker(keys, () => new Uint8Array(16).fill(7));
  const call = checker.check([good]);
  await expect(checker.check([{ ...good, signals: [] }])).rejects.toMatchObject({ code: 'malformed' });
  await expect(checker.check([{ ...good, signals: [-1n, 0n] }])).rejects.toMatchObject({ code: 'malformed' });
  expect(await call).toEqual([true]);
  expect(await checker.check([])).toEqual([]);
  expect(await checker.check([good, bad])).toEqual([true, false]);
});
