import { expect, test } from 'vitest';
import { idleWork } from './idle-work.ts';

const untilStopped = (signal: AbortSignal) =>
  new Promise<void>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });

test('idle work gives way: all of it stops, and has come to its end before what is urgent begins', async () => {
  const idle = idleWork();
  const ended: number[] = [];
  const works = [1, 2].map((n) =>
    idle.run(undefined, async (signal) => {
      await untilStopped(signal).finally(async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        ended.push(n);
      });
    }),
  );
  const outcomes = Promise.allSettled(works);
  await idle.giveWay();
  expect(ended).toEqual([1, 2]);
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(idle.run(undefined, async () => undefined)).resolves.toBeUndefined();
});

test('idle work stops when its caller does, before it began too', async () => {
  const idle = idleWork();
  const controller = new AbortController();
  const running = idle.run(controller.signal, untilStopped);
  controller.abort();
  await expect(running).rejects.toBeDefined();
  await expect(idle.run(AbortSignal.abort(), untilStopped)).rejects.toBeDefined();
});
