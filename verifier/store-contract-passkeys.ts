import { MAX_PASSKEYS } from '@akashi/circuits';
import { describe, expect, it } from 'vitest';
import type { Passkey } from './records.ts';
import { BOUNDS, type Store } from './store.ts';
import {
  accepted,
  commitment,
  enrolled,
  enrolling,
  FAILED,
  hash,
  id,
  NOW,
  result,
  use,
} from './store-fixtures.ts';

export function newPasskey(label: string, changes: Partial<Passkey> = {}): Omit<Passkey, 'createdAt'> {
  return {
    tenant: 'bank',
    device: id('phone'),
    passkey: id(`passkey ${label}`),
    id: hash(`passkey ${label}`),
    rpId: 'bank.example',
    publicKey: hash(`public key ${label}`),
    counter: 0,
    backupAble: true,
    backedUp: false,
    ...changes,
  };
}

export function passkeyContract(store: () => Store): void {
  const add = (label: string, changes: Partial<Passkey> = {}, at = NOW) =>
    store().addPasskey(newPasskey(label, changes), commitment('phone'), at);
  const list = () => store().passkeys('bank', id('phone'));

  describe('passkey challenges', () => {
    const begin = (label: string, tenant = 'bank') =>
      store().beginPasskey(tenant, id('phone'), hash(label), NOW);
    const take = (at = NOW, tenant = 'bank') => store().takePasskeyChallenge(tenant, id('phone'), at);

    it('are handed out once, the newest only', async () => {
      await enrolled(store(), 'phone');
      await begin('first');
      await begin('second');
      expect(await take(NOW, 'shop')).toBeUndefined();
      expect(await take()).toEqual(hash('second'));
      expect(await take()).toBeUndefined();
    });

    it('end in their time, and are used up by who comes late', async () => {
      await enrolled(store(), 'phone');
      await begin('one');
      expect(await take(NOW + BOUNDS.passkeyChallengeSeconds)).toBeUndefined();
      expect(await take()).toBeUndefined();
      await begin('two');
      expect(await take(NOW + BOUNDS.passkeyChallengeSeconds - 1)).toEqual(hash('two'));
    });

    it('are for active devices of the tenant, and go with them', async () => {
      await enrolling(store(), 'phone');
      await begin('too early');
      expect(await take()).toBeUndefined();
      await store().registerPin('bank', id('phone'), { holder: '11', commitment: commitment('phone') }, NOW);
      await begin('foreign', 'shop');
      expect(await take()).toBeUndefined();
      await begin('gone');
      await store().revokeDevice('bank', id('phone'), { kind: 'backend' }, NOW);
      expect(await take()).toBeUndefined();
    });
  });

  describe('passkeys', () => {
    it('are added to one device, listed by age, and removed by it alone', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      expect([await add('b', {}, NOW + 1), await add('a', {}, NOW)]).toEqual([true, true]);
      expect(await list()).toEqual([
        { ...newPasskey('a'), createdAt: NOW },
        { ...newPasskey('b'), createdAt: NOW + 1 },
      ]);
      expect(await store().passkeys('bank', id('tablet'))).toEqual([]);
      expect(await store().passkeys('shop', id('phone'))).toEqual([]);
      const remove = (tenant: string, device: string) =>
        store().removePasskey(tenant, id(device), id('passkey a'), NOW);
      expect([await remove('shop', 'phone'), await remove('bank', 'tablet')]).toEqual([false, false]);
      expect([await remove('bank', 'phone'), await remove('bank', 'phone')]).toEqual([true, false]);
      expect((await list()).map(({ passkey }) => passkey)).toEqual([id('passkey b')]);
    });

    it('need the PIN that is the current one, and give the tries back', async () => {
      await enrolled(store(), 'phone');
      const digest = hash('guess');
      const guess = { tenant: 'bank', device: id('phone'), use: 'current', digest } as const;
      await store().countEvaluation(guess, NOW);
      expect(await store().addPasskey(newPasskey('a'), commitment('before'), NOW)).toBe(false);
      expect((await device()).tries).toBe(1);
      expect(await add('a')).toBe(true);
      expect((await device()).tries).toBe(0);
    });

    it('are bounded, and one stands for one device of the tenant', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      await enrolled(store(), 'other', { tenant: 'shop' });
      for (let i = 0; i < MAX_PASSKEYS; i++) expect(await add(`${i}`)).toBe(true);
      expect(await add('more')).toBe(false);
      const again = newPasskey('0', { device: id('tablet'), passkey: id('again') });
      expect(await store().addPasskey(again, commitment('tablet'), NOW)).toBe(false);
      const elsewhere = { ...again, tenant: 'shop', device: id('other') };
      expect(await store().addPasskey(elsewhere, commitment('other'), NOW)).toBe(true);
    });

    it('go with their device, however it is revoked', async () => {
      await enrolled(store(), 'phone');
      await add('a');
      await store().revokeDevice('bank', id('phone'), { kind: 'backend' }, NOW);
      expect(await list()).toEqual([]);
      expect(await add('b')).toBe(false);
    });
  });

  describe('a passkey that was used', () => {
    const used = (counter: number, backedUp = false) => ({ passkey: id('passkey a'), counter, backedUp });
    const finish = async (label: string, changes: Parameters<typeof result>[2]) => {
      await accepted(store(), label);
      await store().consumeAttempt(use(label), NOW);
      return store().recordResult(result(label, 1, changes), NOW);
    };

    it('moves its counter on with a pass and with a failure', async () => {
      await enrolled(store(), 'phone');
      await add('a', { counter: 4 });
      expect(await finish('one', { passkey: used(5, true) })).toMatchObject({ verdict: 'passed' });
      expect(await list()).toMatchObject([{ counter: 5, backedUp: true }]);
      await finish('two', { ...FAILED, passkey: used(6) });
      expect(await list()).toMatchObject([{ counter: 6, backedUp: false }]);
    });

    it.each([5, 4, 0])('with counter %i after 5 lets the attempt fail', async (counter) => {
      await enrolled(store(), 'phone');
      await add('a', { counter: 5 });
      const row = await finish('one', { passkey: used(counter) });
      expect(row).toMatchObject({ state: 'accepted', verdict: null, attemptsUsed: 1 });
      expect(row.attempt).not.toBeNull();
      expect(await list()).toMatchObject([{ counter: 5 }]);
    });

    it('and that never counts stays at 0', async () => {
      await enrolled(store(), 'phone');
      await add('a');
      expect(await finish('one', { passkey: used(0) })).toMatchObject({ verdict: 'passed' });
      expect(await list()).toMatchObject([{ counter: 0 }]);
    });

    it('and removed meanwhile lets the attempt fail', async () => {
      await enrolled(store(), 'phone');
      await add('a');
      await store().removePasskey('bank', id('phone'), id('passkey a'), NOW);
      expect(await finish('one', { passkey: used(0) })).toMatchObject({ state: 'accepted', verdict: null });
    });
  });

  async function device() {
    const [found] = await store().devicesOfSubject('bank', 'c-1', NOW);
    if (found === undefined) throw new Error('no device');
    return found;
  }
}
