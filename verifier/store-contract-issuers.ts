import { describe, expect, it } from 'vitest';
import type { Actor } from './records.ts';
import type { Store } from './store.ts';
import { events, NOW } from './store-fixtures.ts';

const jwk = { kty: 'EC', crv: 'P-256', x: `${'x'.repeat(42)}A`, y: `${'y'.repeat(42)}A` } as const;
const actor: Actor = { kind: 'backend' };
const source = {
  jwks: 'https://bank.example/keys',
  statusLists: 'https://bank.example/status/',
  staleSeconds: 60,
};

export function issuerContract(store: () => Store): void {
  describe('issuers', () => {
    it('are pinned for their own tenant only', async () => {
      await store().addIssuer('bank', 'issuer', jwk, actor, NOW);
      await store().addIssuer('bank', 'issuer', jwk, actor, NOW + 1);
      await store().addIssuer('bank', 'another', jwk, actor, NOW + 2);
      expect(await store().issuerKey('bank', 'issuer')).toEqual(jwk);
      expect(await store().issuerKey('shop', 'issuer')).toBeUndefined();
      expect(await store().issuerKey('bank', 'other')).toBeUndefined();
      expect(await store().issuers('bank')).toEqual([
        { issuer: 'issuer', addedAt: NOW },
        { issuer: 'another', addedAt: NOW + 2 },
      ]);
      expect(await store().issuers('shop')).toEqual([]);
    });

    it('are taken back by their own tenant only, once', async () => {
      await store().addIssuer('bank', 'issuer', jwk, actor, NOW);
      expect(await store().removeIssuer('shop', 'issuer', actor, NOW)).toBe(false);
      expect(await store().issuerKey('bank', 'issuer')).toEqual(jwk);
      expect(await store().removeIssuer('bank', 'issuer', actor, NOW)).toBe(true);
      expect(await store().removeIssuer('bank', 'issuer', actor, NOW)).toBe(false);
      expect(await store().issuerKey('bank', 'issuer')).toBeUndefined();
      expect((await events(store())).filter((event) => event.startsWith('tenant.issuer'))).toEqual([
        'tenant.issuer_added',
        'tenant.issuer_removed',
      ]);
    });
  });

  describe('where an issuer publishes', () => {
    it('is one place for each tenant, the last one set', async () => {
      expect(await store().issuerSource('bank')).toBeUndefined();
      await store().setIssuerSource('bank', source, actor, NOW);
      expect(await store().issuerSource('bank')).toEqual(source);
      expect(await store().issuerSource('shop')).toBeUndefined();
      const keysOnly = { jwks: 'https://bank.example/other', statusLists: null, staleSeconds: 0 };
      await store().setIssuerSource('bank', keysOnly, actor, NOW);
      expect(await store().issuerSource('bank')).toEqual(keysOnly);
      const listsOnly = { ...source, jwks: null };
      await store().setIssuerSource('bank', listsOnly, actor, NOW);
      expect(await store().issuerSource('bank')).toEqual(listsOnly);
      await store().setIssuerSource('bank', null, actor, NOW);
      expect(await store().issuerSource('bank')).toBeUndefined();
    });

    it('is nowhere, for a tenant that there is not, or without any address', async () => {
      await expect(store().setIssuerSource('nobody', source, actor, NOW)).rejects.toThrow();
      const nothing = { jwks: null, statusLists: null, staleSeconds: 0 };
      await expect(store().setIssuerSource('bank', nothing, actor, NOW)).rejects.toThrow();
    });

    it('is in the audit when it changes, and only then', async () => {
      for (const each of [null, source, source, { ...source, staleSeconds: 0 }, null, null])
        await store().setIssuerSource('bank', each, actor, NOW);
      expect((await events(store())).filter((event) => event.startsWith('tenant.issuer'))).toEqual([
        'tenant.issuer_source_set',
        'tenant.issuer_source_set',
        'tenant.issuer_source_removed',
      ]);
    });
  });
}
