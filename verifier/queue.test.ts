import { expect, test } from 'vitest';
import { createQueue } from './queue.ts';

function deferred() {
  let finish = () => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return { done, finish };
}

test('runs no more at once than it may, in the order of arrival, and refuses what is too much at once', async () => {
  const queue = createQueue(2, 3);
  const gate = deferred();
  const began: number[] = [];
  let running = 0;
  let most = 0;
  const work = (n: number) => async () => {
    began.push(n);
    most = Math.max(most, ++running);
    await gate.done;
    running--;
    return n;
  };
  const admitted = [0, 1, 2, 3, 4].map((n) => queue.run(work(n)));
  await expect(queue.run(work(5))).rejects.toMatchObject({ code: 'busy', retryAfter: 2 });
  expect(began).toEqual([0, 1]);
  gate.finish();
  expect(await Promise.all(admitted)).toEqual([0, 1, 2, 3, 4]);
  expect(began).toEqual([0, 1, 2, 3, 4]);
  expect(most).toBe(2);
});

test('work that fails gives its place back', async () => {
  const queue = createQueue(1, 0);
  for (let i = 0; i < 3; i++) {
    await expect(queue.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  }
  expect(await queue.run(async () => 'yes')).toBe('yes');
});
