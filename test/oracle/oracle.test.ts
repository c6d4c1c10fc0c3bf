import { randomBytes } from 'node:crypto';
import { FACT_IDS } from '@akashi/circuits';
import { afterAll, expect, test } from 'vitest';
import { endSnarkjs } from '../../circuits/snarkjs.ts';
import { compareProvers, compareVerifiers } from './oracle.ts';

afterAll(endSnarkjs);

const PER_CLASS = 300;
const PER_FACT = 10;

test('the engine, alone and in batches, takes and refuses what snarkjs and noble do', async () => {
  // Another seed each time: it is in the name of every case, and `npm run soak:oracle` takes it.
  const seed = randomBytes(8).toString('hex');
  const { counts, disagreements } = await compareVerifiers(seed, PER_CLASS, {
    random: randomBytes,
    nobleEvery: 6,
  });
  expect(disagreements).toEqual([]);
  expect(counts).toEqual({ valid: PER_CLASS, mutated: PER_CLASS, malformed: PER_CLASS });
}, 600_000);

test('our prover and snarkjs prove the same witnesses, and both verifiers take both proofs', async () => {
  const seed = randomBytes(8).toString('hex');
  const { proofs, disagreements } = await compareProvers(seed, PER_FACT);
  expect(disagreements).toEqual([]);
  expect(proofs).toBe(PER_FACT * FACT_IDS.length * 2);
}, 600_000);
