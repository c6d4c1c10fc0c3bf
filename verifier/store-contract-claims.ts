import { describe, expect, it } from 'vitest';
import type { Actor } from './records.ts';
import { BOUNDS, type Store } from './store.ts';
import { accepted, enrolled, events, id, NOW, result, unclaimedPass, use } from './store-fixtures.ts';

const OPERATOR: Actor = { kind: 'operator', id: id('operator bank') };

export function claimContract(store: () => Store): void {
  const read = (label: string, now = NOW) => store().verification('bank', id(label), now);
  const claim = (code: string, changes: Partial<Parameters<Store['claim']>[0]> = {}, now = NOW) =>
    store().claim(
      {
        ...{ tenant: 'bank', subject: 'c-1', purpose: 'transfer', direction: 'inbound' },
        matches: (verification) => verification === id(code),
        ...changes,
      },
      OPERATOR,
      now,
    );

  describe('a claim', () => {
    it('is made once, and the one who made it sees the verification', async () => {
      await enrolled(store(), 'phone');
      const pass = await unclaimedPass(store(), 'v');
      expect(await claim('v')).toEqual({
        ...pass,
        ...{ claim: 'claimed', claimedBy: id('operator bank'), revision: pass.revision + 1 },
      });
      expect(await claim('v')).toBeUndefined();
      const listed = await store().verificationsOfOperator('bank', id('operator bank'), NOW);
      expect(listed.map((row) => row.verification)).toEqual([id('v')]);
    });

    it('by the back end names no operator', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'v');
      const ask = { tenant: 'bank', subject: 'c-1', purpose: 'transfer', direction: 'inbound' } as const;
      const row = await store().claim({ ...ask, matches: () => true }, { kind: 'backend' }, NOW);
      expect(row).toMatchObject({ claim: 'claimed', claimedBy: null });
    });

    it('ends after the tries, for each pass that was asked', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'v');
      for (let tries = 1; tries < BOUNDS.claimTries; tries += 1) {
        expect(await claim('wrong')).toBeUndefined();
        expect((await read('v'))?.claim).toBe('open');
      }
      await unclaimedPass(store(), 'younger');
      expect(await claim('wrong')).toBeUndefined();
      expect((await read('v'))?.claim).toBe('void');
      expect(await claim('v')).toBeUndefined();
      expect(await claim('younger')).toMatchObject({ claim: 'claimed' });
    });

    it('that is right costs the other passes nothing', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'v');
      for (const label of ['a', 'b', 'c']) {
        await unclaimedPass(store(), label);
        expect(await claim(label)).toMatchObject({ verification: id(label) });
      }
      expect(await claim('v')).toMatchObject({ claim: 'claimed' });
    });

    it('needs tenant, subject, purpose and direction, and asks no other pass', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'v');
      for (const wrong of [
        { tenant: 'shop' },
        { subject: 'c-2' },
        { purpose: 'address' },
        { direction: 'outbound' as const },
      ]) {
        const asked: string[] = [];
        const matches = (verification: string) => asked.push(verification) > 0;
        for (let tries = 0; tries <= BOUNDS.claimTries; tries += 1) {
          expect(await claim('v', { ...wrong, matches })).toBeUndefined();
        }
        expect(asked).toEqual([]);
      }
      expect(await claim('v')).toMatchObject({ claim: 'claimed' });
    });

    it('is possible for ten minutes', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'v');
      await unclaimedPass(store(), 'w');
      expect(await claim('v', {}, NOW + BOUNDS.claimSeconds - 1)).toMatchObject({ claim: 'claimed' });
      expect(await claim('w', {}, NOW + BOUNDS.claimSeconds)).toBeUndefined();
      expect((await read('w'))?.claim).toBe('void');
      await unclaimedPass(store(), 'x');
      expect((await read('x', NOW + BOUNDS.claimSeconds))?.claim).toBe('void');
    });

    it('is for passes of the pre-call mode only', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'on the call');
      await store().consumeAttempt(use('on the call'), NOW);
      await store().recordResult(result('on the call'), NOW);
      await accepted(store(), 'open', { mode: 'precall' });
      expect(await claim('', { matches: () => true })).toBeUndefined();
    });
  });

  it('what a desk was shown is recorded once for each verification and operator', async () => {
    await enrolled(store(), 'phone');
    await unclaimedPass(store(), 'v');
    await store().recordSeen('bank', id('v'), id('operator bank'), NOW);
    await store().recordSeen('bank', id('v'), id('operator bank'), NOW + 1);
    await expect(store().recordSeen('shop', id('v'), id('operator shop'), NOW)).rejects.toThrow();
    expect((await events(store())).filter((event) => event === 'verdict.seen')).toHaveLength(1);
  });
}
