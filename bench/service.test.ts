import type { Prover } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { expect, test } from 'vitest';
import { measureService } from './service.ts';

const amounts = {
  ...{ phones: 2, startsAMinute: 600, singleRuns: 3, seconds: 3, warmUpSeconds: 0.1 },
  say: () => undefined,
};

test('the service is measured verification by verification, against a verifier in its own process', async () => {
  const { runs, p50Ms, p99Ms, perSecond, presentationsPerSecond, load } = await measureService({
    ...amounts,
    prover: inlineProver(),
  });
  expect(runs).toBe(3);
  expect(p50Ms).toBeGreaterThan(0);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
  expect(load.passed).toBeGreaterThan(0);
  expect(perSecond).toBeCloseTo(load.passed / load.seconds, 1);
  expect(presentationsPerSecond).toBeGreaterThan(0);
  expect(load.verifierCpuMs).toBeGreaterThan(0);
});

test('a presentation that does not pass is no figure: the measurement fails', async () => {
  await expect(measureService({ ...amounts, prover: swapped(inlineProver()) })).rejects.toThrow(
    /did not pass|no pass/,
  );
});

/** Its preparations are of good points and prove nothing. */
function swapped(prover: Prover): Prover {
  return {
    ...prover,
    async prepare(fact, inputs, options) {
      const prepared = await prover.prepare(fact, inputs, options);
      return { ...prepared, a: prepared.c, c: prepared.a };
    },
  };
}
