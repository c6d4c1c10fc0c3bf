import { describe, expect, it } from 'vitest';
import type { SealedValue } from './records.ts';
import type { Store } from './store.ts';
import { accepted, enrolled, hash, id, NOW, said, sealed, started, thumb } from './store-fixtures.ts';

const CLI = { kind: 'cli' } as const;
const BACKEND = { kind: 'backend' } as const;
const anew = (value: SealedValue) => ({ ...value, anew: { ...sealed('anew'), kek: 'kek-2' } });

export function sealedContract(store: () => Store): void {
  const keyOf = async (label: string) =>
    (await store().deviceByThumbprint(thumb(label), NOW))?.evaluationKey.kek;

  describe('what is sealed', () => {
    it('on devices is found in pieces, what is pending included, each tenant’s by itself', async () => {
      const labels = ['a', 'b', 'c'];
      for (const label of labels) await enrolled(store(), label);
      await enrolled(store(), 'theirs', { tenant: 'shop' });
      const change = { evaluationKey: sealed('pending'), nonce: hash('nonce') };
      await store().beginPinChange('bank', id('b'), change, NOW);
      const found: SealedValue[] = [];
      for (let after = ''; ; ) {
        const piece = await store().sealedOfDevices('bank', after, 2);
        const last = piece.at(-1);
        if (last === undefined) break;
        expect(new Set(piece.map(({ place }) => place.row)).size).toBeLessThanOrEqual(2);
        found.push(...piece);
        after = last.place.row;
      }
      const expected = labels.map((label) => [id(label), 'evaluationKey', sealed(label)]);
      expected.push([id('b'), 'pendingKey', sealed('pending')]);
      const said = found.map(({ place, column, sealed }) => [place.row, column, sealed]);
      expect(said.sort()).toEqual(expected.sort());
      expect(found.every(({ place }) => place.tenant === 'bank')).toBe(true);
      expect(await store().tenants()).toEqual(['bank', 'shop']);
    });

    it('of requests is found in pieces while they are open, of all tenants', async () => {
      await enrolled(store(), 'phone');
      for (const label of ['u', 'v', 'over']) await started(store(), label);
      await accepted(store(), 'w', { expiresAt: NOW + 50 });
      await started(store(), 'theirs', { tenant: 'shop' });
      await store().cancel('bank', id('over'), BACKEND, NOW);
      const found: string[][] = [];
      for (let after = { expiresAt: 0, verification: '' }; ; ) {
        const [one] = await store().sealedRequests(after, 1);
        if (one === undefined) break;
        found.push([one.place.tenant, one.place.row]);
        after = { expiresAt: one.expiresAt, verification: one.place.row };
      }
      expect(found[0]).toEqual(['bank', id('w')]);
      const open = ['u', 'v', 'w'].map((label) => ['bank', id(label)]);
      expect(found.sort()).toEqual([...open, ['shop', id('theirs')]].sort());
    });

    it('is put under another key where it still stands, and is said so', async () => {
      await enrolled(store(), 'phone');
      await started(store(), 'v');
      const change = { evaluationKey: sealed('pending'), nonce: hash('nonce') };
      await store().beginPinChange('bank', id('phone'), change, NOW);
      const values = [
        ...(await store().sealedOfDevices('bank', '', 10)),
        ...(await store().sealedRequests({ expiresAt: 0, verification: '' }, 10)),
      ].map(anew);
      expect(await store().reseal('bank', values, CLI, NOW)).toBe(3);
      expect(await keyOf('phone')).toBe('kek-2');
      expect((await store().takePinChange('bank', id('phone'), NOW))?.evaluationKey.kek).toBe('kek-2');
      expect((await store().verification('bank', id('v'), NOW))?.request).toEqual(values[2]?.anew);
      expect((await said(store())).find(({ event }) => event === 'keys.resealed')).toMatchObject({
        ...{ actor: CLI, count: 3, keys: ['kek-2'] },
      });
    });

    it('stays what it became meanwhile', async () => {
      await enrolled(store(), 'phone');
      await started(store(), 'v');
      const base = { tenant: 'bank', device: id('phone') };
      const values = [
        ...(await store().sealedOfDevices('bank', '', 10)),
        ...(await store().sealedRequests({ expiresAt: 0, verification: '' }, 10)),
      ].map(anew);
      const { commitment = '' } = (await store().deviceByThumbprint(thumb('phone'), NOW)) ?? {};
      const pin = { oldCommitment: commitment ?? '', commitment: '7', evaluationKey: sealed('changed') };
      await store().completePinChange({ ...base, ...pin }, NOW);
      await store().cancel('bank', id('v'), BACKEND, NOW);
      expect(await store().reseal('bank', values, CLI, NOW)).toBe(0);
      expect(await store().deviceByThumbprint(thumb('phone'), NOW)).toMatchObject({
        evaluationKey: sealed('changed'),
      });
      expect((await said(store())).map(({ event }) => event)).not.toContain('keys.resealed');
    });

    it('is not another tenant’s to change', async () => {
      await enrolled(store(), 'phone');
      const values = (await store().sealedOfDevices('bank', '', 10)).map(anew);
      expect(await store().reseal('shop', values, CLI, NOW)).toBe(0);
      expect(await keyOf('phone')).toBe('kek-1');
    });
  });
}
