import { expect, test } from 'vitest';
import { growthFault } from './disk.ts';
import { diskRounds } from './rounds.ts';

// What any machine with Linux can do: files that grow no further. Failing syncs and full disks are in
// `npm run soak:disk`, which needs the right to trace and to mount.

test('sqlite, a disk that takes no more: nothing is answered that is not there, and it recovers by itself', async () => {
  const result = await diskRounds('growth', 1, {
    engine: 'sqlite',
    fault: ({ pid, file }) => growthFault(pid, `${file}-wal`),
  });
  expect(result).toMatchObject({
    answeredOtherwise: [],
    wrongHealth: 0,
    lost: 0,
    doubleUses: 0,
    auditOk: true,
  });
  expect(result.passedAfterwards).toBe(result.rounds);
  for (const count of [result.acknowledged, result.refused]) expect(count).toBeGreaterThan(0);
});
