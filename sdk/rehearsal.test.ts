import { expect, test } from 'vitest';
import { rehearseBinding, rehearsePin } from './rehearsal.ts';

// A rehearsal that throws is not heard of in a page: here it is.

test('binding and PIN can be rehearsed, from fresh random bytes', async () => {
  const lengths: number[] = [];
  const random = (length: number) => {
    lengths.push(length);
    return crypto.getRandomValues(new Uint8Array(length));
  };
  await rehearseBinding(random);
  expect(lengths).toEqual([32, 48, 48]);
  await rehearsePin(random);
  expect(lengths.length).toBeGreaterThan(3);
});
