import { describe, expect, it } from 'vitest';
import { verifyAudit } from './audit.ts';
import { BOUNDS } from './store.ts';
import {
  attempt,
  call,
  commitment,
  enrolled,
  hash,
  id,
  NOW,
  newVerification,
  result,
  type StoreHarness,
  said,
  started,
  thumb,
  use,
} from './store-fixtures.ts';
import type { StoreCall } from './store-peers.ts';

const CALLS = 240;
const DEVICES = ['phone', 'tablet', 'third'];
const LABELS = ['v 0', 'v 1', 'v 2', 'v 3', 'v 4', 'v 5'];
const BACKEND = { kind: 'backend' } as const;
const VERDICTS = ['passed', 'failed', 'declined', 'reported', 'expired', 'cancelled'];

/**
 * Everything at once, from several processes, in an order that nobody planned: whatever came of it, the audit tells one
 * story that keeps to the protocol.
 */
export function crowdContract(harness: () => StoreHarness): void {
  describe('a crowd of processes', () => {
    it.each([1, 2])('leaves one story that keeps to the protocol (%i)', async (seed) => {
      const { store, race } = harness();
      for (const [i, label] of DEVICES.entries()) await enrolled(store, label, { at: NOW - 3 + i });
      for (const [i, label] of LABELS.entries()) {
        const mode = i % 2 === 0 ? 'call' : 'precall';
        const audience = DEVICES.map(thumb);
        const times = { startedAt: NOW + (i % 3), expiresAt: NOW + 30 + 5 * i };
        await started(store, label, { mode, audience, ...times });
      }
      const random = generator(seed);
      await race(Array.from({ length: CALLS }, (_, i) => anyCall(random, i)));
      const story = await said(store);
      const entries = await store.auditEntries('bank', 0, 10_000);
      expect(verifyAudit('bank', entries).seq).toBe(story.length);
      for (const label of LABELS) {
        const row = await store.verification('bank', id(label), NOW + 3);
        expectOneStory(
          row?.verdict ?? null,
          story.filter(({ verification }) => verification === id(label)),
        );
      }
      for (const label of DEVICES) expectBoundDevice(id(label), story);
    });
  });
}

type Story = Awaited<ReturnType<typeof said>>;

function expectOneStory(verdict: string | null, story: Story): void {
  const named = (...events: readonly string[]) => story.filter(({ event }) => events.includes(event));
  expect(named('verification.accepted').length).toBeLessThanOrEqual(1);
  expect(named('attempt.used').length).toBeLessThanOrEqual(BOUNDS.attempts);
  expect(new Set(named('attempt.used').map((entry) => entry.attempt)).size).toBe(
    named('attempt.used').length,
  );
  const verdicts = named(...VERDICTS.map((word) => `verification.${word}`)).map(({ event }) => event);
  expect(verdicts).toEqual(verdict === null ? [] : [`verification.${verdict}`]);
  expect(named('claim.accepted', 'claim.voided').length).toBeLessThanOrEqual(1);
}

/** Tries are counted one by one up to the bound, and a device that is gone does nothing more. */
function expectBoundDevice(device: string, story: Story): void {
  const own = story.filter(({ actor }) => (actor as { readonly id?: string }).id === device);
  let tries = 0;
  for (const entry of own) {
    if (entry.event === 'pin.proven') tries = 0;
    if (entry.event !== 'pin.evaluated') continue;
    tries += 1;
    expect(entry.tries).toBe(tries);
    expect(tries).toBeLessThanOrEqual(BOUNDS.tries);
  }
  const end = story.findIndex(
    (entry) => ['device.revoked', 'device.stopped'].includes(entry.event) && entry.device === device,
  );
  if (end < 0) return;
  // What was under way may still be told to have come to nothing.
  const after = story.slice(end).filter((entry) => own.includes(entry) && entry.event !== 'attempt.dropped');
  expect(after).toEqual([]);
}

function anyCall(random: () => number, i: number): StoreCall {
  const one = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const [label, name] = [one(LABELS), one(DEVICES)];
  const [verification, device] = [id(label), id(name)];
  const now = NOW + 3 + Math.floor(random() * 40);
  const claim = { tenant: 'bank', subject: 'c-1', purpose: 'transfer', direction: 'inbound', matches: [] };
  const evaluation = { tenant: 'bank', device, use: 'verification', verification } as const;
  const idempotency = { caller: 'backend', key: one(['k', 'l']), bodyHash: hash('body') };
  const proven = { device, provenCommitment: commitment(name) };
  const limits = ['a', 'b'].map((key) => ({ tenant: 'bank', key, count: 5, seconds: 60 }));
  const calls: readonly (() => StoreCall)[] = [
    () => call('accept', 'bank', verification, device, attempt(`${label} 1`), now),
    () => call('accept', 'bank', verification, device, attempt(`${label} 1`), now),
    () => call('later', 'bank', verification, device, now),
    () => call('consumeAttempt', use(label, 1, { device, jti: id(`jti ${i}`) }), now),
    () => call('consumeAttempt', use(label, 2, { device, jti: id(`jti ${i}`) }), now),
    () => call('recordResult', result(label, 1, { ...proven, passed: random() < 0.5 }), now),
    () => call('countEvaluation', { ...evaluation, digest: hash(`try ${i}`) }, now),
    () => call('countEvaluation', { ...evaluation, digest: hash(`try ${i}`) }, now),
    () => ({ verb: 'claim', args: [claim, BACKEND, now] }),
    () => call('verificationsOfDevice', 'bank', device, thumb(name), now),
    () => call('createVerification', newVerification(`new ${i}`), BACKEND, idempotency),
    () => call('takeLimits', limits, now),
    () => call('sweep', now),
    () => call('linkAudit'),
    () => call(one(['decline', 'report']), 'bank', verification, device, now),
    () => call('cancel', 'bank', verification, BACKEND, now),
    () =>
      random() < 0.2
        ? call('revokeDevice', 'bank', device, BACKEND, now)
        : call('stopDevice', 'bank', id('third'), device, now),
  ];
  return one(calls)();
}

/** Numbers from 0 to 1, the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
