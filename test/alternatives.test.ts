import { FACT_IDS, type FactId } from '@akashi/circuits';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Attempts, attemptsOf, type OpenAttempt } from './attempt.ts';
import { openWorld, POLICY_FACTS, PURPOSES, type TestTenant, type World } from './harness.ts';
import { prover } from './proofs.ts';
import { boundChallenge, enrolRawPhone, factOf, type RawPhone, witnessOf } from './raw-phone.ts';

// A request that any one fact of the registry meets: a good proof of one is none of another, nor of its own in another's place.

const POLICY = 'any-fact';

let world: World;
let bank: TestTenant;
let phone: RawPhone;
let attempts: Attempts;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  phone = await enrolRawPhone(world.origin, bank.issuer, 'customer-1');
  const facts = [{ anyOf: FACT_IDS.map((fact) => POLICY_FACTS[fact]) }];
  await bank.issuer.putPolicy({ policy: POLICY, facts, purposes: [...PURPOSES] });
  attempts = attemptsOf(world, bank, phone, { policy: POLICY });
});
afterAll(() => world.close());

/** A proof of this fact, bound to a place in the list, sent as an alternative. */
async function presentation(open: OpenAttempt, fact: FactId, place: number, alternative: number) {
  const asked = open.facts.find((entry) => entry.fact === fact);
  if (asked === undefined) throw new TypeError('the request asks for every fact');
  const proof = await prover.prove(
    fact,
    witnessOf(phone, fact, asked, boundChallenge(open, place, open.code)),
  );
  return { attempt: open.attempt, code: open.code, alternative, facts: [factOf(phone, asked, proof)] };
}

describe.each(FACT_IDS.map((fact, place) => [fact, place] as const))('%s', (fact, place) => {
  const others = FACT_IDS.flatMap((_, other) => (other === place ? [] : [other]));

  test('passes as its own alternative', async () => {
    const open = await attempts.next();
    expect(open.facts.map((entry) => entry.fact)).toEqual(FACT_IDS);
    const outcome = await attempts.post(open, await presentation(open, fact, place, place));
    expect(outcome).toMatchObject({ verdict: 'passed', reason: null });
  });

  test('is malformed as any other, and that uses nothing up', async () => {
    for (const other of others) {
      const open = await attempts.next();
      const sent = await presentation(open, fact, other, other);
      expect(await attempts.post(open, sent)).toEqual({ status: 400, code: 'malformed' });
      expect((await attempts.next()).attempt).toBe(open.attempt);
    }
  });

  test.each(others)('does not hold when it was bound to place %i', async (other) => {
    const open = await attempts.next();
    const outcome = await attempts.post(open, await presentation(open, fact, other, place));
    expect(outcome).toMatchObject({ reason: `proof:${fact}` });
  });
});
