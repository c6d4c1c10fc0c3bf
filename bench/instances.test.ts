import { inlineProver } from '@akashi/sdk/inline-prover';
import { expect, test } from 'vitest';
import { measureInstances } from './instances.ts';

test('verifiers on one PostgreSQL are measured together: what each verification costs each of them', async () => {
  const amounts = {
    verifiers: 2,
    phones: 1,
    seconds: 6,
    warmUpSeconds: 0.1,
    acceptingSeconds: 4,
    tenants: 1,
  };
  const figures = await measureInstances(amounts, inlineProver());
  const { passed, perSecond, p50Ms, p99Ms, perMs, connections, doing } = figures;
  expect(passed).toBeGreaterThan(0);
  expect(perSecond).toBeCloseTo(passed / 6, 1);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
  for (const ms of Object.values(perMs)) expect(ms).toBeGreaterThan(0);
  expect(perMs.verifier).toBeCloseTo(perMs.answering + perMs.checking + perMs.other, 0);
  for (const figure of [figures.perWalBytes, figures.perSyncs, figures.loadMs])
    expect(figure).toBeGreaterThan(0);
  expect(figures.presentations.passed).toBeGreaterThan(0);
  expect(figures.presentations.perMs.checking).toBeGreaterThan(0);
  // Each has one that listens.
  expect(connections).toBeGreaterThanOrEqual(4);
  expect(Object.keys(doing)).toContain('verifier');
});
