import { afterEach, expect, test } from 'vitest';
import type { VerifierProcess } from '../verifier-process.ts';
import { measureDesks, WAYS } from './desks.ts';
import { measureBurst } from './load.ts';
import { startCrowdedVerifier, startLoadedVerifier } from './verifier.ts';

// The short versions, by counts and sizes that hold on any machine; times are measured by `npm run soak:overload`.

let verifier: VerifierProcess;
afterEach(() => verifier.kill());

const DESKS = 1000;
const BYTES_EACH = 20_000;
const BURST = 900;

test.each(WAYS)('a desk that waits costs less than 20 kB, and has its verdict (%s)', async (way) => {
  const crowded = await startCrowdedVerifier(DESKS);
  verifier = crowded;
  const result = await measureDesks(crowded, way, { desks: DESKS, verdicts: 5, perSecond: 20 });
  expect(result.heapEach).toBeLessThan(BYTES_EACH);
  expect(result.verdicts).toBe(5);
});

test('of more callers than can be served, each on its own connection, most are told so and all are answered', async () => {
  const loaded = await startLoadedVerifier(2, 10);
  verifier = loaded;
  const { admitted, shed, otherwise } = await measureBurst(loaded, BURST);
  expect(otherwise).toBe(0);
  expect(admitted).toBeGreaterThan(0);
  // Measured: 128 of 900 let in; where nobody looks at the door, 529 to 667, the last ones after ten seconds.
  expect(shed).toBeGreaterThan(BURST / 2);
});
