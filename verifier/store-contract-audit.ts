import { describe, expect, it } from 'vitest';
import { verifyAudit } from './audit.ts';
import type { Store } from './store.ts';
import {
  accepted,
  attempt,
  commitment,
  enrolled,
  enrolling,
  events,
  FAILED,
  hash,
  id,
  LIFE,
  NOW,
  result,
  sealed,
  started,
  thumb,
  unclaimedPass,
  use,
} from './store-fixtures.ts';

const BACKEND = { kind: 'backend' } as const;

export function auditContract(store: () => Store): void {
  /** Events that `work` adds to the audit of the bank. */
  const added = async (work: () => Promise<unknown>) => {
    const before = (await events(store())).length;
    await work();
    return (await events(store())).slice(before);
  };

  describe('the audit', () => {
    it('chains each tenant’s entries, in order, whole', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'v');
      expect(await store().auditEntries('bank', 0, 100)).toEqual([]);
      expect(await store().linkAudit()).toBeGreaterThan(10);
      expect(await store().linkAudit()).toBe(0);
      for (const tenant of ['bank', 'shop']) {
        const entries = await store().auditEntries(tenant, 0, 1_000);
        expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, i) => i + 1));
        expect(verifyAudit(tenant, entries).seq).toBe(entries.length);
      }
      expect(await store().auditEntries('nobody', 0, 100)).toEqual([]);
    });

    it('goes on from where it was, and is read in pages', async () => {
      await store().linkAudit();
      const before = await store().auditEntries('bank', 0, 1_000);
      const start = verifyAudit('bank', before);
      await started(store(), 'v');
      await started(store(), 'w');
      expect(await store().linkAudit()).toBe(2);
      expect(await store().auditEntries('bank', start.seq, 1)).toHaveLength(1);
      const added = await store().auditEntries('bank', start.seq, 100);
      expect(verifyAudit('bank', added, { start }).seq).toBe(start.seq + 2);
    });

    it('says who, what and when', async () => {
      await started(store(), 'v');
      await store().linkAudit();
      const entry = (await store().auditEntries('bank', 0, 100)).at(-1);
      expect(entry).toMatchObject({ tenant: 'bank', at: NOW });
      expect(JSON.parse(entry?.content ?? '')).toEqual({
        ...{ actor: { kind: 'backend' }, event: 'verification.started', verification: id('v') },
        ...{ subject: 'c-1', policy: 'standard', purpose: 'transfer', mode: 'call', direction: 'inbound' },
        ...{ policyVersion: 1, operator: null, audience: [thumb('phone')] },
        requestHash: Buffer.from(hash('request v')).toString('base64url'),
        transactionHash: null,
      });
    });

    it('records each change of a verification, and no refusal of one', async () => {
      await enrolled(store(), 'phone');
      const device = id('phone');
      expect(await added(() => accepted(store(), 'v'))).toEqual([
        'verification.started',
        'verification.accepted',
      ]);
      expect(await added(() => store().accept('bank', id('v'), device, attempt('x'), NOW))).toEqual([]);
      expect(await added(() => store().consumeAttempt(use('v'), NOW))).toEqual(['attempt.used']);
      expect(await added(() => store().consumeAttempt(use('v'), NOW))).toEqual([]);
      expect(await added(() => store().recordResult(result('v', 1, FAILED), NOW))).toEqual([
        'attempt.failed',
      ]);
      expect(await added(() => store().recordResult(result('v', 1), NOW))).toEqual([
        'pin.proven',
        'attempt.dropped',
      ]);
      await started(store(), 'w');
      expect(await added(() => store().later('bank', id('w'), device, NOW))).toEqual(['verification.later']);
      expect(await added(() => store().report('bank', id('w'), device, NOW))).toEqual([
        'verification.reported',
        'verification.reported',
        'alert.reported',
      ]);
      await started(store(), 'x');
      expect(await added(() => store().sweep(NOW + LIFE))).toEqual(['verification.expired']);
      for (const lacking of ['device', 'passkey'] as const) {
        const start = { tenant: 'bank', subject: 'c-9', lacking };
        expect(await added(() => store().recordRefusedStart(start, BACKEND, NOW))).toEqual([
          `verification.no_${lacking}`,
        ]);
      }
    });

    it('records what happens to devices and PINs', async () => {
      expect(await added(() => enrolling(store(), 'phone'))).toEqual([
        'enrolment.created',
        'device.enrolling',
      ]);
      const base = { tenant: 'bank', device: id('phone') };
      const pin = { holder: '1', commitment: commitment('phone') };
      expect(await added(() => store().registerPin('bank', id('phone'), pin, NOW))).toEqual([
        'device.enrolled',
      ]);
      const evaluate = (label: string) =>
        store().countEvaluation({ ...base, use: 'current', digest: hash(label) }, NOW);
      for (const label of ['a', 'b', 'c', 'd'])
        expect(await added(() => evaluate(label))).toEqual(['pin.evaluated']);
      expect(await added(() => evaluate('e'))).toEqual(['pin.evaluated', 'pin.locked']);
      expect(await added(() => evaluate('e'))).toEqual([]);
      const change = { evaluationKey: sealed('new'), nonce: hash('nonce') };
      expect(
        await added(async () => {
          await store().beginPinChange('bank', id('phone'), change, NOW);
          await store().takePinChange('bank', id('phone'), NOW);
          const done = { ...base, oldCommitment: pin.commitment, commitment: '4' };
          await store().completePinChange({ ...done, evaluationKey: sealed('new') }, NOW);
        }),
      ).toEqual(['pin.change_begun', 'pin.change_tried', 'pin.changed']);
      await enrolled(store(), 'new', { at: NOW + 1 });
      expect(await added(() => store().stopDevice('bank', id('new'), id('phone'), NOW + 2))).toEqual([
        'device.stopped',
      ]);
      expect(await added(() => store().revokeDevice('bank', id('phone'), BACKEND, NOW))).toEqual([
        'device.revoked',
      ]);
      await enrolling(store(), 'slow');
      expect(await added(() => store().sweep(NOW + 600))).toEqual(['device.lapsed']);
    });

    it('records claims, also those that were refused', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'v');
      const ask = { tenant: 'bank', subject: 'c-1', purpose: 'transfer', direction: 'inbound' } as const;
      const wrong = () => store().claim({ ...ask, matches: () => false }, BACKEND, NOW);
      expect(await added(wrong)).toEqual(['claim.refused']);
      expect(
        await added(() => store().claim({ ...ask, subject: 'c-9', matches: () => true }, BACKEND, NOW)),
      ).toEqual(['claim.refused']);
      expect(await added(() => store().claim({ ...ask, matches: () => true }, BACKEND, NOW))).toEqual([
        'claim.accepted',
      ]);
    });

    it('holds no token, key, nonce, attempt nonce or request', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'v');
      await store().linkAudit();
      const text = JSON.stringify(await store().auditEntries('bank', 0, 1_000));
      const secrets = [
        hash('token phone'),
        attempt('v 1').nonce,
        sealed('phone').ciphertext,
        sealed('request v').iv,
      ];
      for (const bytes of secrets) {
        for (const form of ['hex', 'base64', 'base64url'] as const) {
          expect(text).not.toContain(Buffer.from(bytes).toString(form));
        }
      }
      expect(text).not.toContain(commitment('phone'));
      expect(text).toContain(id('attempt v 1'));
    });
  });
}
