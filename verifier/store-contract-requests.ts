import { describe, expect, it } from 'vitest';
import type { Store } from './store.ts';
import {
  accepted,
  attempt,
  enrolled,
  id,
  LIFE,
  NOW,
  started,
  thumb,
  unclaimedPass,
} from './store-fixtures.ts';

const BACKEND = { kind: 'backend' } as const;

export function requestContract(store: () => Store): void {
  const read = (label: string, now = NOW, tenant = 'bank') => store().verification(tenant, id(label), now);
  const accept = (label: string, device = 'phone', now = NOW, tenant = 'bank') =>
    store().accept(tenant, id(label), id(device), attempt(`${label} ${device}`), now);

  describe('a device', () => {
    it('accepts first and owns it; again, it gets the same answer', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      await started(store(), 'v', { audience: [thumb('phone'), thumb('tablet')] });
      const row = await accept('v');
      expect(row).toMatchObject({
        ...{ state: 'accepted', device: id('phone'), attempt: attempt('v phone'), revision: 2 },
      });
      expect(await store().accept('bank', id('v'), id('phone'), attempt('other'), NOW)).toEqual(row);
      expect(await accept('v', 'tablet')).toBe('accepted_elsewhere');
      expect(await store().decline('bank', id('v'), id('tablet'), NOW)).toBe('accepted_elsewhere');
      expect(await store().later('bank', id('v'), id('tablet'), NOW)).toBe('accepted_elsewhere');
    });

    it('outside aud, of another subject or tenant, or not active finds nothing', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      await enrolled(store(), 'stranger', { subject: 'c-2' });
      await enrolled(store(), 'revoked');
      await store().revokeDevice('bank', id('revoked'), BACKEND, NOW);
      await started(store(), 'v', { audience: ['phone', 'stranger', 'revoked'].map(thumb) });
      for (const [device, tenant] of [
        ['tablet', 'bank'],
        ['stranger', 'bank'],
        ['revoked', 'bank'],
        ['unknown', 'bank'],
        ['phone', 'shop'],
      ] as const) {
        const ids = [tenant, id('v'), id(device)] as const;
        expect(await accept('v', device, NOW, tenant)).toBe('not_found');
        expect(await store().later(...ids, NOW)).toBe('not_found');
        expect(await store().decline(...ids, NOW)).toBe('not_found');
        expect(await store().report(...ids, NOW)).toBe('not_found');
      }
      expect(await accept('unknown')).toBe('not_found');
      expect((await read('v'))?.revision).toBe(1);
    });

    it('asks for later without prolonging the life, and may still accept', async () => {
      await enrolled(store(), 'phone');
      await started(store(), 'v');
      const row = await store().later('bank', id('v'), id('phone'), NOW);
      expect(row).toMatchObject({ state: 'pending', later: true, expiresAt: NOW + LIFE, revision: 2 });
      expect(await store().later('bank', id('v'), id('phone'), NOW)).toEqual(row);
      expect(await accept('v')).toMatchObject({ state: 'accepted', revision: 3 });
      expect(await store().later('bank', id('v'), id('phone'), NOW)).toMatchObject({ revision: 3 });
      expect(await store().later('bank', id('v'), id('phone'), NOW + LIFE)).toBe('verification_over');
    });

    it('declines what is pending or accepted', async () => {
      await enrolled(store(), 'phone');
      await started(store(), 'v');
      await accepted(store(), 'w');
      for (const label of ['v', 'w']) {
        const row = await store().decline('bank', id(label), id('phone'), NOW + 3);
        expect(row).toMatchObject({
          ...{ state: 'done', verdict: 'declined', decidedAt: NOW + 3, request: null, attempt: null },
        });
        expect(await store().decline('bank', id(label), id('phone'), NOW)).toBe('verification_over');
      }
    });

    it('by a report ends all open ones of its subject and voids unclaimed passes, and nothing else', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      await accepted(store(), 'accepted');
      await started(store(), 'old', { startedAt: NOW - LIFE, expiresAt: NOW });
      await started(store(), 'asked', { audience: [thumb('phone'), thumb('tablet')] });
      await started(store(), 'stranger', { subject: 'c-2' });
      await started(store(), 'elsewhere', { tenant: 'shop' });
      await unclaimedPass(store(), 'pass');
      const row = await store().report('bank', id('asked'), id('tablet'), NOW);
      expect(row).toMatchObject({ state: 'done', verdict: 'reported', request: null });
      expect(await read('accepted')).toMatchObject({ verdict: 'reported', attempt: null });
      expect(await read('old')).toMatchObject({ verdict: 'expired' });
      expect(await read('pass')).toMatchObject({ verdict: 'passed', claim: 'void' });
      expect((await read('stranger'))?.state).toBe('pending');
      expect((await read('elsewhere', NOW, 'shop'))?.state).toBe('pending');
      expect(await store().report('bank', id('asked'), id('tablet'), NOW)).toBe('verification_over');
      expect(await store().report('bank', id('pass'), id('phone'), NOW)).toBe('verification_over');
    });

    it('may report an unclaimed pass, but not a claimed one', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'pass');
      await started(store(), 'open');
      const row = await store().report('bank', id('pass'), id('phone'), NOW);
      expect(row).toMatchObject({ verdict: 'passed', claim: 'void' });
      expect((await read('open'))?.verdict).toBe('reported');
    });
  });
}
