import { describe, expect, it } from 'vitest';
import { BOUNDS, type Store } from './store.ts';
import { accepted, enrolled, hash, id, NOW, said, started, thumb } from './store-fixtures.ts';

export function epochContract(store: () => Store): void {
  describe('an epoch', () => {
    it('is the first of a new database, and only a later one begins', async () => {
      expect(await store().epoch()).toEqual({ epoch: 1, copy: false });
      await store().beginEpoch(5, NOW);
      expect(await store().epoch()).toEqual({ epoch: 5, copy: false });
      await expect(store().beginEpoch(5, NOW)).rejects.toThrow('later');
      expect(await store().epoch()).toEqual({ epoch: 5, copy: false });
    });

    it('that begins cancels what is open, of every tenant', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'under way');
      await enrolled(store(), 'their phone', { tenant: 'shop' });
      await started(store(), 'theirs', { tenant: 'shop' });
      await store().beginEpoch(2, NOW);
      for (const [tenant, label] of [
        ['bank', 'under way'],
        ['shop', 'theirs'],
      ] as const) {
        const row = await store().verification(tenant, id(label), NOW);
        expect(row).toMatchObject({ state: 'done', verdict: 'cancelled', request: null });
      }
      const events = (await said(store())).map(({ event }) => event);
      expect(events).toContain('database.restored');
      await store().linkAudit();
    });

    it('that begins leaves each device one try of its PIN, and none to those that had none', async () => {
      const [fresh, locked] = [await enrolled(store(), 'fresh'), await enrolled(store(), 'locked')];
      const evaluate = (device: typeof fresh, n: number) =>
        store().countEvaluation(
          { tenant: 'bank', device: device.device, use: 'current', digest: hash(`${device.device} ${n}`) },
          NOW,
        );
      for (let n = 0; n < BOUNDS.tries; n++) await evaluate(locked, n);
      await evaluate(fresh, 0);
      await store().beginEpoch(2, NOW);
      // Not even the same element as last is free.
      expect(await evaluate(fresh, 0)).toMatchObject({ triesLeft: 0 });
      expect(await evaluate(fresh, 1)).toBe('pin_locked');
      expect(await evaluate(locked, 9)).toBe('pin_locked');
    });

    it('that begins ends sessions, links and enrolments: what is good once may have been used', async () => {
      const operator = id('operator bank');
      await store().addSignInLink('bank', operator, hash('link'), NOW + 600, NOW);
      await store().addSignInLink('bank', operator, hash('unused'), NOW + 600, NOW);
      const session = { sessionHash: hash('session'), endsAt: NOW + 600, idleSeconds: 600 };
      await store().openSession({ ...session, tokenHash: hash('link') }, NOW);
      const enrolment = { tenant: 'bank', subject: 'c-1', tokenHash: hash('token'), expiresAt: NOW + 600 };
      await store().createEnrolment(enrolment, NOW);
      await store().beginEpoch(2, NOW);
      expect(await store().session(hash('session'), false, NOW)).toBeUndefined();
      expect(await store().openSession({ ...session, tokenHash: hash('unused') }, NOW)).toBeUndefined();
      expect(await store().enrolment(hash('token'), NOW)).toBeUndefined();
    });

    it('that begins has nonces of its own: what a clock marked that was ahead is over', async () => {
      const { tenant, device } = await enrolled(store(), 'phone');
      const year = 31_536_000;
      await store().consumeJti(tenant, device, id('jti'), NOW + 600, NOW);
      await store().sweep(NOW + year);
      expect(await store().consumeJti(tenant, device, id('next'), NOW + 600, NOW)).toBe(false);
      await store().beginEpoch(2, NOW);
      expect(await store().consumeJti(tenant, device, id('next'), NOW + 600, NOW)).toBe(true);
    });

    it('that begins leaves devices and verdicts as they were', async () => {
      const before = await enrolled(store(), 'phone');
      await store().cancel('bank', (await started(store(), 'v')).verification, { kind: 'backend' }, NOW);
      await store().beginEpoch(2, NOW + 60);
      const after = await store().deviceByThumbprint(thumb('phone'), NOW + 60);
      expect(after).toEqual({ ...before, tries: BOUNDS.tries - 1 });
      expect(await store().verification('bank', id('v'), NOW + 60)).toMatchObject({ decidedAt: NOW });
    });
  });
}
