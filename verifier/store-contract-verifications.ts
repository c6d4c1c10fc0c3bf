import type { Verdict } from '@akashi/circuits';
import { describe, expect, it } from 'vitest';
import type { NewVerification, VerificationRow } from './records.ts';
import { BOUNDS, type Store } from './store.ts';
import {
  accepted,
  attempt,
  enrolled,
  FAILED,
  hash,
  id,
  LIFE,
  NOW,
  newVerification,
  result,
  said,
  started,
  thumb,
  unclaimedPass,
  use,
} from './store-fixtures.ts';

const BACKEND = { kind: 'backend' } as const;
const OPERATOR = id('operator bank');

export function verificationContract(store: () => Store): void {
  const read = (label: string, now = NOW, tenant = 'bank') => store().verification(tenant, id(label), now);
  const accept = (label: string, device = 'phone', now = NOW, tenant = 'bank') =>
    store().accept(tenant, id(label), id(device), attempt(`${label} ${device}`), now);

  describe('a verification', () => {
    it('is given back as it was started', async () => {
      const made = newVerification('v', { operator: OPERATOR });
      const row = await started(store(), 'v', { operator: OPERATOR });
      expect(row).toEqual({
        ...made,
        ...{ state: 'pending', later: false, device: null, attempt: null, attemptsUsed: 0, verdict: null },
        ...{ factors: [], decidedAt: null, claim: null, claimedBy: null, revision: 1 },
        ...{ shown: null, reusedFrom: null, reusableUntil: null },
      } satisfies VerificationRow);
      expect(await read('v')).toEqual(row);
      expect(await read('v', NOW, 'shop')).toBeUndefined();
      expect(await read('unknown')).toBeUndefined();
    });

    it('keeps the hash of its transaction when the request is erased', async () => {
      const about = { policyVersion: 7, transactionHash: hash('transaction'), deskFigures: true };
      expect(await started(store(), 'v', about)).toMatchObject(about);
      await store().cancel('bank', id('v'), BACKEND, NOW + 1);
      expect(await read('v', NOW + 1)).toMatchObject({ ...about, request: null, verdict: 'cancelled' });
      const [audited] = (await said(store())).filter(({ event }) => event === 'verification.started');
      expect(audited).toMatchObject({
        policyVersion: 7,
        transactionHash: Buffer.from(about.transactionHash).toString('base64url'),
      });
    });

    it('shows no figures of a transaction that is not there', async () => {
      await expect(started(store(), 'v', { deskFigures: true })).rejects.toThrow();
    });

    it('takes no operator of another tenant and no id twice', async () => {
      await expect(started(store(), 'v', { operator: id('operator shop') })).rejects.toThrow();
      await started(store(), 'v');
      await expect(started(store(), 'v')).rejects.toThrow();
      await expect(started(store(), 'v', { tenant: 'shop' })).rejects.toThrow();
      expect(await read('v', NOW, 'shop')).toBeUndefined();
    });

    it('is started once for one idempotency key of one caller', async () => {
      const start = (label: string, body: string, caller = 'backend', tenant = 'bank') =>
        store().createVerification(newVerification(label, { tenant }), BACKEND, {
          ...{ caller, key: 'k', bodyHash: hash(body) },
        });
      const first = await start('v', 'body');
      expect(first).toMatchObject({ created: true });
      expect(await start('v 2', 'body')).toEqual({ ...(first as object), created: false });
      expect(await read('v 2')).toBeUndefined();
      expect(await start('v 3', 'other body')).toBe('idempotency_mismatch');
      expect(await read('v 3')).toBeUndefined();
      expect(await start('v 4', 'body', 'somebody')).toMatchObject({ created: true });
      expect(await start('v 5', 'body', 'backend', 'shop')).toMatchObject({ created: true });
      await store().sweep(NOW + BOUNDS.idempotencySeconds - 1);
      expect(await start('v 6', 'body')).toMatchObject({ created: false });
      await store().sweep(NOW + BOUNDS.idempotencySeconds);
      expect(await start('v 7', 'body')).toMatchObject({ created: true });
    });

    it('expires at its time, without help, and erases its request', async () => {
      await enrolled(store(), 'phone');
      await started(store(), 'v');
      await accepted(store(), 'w');
      expect((await read('v', NOW + LIFE - 1))?.state).toBe('pending');
      const expired = await read('v', NOW + LIFE);
      expect(expired).toMatchObject({ state: 'done', verdict: 'expired', request: null, revision: 2 });
      expect(await accept('w', 'phone', NOW + LIFE)).toBe('verification_over');
      const { verdict, attempt: open, requestHash } = (await read('w')) ?? {};
      expect({ verdict, open, requestHash }).toEqual({
        ...{ verdict: 'expired', open: null, requestHash: hash('request w') },
      });
    });

    it('is ended by the sweep, which says how many', async () => {
      await enrolled(store(), 'phone');
      await started(store(), 'v');
      await accepted(store(), 'w');
      await started(store(), 'young', { expiresAt: NOW + LIFE + 1 });
      await unclaimedPass(store(), 'pass');
      expect(await store().sweep(NOW + LIFE - 1)).toBe(0);
      expect(await store().sweep(NOW + LIFE)).toBe(2);
      expect(await store().sweep(NOW + LIFE)).toBe(0);
      expect(await store().sweep(NOW + BOUNDS.claimSeconds)).toBe(1);
      expect((await read('pass'))?.claim).toBe('void');
    });
  });

  describe('a verdict', () => {
    it('stands, whatever comes after it', async () => {
      await enrolled(store(), 'phone');
      const late = async (label: string) => {
        await store().cancel('bank', id(label), BACKEND, NOW);
        await store().decline('bank', id(label), id('phone'), NOW);
        await store().report('bank', id(label), id('phone'), NOW);
        await store().recordResult(result(label), NOW);
        await store().sweep(NOW + LIFE);
        return (await read(label))?.verdict;
      };
      const reach: Record<Verdict, (label: string) => Promise<unknown>> = {
        passed: (label) => store().recordResult(result(label), NOW),
        failed: (label) => failThrice(store(), label),
        declined: (label) => store().decline('bank', id(label), id('phone'), NOW),
        reported: (label) => store().report('bank', id(label), id('phone'), NOW),
        expired: (label) => read(label, NOW + LIFE),
        cancelled: (label) => store().cancel('bank', id(label), BACKEND, NOW),
      };
      for (const [verdict, go] of Object.entries(reach)) {
        await accepted(store(), verdict);
        await store().consumeAttempt(use(verdict), NOW);
        await go(verdict);
        expect(await read(verdict)).toMatchObject({ verdict, request: null, attempt: null, state: 'done' });
        expect(await late(verdict)).toBe(verdict);
      }
    });

    it('may be cancelled once, within the tenant', async () => {
      await started(store(), 'v');
      expect(await store().cancel('shop', id('v'), BACKEND, NOW)).toBeUndefined();
      expect(await store().cancel('bank', id('unknown'), BACKEND, NOW)).toBeUndefined();
      const row = await store().cancel('bank', id('v'), BACKEND, NOW);
      expect(row).toMatchObject({ verdict: 'cancelled', revision: 2 });
      expect(await store().cancel('bank', id('v'), BACKEND, NOW)).toEqual(row);
    });
  });

  describe('lists', () => {
    it('of an operator hold the recent ones of that operator, newest first', async () => {
      const mine = (label: string, changes: Partial<NewVerification>) =>
        started(store(), label, { operator: OPERATOR, ...changes });
      await mine('old', { startedAt: NOW - 3_601, expiresAt: NOW - 3_500 });
      await mine('recent', { startedAt: NOW - 3_600, expiresAt: NOW - 3_500 });
      await mine('new', {});
      await started(store(), 'of the back end');
      await store().sweep(NOW);
      const ids = async (tenant: string, operator: string) =>
        (await store().verificationsOfOperator(tenant, operator, NOW)).map((row) => row.verification);
      expect(await ids('bank', OPERATOR)).toEqual(['new', 'recent'].map(id));
      expect(await ids('shop', OPERATOR)).toEqual([]);
      expect(await ids('bank', id('operator shop'))).toEqual([]);
      const [row] = await store().verificationsOfOperator('bank', OPERATOR, NOW + LIFE);
      expect(row?.verdict).toBe('expired');
    });

    it('of an operator end at fifty', async () => {
      for (let i = 0; i < 51; i += 1) {
        await started(store(), `v ${i}`, { operator: OPERATOR, startedAt: NOW + i, expiresAt: NOW + 500 });
      }
      const rows = await store().verificationsOfOperator('bank', OPERATOR, NOW + 60);
      expect(rows).toHaveLength(50);
      expect(rows[0]?.verification).toBe(id('v 50'));
    });

    it('of a device hold what it can answer and its unclaimed passes', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      const both = { audience: [thumb('phone'), thumb('tablet')] };
      await started(store(), 'for both', both);
      await started(store(), 'for the tablet', { audience: [thumb('tablet')] });
      await accepted(store(), 'accepted', both);
      await unclaimedPass(store(), 'pass', both);
      await accepted(store(), 'passed on a call');
      await store().consumeAttempt(use('passed on a call'), NOW);
      await store().recordResult(result('passed on a call'), NOW);
      const ids = async (device: string, now = NOW, tenant = 'bank') => {
        const rows = await store().verificationsOfDevice(tenant, id(device), thumb(device), now);
        return rows.map((row) => row.verification).sort();
      };
      expect(await ids('phone')).toEqual(['for both', 'accepted', 'pass'].map(id).sort());
      expect(await ids('tablet')).toEqual(['for both', 'for the tablet'].map(id).sort());
      expect(await ids('phone', NOW, 'shop')).toEqual([]);
      expect(await ids('unknown')).toEqual([]);
      expect(await ids('phone', NOW + LIFE)).toEqual([id('pass')]);
      expect(await ids('phone', NOW + BOUNDS.claimSeconds)).toEqual([]);
    });
  });

  describe('listeners', () => {
    it('hear of every change of their verification and subject after it is there, and of nothing else', async () => {
      await enrolled(store(), 'phone');
      const heard: string[] = [];
      const listen = (topic: string) => store().subscribe(topic, () => heard.push(topic));
      const stop = listen(`verification:${id('v')}`);
      listen('subject:bank:c-1');
      listen(`verification:${id('w')}`);
      listen('subject:shop:c-1');
      await started(store(), 'v');
      await settled();
      expect(heard).toEqual([`verification:${id('v')}`, 'subject:bank:c-1']);
      heard.length = 0;
      await store().later('bank', id('v'), id('phone'), NOW);
      await store().later('bank', id('v'), id('phone'), NOW);
      await store().decline('bank', id('v'), id('unknown'), NOW);
      await settled();
      expect(heard).toEqual([`verification:${id('v')}`, 'subject:bank:c-1']);
      stop();
      heard.length = 0;
      await store().decline('bank', id('v'), id('phone'), NOW);
      await settled();
      expect(heard).toEqual(['subject:bank:c-1']);
    });

    it('that watch a verification hear nothing of its attempts before there is a verdict; its subject’s do', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      await settled();
      const heard: string[] = [];
      for (const topic of [`verification:${id('v')}`, 'subject:bank:c-1'])
        store().subscribe(topic, () => heard.push(topic));
      await store().consumeAttempt(use('v'), NOW);
      await store().recordResult(result('v', 1, FAILED), NOW);
      await settled();
      expect(heard).toEqual(['subject:bank:c-1', 'subject:bank:c-1']);
      heard.length = 0;
      await store().consumeAttempt(use('v', 2), NOW);
      await store().recordResult(result('v', 2), NOW);
      await settled();
      expect(heard).toEqual(['subject:bank:c-1', `verification:${id('v')}`, 'subject:bank:c-1']);
    });

    it('are not called for what was rolled back', async () => {
      await started(store(), 'v');
      let calls = 0;
      store().subscribe('subject:bank:c-1', () => {
        calls += 1;
      });
      await expect(started(store(), 'v')).rejects.toThrow();
      await settled();
      expect(calls).toBe(0);
    });
  });
}

async function failThrice(store: Store, label: string): Promise<void> {
  await store.recordResult(result(label, 1, FAILED), NOW);
  for (const number of [2, 3]) {
    await store.consumeAttempt(use(label, number), NOW);
    await store.recordResult(result(label, number, FAILED), NOW);
  }
}

/** Wake-ups may come a little after the verb, from another machine even. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
}
