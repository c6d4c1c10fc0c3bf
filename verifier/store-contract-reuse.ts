import { describe, expect, it } from 'vitest';
import type { NewVerification, Reuse } from './records.ts';
import type { Store } from './store.ts';
import {
  accepted,
  enrolled,
  FAILED,
  id,
  NOW,
  newVerification,
  result,
  said,
  started,
  use,
} from './store-fixtures.ts';

const BACKEND = { kind: 'backend' } as const;
const ON_CALL: Partial<NewVerification> = { callId: 'call-1', reuseSeconds: 300 };
const LIST = { alternatives: [[0], [1]], twoFactor: true, raisedBy: [0, 2] };

export function reuseContract(store: () => Store): void {
  const passed = async (label: string, changes: Partial<NewVerification> = {}) => {
    await accepted(store(), label, { ...ON_CALL, ...changes });
    await store().consumeAttempt(use(label), NOW);
    return store().recordResult(result(label, 1, { shown: [1] }), NOW);
  };
  const call = { tenant: 'bank', subject: 'c-1', operator: null, callId: 'call-1' };
  const reusable = async (changes: Partial<typeof call> = {}, now = NOW) =>
    (await store().reusablePasses({ ...call, ...changes }, now)).map(({ verification }) => verification);
  const reuse = (from: string): Reuse => ({
    from: id(from),
    shown: [0],
    factors: ['knowledge', 'possession'],
  });
  const startBy = (label: string, by: Reuse, now = NOW) =>
    store().createVerification(
      newVerification(label, { ...ON_CALL, startedAt: now }),
      BACKEND,
      undefined,
      by,
    );

  describe('what a verification asks for', () => {
    it('is given back with its alternatives, and audited with the rules that raised it', async () => {
      expect(await started(store(), 'v', LIST)).toMatchObject({ ...LIST, callId: null, shown: null });
      const [audited] = (await said(store())).filter(({ event }) => event === 'verification.started');
      expect(audited).toMatchObject({ raisedBy: ['stepUp.0', 'stepUp.2'] });
    });
  });

  describe('a pass', () => {
    it('says what was shown, and any other verdict does not', async () => {
      await enrolled(store(), 'phone');
      expect(await passed('v')).toMatchObject({ shown: [1], reusedFrom: null, reusableUntil: NOW + 300 });
      expect(
        await store().cancel('bank', (await started(store(), 'w')).verification, BACKEND, NOW),
      ).toMatchObject({
        ...{ shown: null, reusableUntil: null },
      });
    });

    it('may stand in on its own call, for its own subject and operator, for its time', async () => {
      await enrolled(store(), 'phone');
      await passed('v');
      expect(await reusable()).toEqual([id('v')]);
      expect(await reusable({}, NOW + 299)).toEqual([id('v')]);
      expect(await reusable({}, NOW + 300)).toEqual([]);
      const others = { tenant: 'shop', subject: 'c-2', operator: id('operator bank'), callId: 'call-2' };
      for (const [key, other] of Object.entries(others)) expect(await reusable({ [key]: other })).toEqual([]);
      expect(await store().reusablePasses({ ...call, callId: null }, NOW)).toEqual([]);
    });

    it('may not where its policy says nothing of it, its call has no name, or nobody is on a call yet', async () => {
      await enrolled(store(), 'phone');
      expect((await passed('a', { reuseSeconds: 0 })).reusableUntil).toBeNull();
      expect((await passed('b', { callId: null })).reusableUntil).toBeNull();
      expect((await passed('c', { mode: 'precall', expiresAt: NOW + 900 })).reusableUntil).toBeNull();
      expect(await reusable()).toEqual([]);
    });

    it.each([
      ['reported', (label: string) => store().report('bank', id(label), id('phone'), NOW)],
      ['declined', (label: string) => store().decline('bank', id(label), id('phone'), NOW)],
      [
        'failed',
        async (label: string) => {
          for (const number of [1, 2, 3]) {
            await store().consumeAttempt(use(label, number), NOW);
            await store().recordResult(result(label, number, FAILED), NOW);
          }
        },
      ],
      ['whose device was revoked', () => store().revokeDevice('bank', id('phone'), BACKEND, NOW)],
    ])('does not any more for a customer who has since %s', async (_, end) => {
      await enrolled(store(), 'phone');
      await passed('v');
      await accepted(store(), 'w');
      await end('w');
      expect(await reusable()).toEqual([]);
      expect(await startBy('again', reuse('v'))).toMatchObject({ row: { state: 'pending', verdict: null } });
    });

    it('does not where another device of the subject was revoked', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      await passed('v');
      await store().revokeDevice('bank', id('tablet'), BACKEND, NOW);
      expect(await reusable()).toEqual([id('v')]);
    });

    it('of a report without any open request ends with it', async () => {
      await enrolled(store(), 'phone');
      await passed('v');
      await passed('pass', { mode: 'precall', expiresAt: NOW + 900 });
      await store().report('bank', id('pass'), id('phone'), NOW);
      expect(await reusable()).toEqual([]);
    });
  });

  describe('a verification that a pass stands in for', () => {
    it('is passed from the start, without a request, and names the pass', async () => {
      await enrolled(store(), 'phone');
      await passed('v');
      const made = await startBy('again', reuse('v'), NOW + 10);
      const row = {
        ...{ state: 'done', verdict: 'passed', request: null, device: id('phone'), decidedAt: NOW + 10 },
        ...{ shown: [0], factors: ['knowledge', 'possession'], reusedFrom: id('v'), reusableUntil: null },
      };
      expect(made).toMatchObject({ created: true, row });
      expect(await store().verification('bank', id('again'), NOW + 10)).toMatchObject(row);
      const audited = (await said(store())).filter(({ verification }) => verification === id('again'));
      expect(audited).toMatchObject([
        { event: 'verification.started', call: 'call-1' },
        { event: 'verification.passed', reusedFrom: id('v'), actor: BACKEND },
      ]);
      // A pass that was not shown itself stands in for nothing.
      expect(await reusable()).toEqual([id('v')]);
      expect(await startBy('third', reuse('again'))).toMatchObject({ row: { state: 'pending' } });
    });

    it('is made once for an idempotency key', async () => {
      await enrolled(store(), 'phone');
      await passed('v');
      const idempotency = { caller: 'backend', key: 'k', bodyHash: new Uint8Array(32) };
      const again = (label: string) =>
        store().createVerification(newVerification(label, ON_CALL), BACKEND, idempotency, reuse('v'));
      expect(await again('w')).toMatchObject({ created: true, row: { verification: id('w') } });
      expect(await again('x')).toMatchObject({
        ...{ created: false, row: { verification: id('w'), reusedFrom: id('v') } },
      });
    });
  });

  describe('earlier failures', () => {
    it('are those that failed or were reported, of this subject, after a time', async () => {
      await enrolled(store(), 'phone');
      for (const label of ['a', 'b', 'c']) await accepted(store(), label);
      await store().decline('bank', id('a'), id('phone'), NOW);
      expect(await store().failuresSince('bank', 'c-1', NOW - 1)).toBe(0);
      await store().report('bank', id('b'), id('phone'), NOW);
      // Both that were open.
      expect(await store().failuresSince('bank', 'c-1', NOW - 1)).toBe(2);
      expect(await store().failuresSince('bank', 'c-1', NOW)).toBe(0);
      expect(await store().failuresSince('bank', 'c-2', NOW - 1)).toBe(0);
      expect(await store().failuresSince('shop', 'c-1', NOW - 1)).toBe(0);
    });
  });
}
