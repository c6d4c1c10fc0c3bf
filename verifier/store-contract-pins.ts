import { describe, expect, it } from 'vitest';
import { BOUNDS, type Store } from './store.ts';
import {
  accepted,
  commitment,
  enrolled,
  enrolling,
  hash,
  id,
  NOW,
  result,
  sealed,
  started,
  thumb,
  use,
} from './store-fixtures.ts';

export function pinContract(store: () => Store): void {
  const base = { tenant: 'bank', device: id('phone') };
  const current = (label: string, now = NOW) =>
    store().countEvaluation({ ...base, use: 'current', digest: hash(label) }, now);
  const forVerification = (label: string, verification = 'v', now = NOW) =>
    store().countEvaluation(
      { ...base, use: 'verification', verification: id(verification), digest: hash(label) },
      now,
    );
  const device = async () => {
    const found = await store().deviceByThumbprint(thumb('phone'), NOW);
    if (found === undefined) throw new Error('no device');
    return found;
  };

  describe('evaluations of the PIN', () => {
    it('are counted, and refused after the last try', async () => {
      await enrolled(store(), 'phone');
      for (let left = BOUNDS.tries - 1; left >= 0; left -= 1) {
        expect(await current(`try ${left}`)).toEqual({ triesLeft: left, evaluationKey: sealed('phone') });
      }
      expect(await current('one more')).toBe('pin_locked');
      expect(await current('one more')).toBe('pin_locked');
      expect((await device()).tries).toBe(BOUNDS.tries);
    });

    it('count a repeated element once, only while it is the last one', async () => {
      await enrolled(store(), 'phone');
      expect(await current('a')).toMatchObject({ triesLeft: 4 });
      expect(await current('a')).toMatchObject({ triesLeft: 4 });
      expect(await current('b')).toMatchObject({ triesLeft: 3 });
      expect(await current('a')).toMatchObject({ triesLeft: 2 });
      await current('c');
      expect(await current('last')).toMatchObject({ triesLeft: 0 });
      expect(await current('last')).toMatchObject({ triesLeft: 0 });
      expect(await current('a')).toBe('pin_locked');
    });

    it('are bounded while enrolling, and cost no try then', async () => {
      await enrolling(store(), 'phone');
      const enrol = (label: string, now = NOW) =>
        store().countEvaluation({ ...base, use: 'enrol', digest: hash(label) }, now);
      expect(await current('too early')).toBe('evaluation_refused');
      for (let i = 1; i <= BOUNDS.enrolEvaluations; i += 1) {
        expect(await enrol(`e ${i}`)).toEqual({ triesLeft: BOUNDS.tries, evaluationKey: sealed('phone') });
      }
      expect(await enrol('one more')).toBe('evaluation_refused');
      expect(await enrol('e 10', NOW + BOUNDS.enrolSeconds)).toBe('evaluation_refused');
      await store().registerPin('bank', id('phone'), { holder: '1', commitment: '2' }, NOW);
      expect(await enrol('e 10')).toBe('evaluation_refused');
      expect((await device()).tries).toBe(0);
    });

    it('need the verification that this device accepted, while it is open', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      await started(store(), 'pending');
      await started(store(), 'theirs', { audience: [thumb('tablet')] });
      await store().accept('bank', id('theirs'), id('tablet'), { attempt: id('a'), nonce: hash('n') }, NOW);
      await accepted(store(), 'v');
      expect(await forVerification('x', 'pending')).toBe('evaluation_refused');
      expect(await forVerification('x', 'theirs')).toBe('evaluation_refused');
      expect(await forVerification('x', 'unknown')).toBe('evaluation_refused');
      expect(await forVerification('x', 'v', NOW + 119)).toMatchObject({ triesLeft: 4 });
      expect(await forVerification('x', 'v', NOW + 120)).toBe('evaluation_refused');
      expect(await forVerification('y')).toBe('evaluation_refused');
      expect((await device()).tries).toBe(1);
    });

    it('are refused to other tenants, unknown and revoked devices', async () => {
      await enrolled(store(), 'phone');
      const evaluation = { ...base, use: 'current', digest: hash('x') } as const;
      expect(await store().countEvaluation({ ...evaluation, tenant: 'shop' }, NOW)).toBe(
        'evaluation_refused',
      );
      expect(await store().countEvaluation({ ...evaluation, device: id('?') }, NOW)).toBe(
        'evaluation_refused',
      );
      await store().revokeDevice('bank', id('phone'), { kind: 'backend' }, NOW);
      expect(await current('x')).toBe('evaluation_refused');
    });

    it('start anew only after a proof for the commitment that the device has', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      await forVerification('x');
      await store().consumeAttempt(use('v'), NOW);
      const wrong = { passed: false, reason: 'code', factors: [] };
      await store().recordResult(result('v', 1, { ...wrong, provenCommitment: null }), NOW);
      expect((await device()).tries).toBe(1);
      await store().recordResult(result('v', 1, { ...wrong, provenCommitment: commitment('other') }), NOW);
      expect((await device()).tries).toBe(1);
      await store().recordResult(result('v', 1, { ...wrong, provenCommitment: commitment('phone') }), NOW);
      expect((await device()).tries).toBe(0);
    });

    it('start anew after a proof even when the verdict fell meanwhile, unless the device is revoked', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      await forVerification('x');
      await store().consumeAttempt(use('v'), NOW);
      await store().cancel('bank', id('v'), { kind: 'backend' }, NOW);
      expect((await store().recordResult(result('v'), NOW)).verdict).toBe('cancelled');
      expect((await device()).tries).toBe(0);
      await current('y');
      await store().revokeDevice('bank', id('phone'), { kind: 'backend' }, NOW);
      await store().recordResult(result('v'), NOW);
      expect((await device()).tries).toBe(1);
    });
  });

  describe('a change of PIN', () => {
    const begin = (label: string, tenant = 'bank') =>
      store().beginPinChange(tenant, id('phone'), { evaluationKey: sealed(label), nonce: hash(label) }, NOW);
    const take = (tenant = 'bank') => store().takePinChange(tenant, id('phone'), NOW);
    const complete = (oldCommitment: string, tenant = 'bank') =>
      store().completePinChange(
        { ...base, tenant, oldCommitment, commitment: '99', evaluationKey: sealed('new') },
        NOW + 7,
      );

    it('is handed out once, the last one begun', async () => {
      await enrolled(store(), 'phone');
      expect(await take()).toBeUndefined();
      await begin('first');
      await begin('second');
      await begin('foreign', 'shop');
      expect(await take('shop')).toBeUndefined();
      expect(await take()).toEqual({ evaluationKey: sealed('second'), nonce: hash('second') });
      expect(await take()).toBeUndefined();
    });

    it('replaces key and commitment, frees the tries, and forgets the last element', async () => {
      await enrolled(store(), 'phone');
      await current('x');
      const changed = await complete(commitment('phone'));
      expect(changed).toMatchObject({
        ...{ commitment: '99', evaluationKey: sealed('new'), tries: 0 },
        ...{ enrolledAt: NOW, pinChangedAt: NOW + 7 },
      });
      expect(await device()).toEqual(changed);
      expect(await current('x')).toEqual({ triesLeft: 4, evaluationKey: sealed('new') });
    });

    it('does nothing for another tenant, an older commitment, or a device that is not active', async () => {
      await enrolled(store(), 'phone');
      expect(await complete(commitment('phone'), 'shop')).toBeUndefined();
      expect(await complete('1')).toBeUndefined();
      await begin('x');
      await store().revokeDevice('bank', id('phone'), { kind: 'backend' }, NOW);
      expect(await take()).toBeUndefined();
      await begin('y');
      expect(await take()).toBeUndefined();
      expect(await complete(commitment('phone'))).toBeUndefined();
      expect(await device()).toMatchObject({
        commitment: commitment('phone'),
        evaluationKey: sealed('phone'),
      });
    });
  });
}
