import type { Requirement } from '@akashi/circuits';
import { describe, expect, it } from 'vitest';
import type { Store } from './store.ts';
import { hash, id, NOW, said } from './store-fixtures.ts';

const BACKEND = { kind: 'backend' } as const;
const purposes = [{ id: 'transfer', text: { en: 'A transfer', ja: '振込' } }];

export function tenantContract(store: () => Store): void {
  describe('tenants', () => {
    it('are made once, and a second try changes nothing', async () => {
      const bank = { tenant: 'acme', name: 'Acme', origins: ['https://desk.acme.example'] };
      expect(await store().createTenant(bank, NOW)).toBe(true);
      expect(await store().createTenant({ ...bank, name: 'Other', origins: [] }, NOW)).toBe(false);
      expect(await store().tenant('acme')).toEqual({ ...bank, passkeys: null });
      expect(await store().tenant('nobody')).toBeUndefined();
    });

    it('list their origins, each for itself', async () => {
      expect(await store().setOrigins('bank', ['https://b.example', 'https://a.example'], NOW)).toBe(true);
      expect(await store().setOrigins('shop', ['https://c.example'], NOW)).toBe(true);
      expect(await store().setOrigins('nobody', [], NOW)).toBe(false);
      expect((await store().tenant('bank'))?.origins).toEqual(['https://a.example', 'https://b.example']);
      expect(await store().knowsOrigin('https://c.example')).toBe(true);
      await store().setOrigins('shop', [], NOW);
      expect(await store().knowsOrigin('https://c.example')).toBe(false);
      expect((await store().tenant('bank'))?.origins).toHaveLength(2);
    });

    it('set passkeys on, otherwise and off, each for itself', async () => {
      const settings = { rpId: 'bank.example', acceptScreenLock: true };
      expect(await store().setPasskeySettings('bank', settings, NOW)).toBe(true);
      expect(await store().setPasskeySettings('nobody', settings, NOW)).toBe(false);
      expect((await store().tenant('bank'))?.passkeys).toEqual(settings);
      expect((await store().tenant('shop'))?.passkeys).toBeNull();
      const other = { rpId: 'phone.bank.example', acceptScreenLock: false };
      await store().setPasskeySettings('bank', other, NOW);
      expect((await store().tenant('bank'))?.passkeys).toEqual(other);
      await store().setPasskeySettings('bank', null, NOW);
      expect((await store().tenant('bank'))?.passkeys).toBeNull();
    });

    it('are found by an API key of theirs and by no other', async () => {
      await store().addApiKey('bank', hash('key 1'), NOW);
      await store().addApiKey('bank', hash('key 2'), NOW);
      await store().addApiKey('shop', hash('key 3'), NOW);
      expect((await store().tenantByApiKey(hash('key 1')))?.tenant).toBe('bank');
      expect((await store().tenantByApiKey(hash('key 2')))?.tenant).toBe('bank');
      expect((await store().tenantByApiKey(hash('key 3')))?.tenant).toBe('shop');
      expect(await store().tenantByApiKey(hash('key 4'))).toBeUndefined();
      await expect(store().addApiKey('nobody', hash('key 5'), NOW)).rejects.toThrow();
    });

    it('give each policy a next version, and list the newest', async () => {
      const policy = { policy: 'standard', facts: ['pin' as const], purposes };
      expect(await store().putPolicy('bank', policy, BACKEND, NOW)).toEqual({ ...policy, version: 1 });
      const second = { ...policy, facts: ['pin' as const, 'account' as const] };
      expect(await store().putPolicy('bank', second, BACKEND, NOW)).toEqual({ ...second, version: 2 });
      expect((await store().putPolicy('bank', { ...policy, policy: 'light' }, BACKEND, NOW)).version).toBe(1);
      expect((await store().putPolicy('shop', policy, BACKEND, NOW)).version).toBe(1);
      const listed = await store().policies('bank');
      expect(listed.map(({ policy: name, version }) => [name, version])).toEqual([
        ['light', 1],
        ['standard', 2],
      ]);
      expect(listed[1]?.facts).toEqual(['pin', 'account']);
      expect(await store().policies('nobody')).toEqual([]);
    });

    it('keep what a version of a policy demands beyond its list, and only that version', async () => {
      const policy = { policy: 'limit', facts: ['pin' as const], purposes };
      const demanding = {
        ...policy,
        facts: [{ anyOf: ['pin', { allOf: ['account', 'passkey'] }] } satisfies Requirement],
        twoFactor: true as const,
        reuseSeconds: 300,
        stepUp: [{ when: { numberWithheld: true as const }, facts: ['account' as const] }],
      };
      expect(await store().putPolicy('bank', demanding, BACKEND, NOW)).toEqual({ ...demanding, version: 1 });
      expect(await store().policies('bank')).toEqual([{ ...demanding, version: 1 }]);
      await store().putPolicy('bank', policy, BACKEND, NOW);
      expect(await store().policies('bank')).toEqual([{ ...policy, version: 2 }]);
      const [put] = (await said(store())).filter(({ event }) => event === 'tenant.policy_put');
      expect(put).toMatchObject({ twoFactor: 'yes', reuseSeconds: 300, actor: BACKEND });
    });

    it('keep what a version of a policy says of transactions, and only that version', async () => {
      const policy = { policy: 'payment', facts: ['pin' as const], purposes };
      const transaction = { from: 'operator', desk: 'figures' } as const;
      const ruled = { ...policy, transaction };
      expect(await store().putPolicy('bank', ruled, BACKEND, NOW)).toEqual({ ...ruled, version: 1 });
      expect(await store().policies('bank')).toEqual([{ ...ruled, version: 1 }]);
      await store().putPolicy('bank', policy, BACKEND, NOW);
      expect(await store().policies('bank')).toEqual([{ ...policy, version: 2 }]);
    });
  });

  describe('operators', () => {
    const operator = id('operator bank');
    const link = (label: string) => ({
      tokenHash: hash(label),
      sessionHash: hash(`session ${label}`),
      endsAt: NOW + 1_000,
      idleSeconds: 100,
    });

    it('sign in by a link once, before it expires', async () => {
      await store().addSignInLink('bank', operator, hash('link'), NOW + 60, NOW);
      await store().addSignInLink('bank', operator, hash('late'), NOW + 60, NOW);
      expect(await store().openSession(link('unknown'), NOW)).toBeUndefined();
      const opened = await store().openSession(link('link'), NOW + 59);
      expect(opened).toEqual({ tenant: 'bank', operator, name: 'Sato', role: 'operator' });
      expect(
        await store().openSession({ ...link('link'), sessionHash: hash('2') }, NOW + 59),
      ).toBeUndefined();
      expect(await store().openSession(link('late'), NOW + 60)).toBeUndefined();
    });

    it('are known by id to their own tenant', async () => {
      const known = { tenant: 'bank', operator, name: 'Sato', role: 'operator' };
      expect(await store().operator('bank', operator)).toEqual(known);
      expect(await store().operator('shop', operator)).toBeUndefined();
      expect(await store().operator('bank', id('nobody'))).toBeUndefined();
    });

    it('get no link at another tenant', async () => {
      await expect(store().addSignInLink('shop', operator, hash('l'), NOW + 60, NOW)).rejects.toThrow();
      await expect(
        store().addOperator({ tenant: 'shop', operator, name: 'X', role: 'admin' }, NOW),
      ).rejects.toThrow();
    });

    it('keep a session alive by acting, never past its end', async () => {
      await store().addSignInLink('bank', operator, hash('link'), NOW + 60, NOW);
      await store().openSession(link('link'), NOW);
      const session = (touch: boolean, at: number) => store().session(hash('session link'), touch, at);
      expect(await session(false, NOW + 99)).toMatchObject({
        operator: { operator },
        tenant: await store().tenant('bank'),
      });
      expect(await store().isSessionLive(hash('session link'), NOW + 99)).toBe(true);
      expect(await store().isSessionLive(hash('session link'), NOW + 100)).toBe(false);
      expect(await session(false, NOW + 100)).toBeUndefined();
      expect(await session(true, NOW + 100)).toBeUndefined();
      for (let at = NOW + 99; at < NOW + 1_000; at += 99) {
        expect((await session(true, at))?.operator.operator).toBe(operator);
      }
      expect((await session(false, NOW + 999))?.operator.operator).toBe(operator);
      expect(await session(true, NOW + 1_000)).toBeUndefined();
    });

    it('end a session at once', async () => {
      await store().addSignInLink('bank', operator, hash('link'), NOW + 60, NOW);
      await store().openSession(link('link'), NOW);
      await store().closeSession(hash('session link'), NOW);
      await store().closeSession(hash('session link'), NOW);
      expect(await store().session(hash('session link'), true, NOW)).toBeUndefined();
      expect(await store().isSessionLive(hash('session link'), NOW)).toBe(false);
    });
  });

  describe('limits', () => {
    const limit = { tenant: 'bank', key: 'starts', count: 2, seconds: 60 };
    const take = async (wanted: Partial<typeof limit>, now: number) => {
      const { retryAfter } = await store().takeLimits([{ ...limit, ...wanted }], now);
      return retryAfter;
    };

    it('grant a number a window, then say how long to wait', async () => {
      expect(await take({}, NOW)).toBe(0);
      expect(await take({}, NOW + 1)).toBe(0);
      expect(await take({}, NOW + 2)).toBe(58);
      expect(await take({}, NOW + 59)).toBe(1);
      expect(await take({ key: 'other' }, NOW + 2)).toBe(0);
      expect(await take({ tenant: 'shop' }, NOW + 2)).toBe(0);
      expect(await take({}, NOW + 60)).toBe(0);
      expect(await take({}, NOW + 119)).toBe(0);
      expect(await take({}, NOW + 119)).toBe(1);
    });

    it('taken together, end at the first that has none left and take nothing behind it', async () => {
      const [wide, narrow, last] = [
        { ...limit, key: 'wide', count: 9 },
        { ...limit, key: 'narrow', count: 1 },
        { ...limit, key: 'last', count: 2 },
      ];
      const all = [wide, narrow, last];
      expect(await store().takeLimits(all, NOW)).toEqual({ granted: 3, retryAfter: 0 });
      expect(await store().takeLimits(all, NOW)).toEqual({ granted: 1, retryAfter: 60 });
      expect(await take({ key: 'last' }, NOW)).toBe(0);
      expect(await take({ key: 'last' }, NOW)).toBe(60);
    });
  });
}
