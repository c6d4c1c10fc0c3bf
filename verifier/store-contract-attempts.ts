import { describe, expect, it } from 'vitest';
import type { VerificationRow } from './records.ts';
import { BOUNDS, type Store } from './store.ts';
import {
  accepted,
  attempt,
  enrolled,
  FAILED,
  id,
  LIFE,
  NOW,
  result,
  started,
  thumb,
  use,
} from './store-fixtures.ts';

const BACKEND = { kind: 'backend' } as const;

export function attemptContract(store: () => Store): void {
  const read = async (label: string): Promise<VerificationRow> => {
    const row = await store().verification('bank', id(label), NOW);
    if (row === undefined) throw new Error('no verification');
    return row;
  };

  describe('an attempt', () => {
    it('is used up by the device that accepted, and hands out its nonce', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      expect(await store().consumeAttempt(use('v'), NOW)).toMatchObject({
        ...{ state: 'accepted', attempt: attempt('v 1'), attemptsUsed: 1, revision: 3 },
      });
      expect(await read('v')).toMatchObject({ attempt: null, attemptsUsed: 1, revision: 3 });
      expect(await store().consumeAttempt(use('v', 1, { jti: id('fresh') }), NOW)).toBe('attempt_used');
    });

    it('is refused for unknown verifications, other devices and other tenants alike', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      await enrolled(store(), 'outside');
      await accepted(store(), 'v', { audience: [thumb('phone'), thumb('tablet')] });
      for (const wrong of [
        use('unknown'),
        use('v', 1, { tenant: 'shop' }),
        use('v', 1, { device: id('tablet') }),
        use('v', 1, { device: id('outside') }),
        use('v', 1, { device: id('unknown') }),
      ]) {
        expect(await store().consumeAttempt(wrong, NOW)).toBe('not_found');
      }
      expect(await read('v')).toMatchObject({ attempt: attempt('v 1'), revision: 2 });
    });

    it('is refused in the order of the protocol, and a refusal uses nothing up', async () => {
      await enrolled(store(), 'phone');
      await store().consumeJti('bank', id('phone'), id('spent'), NOW + 600, NOW);
      await started(store(), 'pending');
      await accepted(store(), 'v');
      const spent = { jti: id('spent') };
      expect(await store().consumeAttempt(use('pending', 1, spent), NOW)).toBe('attempt_used');
      expect(await store().consumeAttempt(use('v', 2, spent), NOW)).toBe('attempt_used');
      expect(await store().consumeAttempt(use('v', 1, spent), NOW)).toBe('unauthorized');
      expect(await read('v')).toMatchObject({ attempt: attempt('v 1'), attemptsUsed: 0, revision: 2 });
      await store().consumeAttempt(use('v', 1, { jti: id('good') }), NOW);
      expect(await store().consumeJti('bank', id('phone'), id('good'), NOW + 600, NOW)).toBe(false);
      await store().cancel('bank', id('v'), BACKEND, NOW);
      expect(await store().consumeAttempt(use('v', 1, spent), NOW)).toBe('verification_over');
    });

    it('comes too late at the end of the life and after a revocation', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      await accepted(store(), 'w');
      expect(await store().consumeAttempt(use('v'), NOW + LIFE)).toBe('verification_over');
      await store().revokeDevice('bank', id('phone'), BACKEND, NOW);
      expect(await store().consumeAttempt(use('w'), NOW)).toBe('not_found');
    });
  });

  describe('a result', () => {
    const consumed = async (label: string, number = 1) => {
      expect(await store().consumeAttempt(use(label, number), NOW)).toMatchObject({ attemptsUsed: number });
    };

    it('that holds is the verdict, with its factors', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      await consumed('v');
      const row = await store().recordResult(result('v'), NOW + 2);
      expect(row).toMatchObject({
        ...{ state: 'done', verdict: 'passed', factors: ['possession', 'knowledge'], decidedAt: NOW + 2 },
        ...{ request: null, attempt: null, claim: null, revision: 4 },
      });
      expect(await read('v')).toEqual(row);
    });

    it('of a pre-call verification waits to be claimed', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v', { mode: 'precall' });
      await consumed('v');
      expect(await store().recordResult(result('v'), NOW)).toMatchObject({
        verdict: 'passed',
        claim: 'open',
      });
    });

    it('that fails opens the next attempt, and the last failure is the verdict', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      for (let number = 1; number < BOUNDS.attempts; number += 1) {
        await consumed('v', number);
        const row = await store().recordResult(result('v', number, FAILED), NOW);
        expect(row).toMatchObject({ state: 'accepted', attempt: attempt(`v ${number + 1}`), verdict: null });
      }
      await consumed('v', BOUNDS.attempts);
      expect(await store().recordResult(result('v', BOUNDS.attempts, FAILED), NOW)).toMatchObject({
        ...{ state: 'done', verdict: 'failed', factors: [], attempt: null, attemptsUsed: BOUNDS.attempts },
      });
    });

    it('may still pass with the last attempt', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      for (const number of [1, 2]) {
        await consumed('v', number);
        await store().recordResult(result('v', number, FAILED), NOW);
      }
      await consumed('v', 3);
      expect((await store().recordResult(result('v', 3), NOW)).verdict).toBe('passed');
    });

    it('counts once, and only for the attempt that was used last', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      const before = await read('v');
      expect(await store().recordResult(result('v'), NOW)).toEqual(before);
      await consumed('v');
      const open = await read('v');
      expect(await store().recordResult(result('v', 2), NOW)).toEqual(open);
      expect(await store().recordResult(result('v', 1, { device: id('other') }), NOW)).toEqual(open);
      const next = await store().recordResult(result('v', 1, FAILED), NOW);
      expect(await store().recordResult(result('v', 1), NOW)).toEqual(next);
      expect(await store().recordResult(result('v', 1, FAILED), NOW)).toEqual(next);
      await consumed('v', 2);
      expect((await store().recordResult(result('v', 1), NOW)).verdict).toBeNull();
    });

    it('is dropped when something ended the verification meanwhile', async () => {
      await enrolled(store(), 'phone');
      const meanwhile = {
        reported: (label: string) => store().report('bank', id(label), id('phone'), NOW),
        cancelled: (label: string) => store().cancel('bank', id(label), BACKEND, NOW),
        declined: (label: string) => store().decline('bank', id(label), id('phone'), NOW),
        expired: (label: string) =>
          store()
            .sweep(NOW + LIFE)
            .then(() => label),
      };
      for (const [verdict, end] of Object.entries(meanwhile)) {
        await accepted(store(), verdict);
        await consumed(verdict);
        await end(verdict);
        expect(await store().recordResult(result(verdict), NOW)).toMatchObject({ verdict, factors: [] });
      }
    });

    it('is dropped at the end of the life, sweep or not', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      await consumed('v');
      expect((await store().recordResult(result('v'), NOW + LIFE)).verdict).toBe('expired');
    });

    it('is dropped when the device was revoked or its PIN changed meanwhile', async () => {
      const { commitment } = await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      await consumed('v');
      const change = {
        tenant: 'bank',
        device: id('phone'),
        oldCommitment: commitment ?? '',
        commitment: '5',
      };
      const { evaluationKey } = await enrolled(store(), 'tablet');
      await store().completePinChange({ ...change, evaluationKey }, NOW);
      expect(await store().recordResult(result('v'), NOW)).toMatchObject({
        state: 'accepted',
        verdict: null,
      });
      await store().revokeDevice('bank', id('phone'), BACKEND, NOW);
      for (const late of [result('v', 1, { provenCommitment: '5' }), result('v', 1, FAILED)]) {
        expect(await store().recordResult(late, NOW)).toMatchObject({ verdict: null, attempt: null });
      }
    });

    it('is a fault for a verification that never was, or is of another tenant', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      await consumed('v');
      await expect(store().recordResult(result('unknown'), NOW)).rejects.toThrow();
      await expect(store().recordResult(result('v', 1, { tenant: 'shop' }), NOW)).rejects.toThrow();
      expect((await read('v')).verdict).toBeNull();
    });
  });
}
