import { availableParallelism, loadavg } from 'node:os';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { CRASH_STORES, crashRounds } from './rounds.ts';

const ROUNDS = 5;
const READY_MS = 2000;

/** How long this process, which computes little, stood still at most: then the machine did, and the verifier with it. */
function watchPauses(): { longest(): number } {
  const [every, late] = [20, 250];
  let [last, longest] = [performance.now(), 0];
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last - every);
    last = now;
  }, every).unref();
  return {
    longest() {
      clearInterval(timer);
      return longest > late ? longest : 0;
    },
  };
}

for (const store of CRASH_STORES) {
  test(`${store}, killed ${ROUNDS} times under load: nothing is lost, nothing is good twice`, {
    timeout: 300_000,
  }, async () => {
    const pauses = watchPauses();
    const result = await crashRounds(store, ROUNDS, { isEnough: ({ tries }) => tries.size > 0 });
    expect(result).toMatchObject({ store, rounds: ROUNDS, lost: 0, doubleUses: 0, auditOk: true });
    const { verdicts, starts, tries } = result.acknowledged;
    for (const count of [verdicts, starts, tries]) expect(count).toBeGreaterThan(0);
    // A process that gets a third of a core takes three times as long.
    const share = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
    expect(result.slowestReadyMs).toBeLessThan(READY_MS * share + pauses.longest());
  });
}

/** Verdicts become others, used attempts are open again, signed calls are forgotten, the audit is edited. */
const FAULTS = `
  UPDATE verifications SET verdict = 'cancelled', shown = NULL, reused_from = NULL, reusable_until = NULL WHERE verdict IN ('declined', 'reported', 'passed') AND claim IS NULL;
  UPDATE verifications SET attempt = last_attempt WHERE attempt IS NOT NULL AND last_attempt IS NOT NULL;
  DELETE FROM jtis;
  DROP TRIGGER audit_entries_are_linked_once;
  UPDATE audit_entries SET at = at + 1 WHERE seq IS NULL OR seq = 1;`;

test('a database that lost something and forgot what was used is seen', { timeout: 300_000 }, async () => {
  const result = await crashRounds('sqlite', 1, {
    leastTold: 30,
    // A presentation that was answered and failed: used, and good again where that is forgotten.
    isEnough: ({ sent, verdicts }) =>
      sent.some(({ answered, verification }) => answered && !verdicts.has(verification)),
    sabotage(file) {
      const database = new Database(file);
      database.exec(FAULTS);
      database.close();
    },
  });
  expect(result.lost).toBeGreaterThan(0);
  expect(result.doubleUses).toBeGreaterThan(0);
  expect(result.auditOk).toBe(false);
});
