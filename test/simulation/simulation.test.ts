import type { Store } from '@akashi/verifier';
import { beforeAll, expect, test } from 'vitest';
import type { ProofChecker } from '../../verifier/checker.ts';
import { type Means, openMeans, Room } from './room.ts';
import { type Outcome, simulate } from './simulation.ts';
import type { Sabotage } from './verifiers.ts';
import type { World } from './world.ts';

// The life of verifications under a scheduler that may do anything at any time (simulation.ts), and that each of its
// invariants can fail.

const SEEDS = 500;
/** In so many seeds each fault must be seen. */
const SEEDS_TO_SEE = 400;

let means: Means;
beforeAll(async () => {
  means = await openMeans();
});

async function runSeeds(from: number, seeds: number, sabotage?: Sabotage): Promise<readonly Outcome[]> {
  const room = new Room(means);
  const outcomes: Outcome[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = await simulate(room, seed, sabotage);
    outcomes.push(outcome);
    if (outcome.violation !== null) break;
  }
  await room.close();
  return outcomes;
}

test(`${SEEDS} seeds, and nothing is violated`, { timeout: 600_000 }, async () => {
  const outcomes = await runSeeds(0, SEEDS);
  const last = outcomes.at(-1);
  expect(last?.violation === null ? [] : last?.trace).toEqual([]);
  expect(outcomes.length).toBe(SEEDS);
  // The seeds lead to everything that verifications can come to.
  const said = new Set(
    outcomes.flatMap(({ trace }) => trace.flatMap((line) => line.split(' is answered ')[1] ?? [])),
  );
  for (const end of ['passed', 'failed', 'declined', 'reported', 'expired', 'cancelled'])
    expect(said).toContain(`200 done ${end}`);
  for (const refusal of [
    '409 attempt_used',
    '403 pin_locked',
    '401 unauthorized',
    '401 use_dpop_nonce',
    '404 not_found',
    '500 internal',
  ])
    expect(said).toContain(refusal);
});

test('a seed does the same again, alone and on a fresh database', async () => {
  const [, , third] = await runSeeds(40, 3);
  expect(await runSeeds(42, 1)).toEqual([third]);
  expect(third?.trace.length).toBeGreaterThan(50);
});

/** The first violation that a fault leads to. */
async function violationBy(sabotage: Sabotage): Promise<string> {
  const last = (await runSeeds(0, SEEDS_TO_SEE, sabotage)).at(-1);
  if (last?.violation != null) {
    // What was seen is seen again.
    const [again] = await runSeeds(last.seed, 1, sabotage);
    expect(again).toEqual(last);
  }
  return last?.violation ?? 'none';
}

/** A store with one verb changed. */
function changed(change: (store: Store, world: World) => Partial<Store>): Sabotage {
  return { store: (store, world) => ({ ...store, ...change(store, world) }) };
}

test('a store that forgets that an attempt was used up is seen', async () => {
  const taken = new Map<string, Awaited<ReturnType<Store['consumeAttempt']>>>();
  const forgetful = changed((store) => ({
    async consumeAttempt(use, now) {
      const consumed = await store.consumeAttempt(use, now);
      if (typeof consumed !== 'string') taken.set(use.attempt, consumed);
      return consumed === 'attempt_used' ? (taken.get(use.attempt) ?? consumed) : consumed;
    },
  }));
  expect(await violationBy(forgetful)).toMatch(/looked at twice|before the attempt is used up|good twice/);
});

test('a checker that says yes to everything is seen', async () => {
  const credulous = (checker: ProofChecker): ProofChecker => ({
    ...checker,
    check: async (checks) => (await checker.check(checks)).map(() => true),
    close: () => checker.close(),
  });
  expect(await violationBy({ checker: credulous })).toMatch(
    /without a good proof|without a proof of the PIN/,
  );
});

test('a counter of tries that goes back by itself is seen', async () => {
  const generous = changed((store, world) => ({
    async countEvaluation(evaluation, now) {
      const counted = await store.countEvaluation(evaluation, now);
      const phone = world.phones.find(({ device }) => device === evaluation.device);
      if (phone !== undefined && typeof counted !== 'string' && counted.triesLeft < 4) {
        world.room.writer.prepare('UPDATE devices SET tries = 0 WHERE device = ?').run(evaluation.device);
      }
      return counted;
    },
  }));
  expect(await violationBy(generous)).toMatch(/tries come back without a proof|tries count something else/);
});

test('a counter of attempts that goes back is seen', async () => {
  const generous = changed((store, world) => ({
    async recordResult(result, now) {
      const row = await store.recordResult(result, now);
      const forget = 'UPDATE verifications SET attempts_used = 0 WHERE verification = ? AND verdict IS NULL';
      world.room.writer.prepare(forget).run(result.verification);
      return row;
    },
  }));
  expect(await violationBy(generous)).toMatch(/attempts are counted wrongly|counts other attempts/);
});

test('a filter by tenant that was left out is seen', async () => {
  const open = changed((store, world) => ({
    async verification(tenant, verification, now) {
      for (const any of [tenant, ...world.tenants]) {
        const row = await store.verification(any, verification, now);
        if (row !== undefined) return row;
      }
      return undefined;
    },
  }));
  expect(await violationBy(open)).toMatch(/another tenant|something foreign|by a stranger/);
});

test('a store that takes a signed call twice is seen', async () => {
  const forgetful = changed((store) => ({
    async consumeJti(...args) {
      await store.consumeJti(...args);
      return true;
    },
  }));
  expect(await violationBy(forgetful)).toMatch(/one signed call was good twice/);
});

test('a store that passes what was reported meanwhile is seen', async () => {
  const stubborn = changed((store, world) => ({
    async recordResult(result, now) {
      const row = await store.recordResult(result, now);
      if (!result.passed || row.verdict === 'passed') return row;
      const pass = `UPDATE verifications SET verdict = 'passed', state = 'done', decided_at = ?, request = NULL,
        attempt = NULL, attempt_nonce = NULL, claim = iif(mode = 'precall', 'open', NULL) WHERE verification = ?`;
      world.room.writer.prepare(pass).run(now, result.verification);
      return { ...row, verdict: 'passed', state: 'done' };
    },
  }));
  expect(await violationBy(stubborn)).toMatch(/a verdict changed|passed/);
});

test('a verifier that answers before it has written is seen', async () => {
  const hasty = changed((store) => ({
    async decline(tenant, verification, device, now) {
      const row = await store.verification(tenant, verification, now);
      if (row === undefined || row.state === 'done') return 'verification_over';
      const own = await store.devicesOfSubject(tenant, row.subject, now);
      if (!own.some((one) => one.device === device)) return 'not_found';
      return { ...row, state: 'done', verdict: 'declined', request: null, attempt: null };
    },
  }));
  expect(await violationBy(hasty)).toMatch(/told declined where/);
});

test('an audit entry that is changed is seen', async () => {
  const forger = changed((store, world) => ({
    async sweep(now) {
      const swept = await store.sweep(now);
      world.room.writer.exec(
        'DROP TRIGGER IF EXISTS audit_entries_are_linked_once; UPDATE audit_entries SET at = at + 1 WHERE seq IS NULL',
      );
      return swept;
    },
  }));
  expect(await violationBy(forger)).toMatch(/AuditBroken/);
});
