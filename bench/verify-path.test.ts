import type { Prover } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { expect, test } from 'vitest';
import { measureVerifyPath } from './verify-path.ts';

const amounts = { callers: 2, phones: 2, warmUpRuns: 2, singleRuns: 3, loadRuns: 4, say: () => undefined };

test('the verify path is measured run by run, against a verifier in its own process', async () => {
  const { single, load } = await measureVerifyPath({ ...amounts, prover: inlineProver() });
  expect(single.runs).toBe(3);
  expect(load).toMatchObject({ runs: 4, phones: 2 });
  expect(single.p50).toBeGreaterThan(0);
  expect(single.p99).toBeGreaterThanOrEqual(single.p50);
  expect(load.perSecond).toBeGreaterThan(0);
});

test('a presentation that does not pass is no figure: the measurement fails', async () => {
  await expect(measureVerifyPath({ ...amounts, prover: swapped(inlineProver()) })).rejects.toThrow(
    'the presentation did not pass',
  );
});

/** Makes proofs whose points are good and prove nothing. */
function swapped(prover: Prover): Prover {
  return {
    async prove(fact, inputs, options) {
      const { a, b, c } = await prover.prove(fact, inputs, options);
      return { a: c, b, c: a };
    },
    async prepare(fact, inputs, options) {
      const prepared = await prover.prepare(fact, inputs, options);
      return { ...prepared, a: prepared.c, c: prepared.a };
    },
    close: () => prover.close(),
  };
}
