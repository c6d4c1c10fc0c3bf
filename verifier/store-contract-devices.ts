import { describe, expect, it } from 'vitest';
import type { Device } from './records.ts';
import { BOUNDS, type Store } from './store.ts';
import {
  commitment,
  enrolled,
  enrolling,
  hash,
  id,
  NOW,
  sealed,
  thumb,
  unclaimedPass,
} from './store-fixtures.ts';

const ACTOR = { kind: 'backend' } as const;

export function deviceContract(store: () => Store): void {
  const redeem = (token: string, label: string, now: number) =>
    store().redeemEnrolment(
      { tokenHash: hash(token), device: id(label), thumbprint: thumb(label), evaluationKey: sealed(label) },
      now,
    );

  describe('enrolments', () => {
    const create = (token: string, tenant = 'bank') =>
      store().createEnrolment({ tenant, subject: 'c-1', tokenHash: hash(token), expiresAt: NOW + 600 }, NOW);

    it('make a device, once, before they expire', async () => {
      await create('token');
      await create('late');
      expect(await store().enrolment(hash('token'), NOW + 599)).toEqual({ tenant: 'bank', subject: 'c-1' });
      expect(await store().enrolment(hash('token'), NOW + 600)).toBeUndefined();
      const made = await redeem('token', 'phone', NOW + 599);
      expect(made).toEqual({
        ...{ tenant: 'bank', subject: 'c-1', device: id('phone'), thumbprint: thumb('phone') },
        ...{ state: 'enrolling', enrolledAt: NOW + 599, pinChangedAt: null, holder: null },
        ...{ commitment: null, tries: 0, evaluationKey: sealed('phone') },
      } satisfies Device);
      expect(await store().enrolment(hash('token'), NOW)).toBeUndefined();
      expect(await redeem('token', 'other', NOW + 599)).toBe('enrolment_refused');
      expect(await redeem('unknown', 'other', NOW)).toBe('enrolment_refused');
      expect(await redeem('late', 'other', NOW + 600)).toBe('enrolment_refused');
    });

    it('take a key once, at whichever tenant, and are not used up by a known one', async () => {
      await enrolled(store(), 'phone');
      await create('second', 'shop');
      expect(await redeem('second', 'phone', NOW)).toBe('device_exists');
      expect(await redeem('unknown', 'phone', NOW)).toBe('device_exists');
      await store().revokeDevice('bank', id('phone'), ACTOR, NOW);
      expect(await redeem('second', 'phone', NOW)).toBe('device_exists');
      expect(await redeem('second', 'other', NOW)).toMatchObject({ tenant: 'shop' });
    });

    it('end when they are not finished in time', async () => {
      const end = NOW + BOUNDS.enrolSeconds;
      const pin = { holder: '1', commitment: '2' };
      await enrolling(store(), 'phone');
      expect(await store().deviceByThumbprint(thumb('phone'), end - 1)).toMatchObject({ state: 'enrolling' });
      expect(await store().deviceByThumbprint(thumb('phone'), end)).toBeUndefined();
      expect(await store().devicesOfSubject('bank', 'c-1', end)).toEqual([]);
      expect(await store().registerPin('bank', id('phone'), pin, end)).toBeUndefined();
      expect(await store().revokeDevice('bank', id('phone'), ACTOR, end)).toBe(false);
      await store().createEnrolment(
        { tenant: 'bank', subject: 'c-1', tokenHash: hash('again'), expiresAt: end + 600 },
        end,
      );
      expect(await redeem('again', 'phone', end)).toMatchObject({ state: 'enrolling', enrolledAt: end });
    });

    it('are finished by a PIN, once, by that device', async () => {
      await enrolling(store(), 'phone');
      const pin = { holder: '11', commitment: '22' };
      expect(await store().registerPin('shop', id('phone'), pin, NOW)).toBeUndefined();
      expect(await store().registerPin('bank', id('other'), pin, NOW)).toBeUndefined();
      const active = await store().registerPin('bank', id('phone'), pin, NOW + 5);
      expect(active).toMatchObject({ ...pin, state: 'active', enrolledAt: NOW, pinChangedAt: NOW + 5 });
      expect(await store().registerPin('bank', id('phone'), { ...pin, holder: '3' }, NOW)).toBeUndefined();
      expect(await store().deviceByThumbprint(thumb('phone'), NOW + 100_000)).toEqual(active);
    });
  });

  describe('devices', () => {
    it('are listed for their tenant and subject', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet', { at: NOW + 1 });
      await enrolled(store(), 'elsewhere', { tenant: 'shop' });
      await enrolled(store(), 'stranger', { subject: 'c-2' });
      const listed = await store().devicesOfSubject('bank', 'c-1', NOW + 1);
      expect(listed.map(({ device }) => device)).toEqual([id('phone'), id('tablet')]);
      expect(await store().devicesOfSubject('bank', 'nobody', NOW)).toEqual([]);
    });

    it('are revoked once, by their tenant', async () => {
      await enrolled(store(), 'phone');
      expect(await store().revokeDevice('shop', id('phone'), ACTOR, NOW)).toBe(false);
      expect(await store().revokeDevice('bank', id('nobody'), ACTOR, NOW)).toBe(false);
      expect(await store().revokeDevice('bank', id('phone'), ACTOR, NOW)).toBe(true);
      expect(await store().revokeDevice('bank', id('phone'), ACTOR, NOW)).toBe(false);
      expect(await store().deviceByThumbprint(thumb('phone'), NOW)).toMatchObject({ state: 'revoked' });
    });

    it('take their unclaimed passes with them, and nobody else’s', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      await unclaimedPass(store(), 'v');
      await store().revokeDevice('bank', id('tablet'), ACTOR, NOW);
      expect((await store().verification('bank', id('v'), NOW))?.claim).toBe('open');
      await store().revokeDevice('bank', id('phone'), ACTOR, NOW);
      expect((await store().verification('bank', id('v'), NOW))?.claim).toBe('void');
    });

    it('stop a newer one of the same subject within a day, and no other', async () => {
      const day = BOUNDS.newDeviceSeconds;
      await enrolled(store(), 'phone');
      await enrolled(store(), 'same second');
      await enrolled(store(), 'new', { at: NOW + 10 });
      await enrolled(store(), 'stranger', { at: NOW + 10, subject: 'c-2' });
      await enrolled(store(), 'elsewhere', { at: NOW + 10, tenant: 'shop' });
      const stop = (device: string, by: string, now = NOW + 20, tenant = 'bank') =>
        store().stopDevice(tenant, id(device), id(by), now);
      expect(await stop('phone', 'new')).toBe(false);
      expect(await stop('phone', 'phone')).toBe(false);
      expect(await stop('same second', 'phone')).toBe(false);
      expect(await stop('stranger', 'phone')).toBe(false);
      expect(await stop('elsewhere', 'phone')).toBe(false);
      expect(await stop('new', 'phone', NOW + 20, 'shop')).toBe(false);
      expect(await stop('new', 'phone', NOW + 10 + day)).toBe(false);
      expect(await stop('new', 'phone', NOW + 10 + day - 1)).toBe(true);
      expect(await stop('new', 'phone')).toBe(false);
      expect(await store().deviceByThumbprint(thumb('new'), NOW)).toMatchObject({ state: 'revoked' });
    });

    it('stop nothing once they are revoked', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'new', { at: NOW + 10 });
      await store().revokeDevice('bank', id('phone'), ACTOR, NOW + 11);
      expect(await store().stopDevice('bank', id('new'), id('phone'), NOW + 20)).toBe(false);
    });

    it('use a jti once, each for itself, and not again when it was forgotten', async () => {
      const once = (device: string, jti: string, endsAt = NOW + 600) =>
        store().consumeJti('bank', id(device), id(jti), endsAt, NOW);
      await enrolled(store(), 'phone');
      expect(await store().jtisUntil()).toBe(0);
      expect(await once('phone', 'jti')).toBe(true);
      expect(await once('phone', 'jti')).toBe(false);
      expect(await once('phone', 'other')).toBe(true);
      expect(await once('tablet', 'jti')).toBe(true);
      for (const later of [599, 600, 660, 661, 720, 721, 780, 900, 5_000]) {
        await store().sweep(NOW + later);
        expect(await once('phone', 'jti')).toBe(false);
      }
      expect(await store().jtisUntil()).toBeGreaterThanOrEqual(NOW + 600);
      // Nor one that was never used, as what stood still for as long brings it.
      expect(await once('phone', 'late')).toBe(false);
      expect(await once('phone', 'jti', NOW + 5_600)).toBe(true);
    });

    it('keep distinct commitments', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      const [phone, tablet] = await store().devicesOfSubject('bank', 'c-1', NOW);
      expect(new Set([phone?.commitment, tablet?.commitment])).toEqual(
        new Set([commitment('phone'), commitment('tablet')]),
      );
    });
  });
}
