import { MAX_PASSKEYS } from '@akashi/circuits';
import { describe, expect, it } from 'vitest';
import { verifyAudit } from './audit.ts';
import { BOUNDS } from './store.ts';
import { newPasskey } from './store-contract-passkeys.ts';
import {
  accepted,
  attempt,
  call,
  commitment,
  enrolled,
  events,
  hash,
  id,
  NOW,
  newVerification,
  result,
  type StoreHarness,
  sealed,
  started,
  thumb,
  unclaimedPass,
  use,
} from './store-fixtures.ts';

export function raceContract(harness: () => StoreHarness): void {
  const store = () => harness().store;
  const many = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));
  const objects = (answers: readonly unknown[]) => answers.filter((answer) => typeof answer === 'object');

  describe('of several processes at once', () => {
    it('exactly five of twenty evaluations are granted', async () => {
      await enrolled(store(), 'phone');
      const evaluation = { tenant: 'bank', device: id('phone'), use: 'current' } as const;
      const answers = await harness().race(
        many(20, (i) => call('countEvaluation', { ...evaluation, digest: hash(`try ${i}`) }, NOW)),
      );
      expect(objects(answers)).toHaveLength(BOUNDS.tries);
      expect(answers.filter((answer) => answer === 'pin_locked')).toHaveLength(20 - BOUNDS.tries);
      const left = objects(answers).map((answer) => (answer as { triesLeft: number }).triesLeft);
      expect(left.sort()).toEqual([0, 1, 2, 3, 4]);
    });

    it('exactly one of fifty uses up an attempt', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      const answers = await harness().race(
        many(50, (i) => call('consumeAttempt', { ...use('v'), jti: id(`jti ${i}`) }, NOW)),
      );
      expect(objects(answers)).toHaveLength(1);
      expect(answers.filter((answer) => answer === 'attempt_used')).toHaveLength(49);
    });

    it('one challenge makes one passkey, the bound holds, and a counter is good for one verification', async () => {
      await enrolled(store(), 'phone');
      await store().beginPasskey('bank', id('phone'), hash('challenge'), NOW);
      const taken = await harness().race(
        many(20, () => call('takePasskeyChallenge', 'bank', id('phone'), NOW)),
      );
      expect(objects(taken)).toHaveLength(1);
      const added = await harness().race(
        many(20, (i) => call('addPasskey', newPasskey(`${i}`, { counter: 1 }), commitment('phone'), NOW)),
      );
      expect(added.filter(Boolean)).toHaveLength(MAX_PASSKEYS);
      const [{ passkey } = { passkey: '' }] = await store().passkeys('bank', id('phone'));
      const labels = many(10, (i) => `v ${i}`);
      for (const label of labels) {
        await accepted(store(), label);
        await store().consumeAttempt(use(label), NOW);
      }
      const used = { passkey, counter: 2, backedUp: false };
      const rows = await harness().race(
        labels.map((label) => call('recordResult', result(label, 1, { passkey: used }), NOW)),
      );
      const verdicts = rows.map((row) => (row as { verdict: string | null }).verdict);
      expect(verdicts.filter((verdict) => verdict === 'passed')).toHaveLength(1);
    });

    it('exactly one uses a jti, an enrolment, a sign-in link, a change of PIN', async () => {
      await enrolled(store(), 'phone');
      const redemption = (i: number) => ({
        ...{ tokenHash: hash('token'), device: id(`d ${i}`), thumbprint: thumb(`d ${i}`) },
        evaluationKey: sealed(`d ${i}`),
      });
      const enrolment = { tenant: 'bank', subject: 'c-1', tokenHash: hash('token'), expiresAt: NOW + 600 };
      await store().createEnrolment(enrolment, NOW);
      await store().addSignInLink('bank', id('operator bank'), hash('link'), NOW + 600, NOW);
      await store().beginPinChange(
        'bank',
        id('phone'),
        { evaluationKey: sealed('x'), nonce: hash('x') },
        NOW,
      );
      const link = { tokenHash: hash('link'), endsAt: NOW + 600, idleSeconds: 60 };
      const races = [
        (i: number) => call('redeemEnrolment', redemption(i), NOW),
        (i: number) => call('openSession', { ...link, sessionHash: hash(`s ${i}`) }, NOW),
        () => call('takePinChange', 'bank', id('phone'), NOW),
      ];
      for (const make of races) {
        const answers = await harness().race(many(10, make));
        expect(objects(answers)).toHaveLength(1);
      }
      const jti = call('consumeJti', 'bank', id('phone'), id('jti'), NOW + 600, NOW);
      const answers = await harness().race(many(10, () => jti));
      expect(answers.filter((answer) => answer === true)).toHaveLength(1);
    });

    it('exactly one claims a pass, and wrong codes are counted one by one', async () => {
      await enrolled(store(), 'phone');
      await unclaimedPass(store(), 'v');
      const ask = { tenant: 'bank', subject: 'c-1', purpose: 'transfer', direction: 'inbound' };
      const claim = (ids: readonly string[]) => ({
        verb: 'claim' as const,
        args: [{ ...ask, matches: ids }, { kind: 'backend' }, NOW],
      });
      expect(objects(await harness().race(many(10, () => claim([id('v')]))))).toHaveLength(1);
      await unclaimedPass(store(), 'w');
      await harness().race(many(10, () => claim([])));
      expect(await store().verification('bank', id('w'), NOW)).toMatchObject({ claim: 'void' });
      const voided = (await events(store())).filter((event) => event === 'claim.voided');
      expect(voided).toHaveLength(1);
    });

    it('one device accepts, and the other is told', async () => {
      await enrolled(store(), 'phone');
      await enrolled(store(), 'tablet');
      await started(store(), 'v', { audience: [thumb('phone'), thumb('tablet')] });
      const answers = await harness().race(
        many(10, (i) => {
          const device = i % 2 === 0 ? 'phone' : 'tablet';
          return call('accept', 'bank', id('v'), id(device), attempt(`${device} ${i}`), NOW);
        }),
      );
      const rows = objects(answers) as readonly { device: string; attempt: { attempt: string } }[];
      expect(rows).toHaveLength(5);
      expect(new Set(rows.map((row) => row.device)).size).toBe(1);
      expect(new Set(rows.map((row) => row.attempt.attempt)).size).toBe(1);
      expect(answers.filter((answer) => answer === 'accepted_elsewhere')).toHaveLength(5);
    });

    it('a report and a pass leave one verdict, and every answer agrees with it', async () => {
      await enrolled(store(), 'phone');
      for (const [i, first] of (['report', 'recordResult'] as const).entries()) {
        const label = `v ${i}`;
        await accepted(store(), label);
        await store().consumeAttempt(use(label), NOW);
        const report = call('report', 'bank', id(label), id('phone'), NOW);
        const pass = call('recordResult', result(label), NOW);
        const answers = await harness().race(first === 'report' ? [report, pass] : [pass, report]);
        const row = await store().verification('bank', id(label), NOW);
        expect(['passed', 'reported']).toContain(row?.verdict);
        for (const answer of answers) {
          if (typeof answer === 'object') expect(answer).toMatchObject({ verdict: row?.verdict });
          else expect(answer).toBe('verification_over');
        }
        const verdicts = (await events(store())).filter((event) =>
          ['verification.passed', 'verification.reported'].includes(event),
        );
        expect(verdicts).toHaveLength(i + 1);
      }
    });

    it('one start answers all with one idempotency key', async () => {
      const idempotency = { caller: 'backend', key: 'k', bodyHash: hash('body') };
      const answers = await harness().race(
        many(10, (i) =>
          call('createVerification', newVerification(`v ${i}`), { kind: 'backend' }, idempotency),
        ),
      );
      const starts = answers as readonly { created: boolean; row: { verification: string } }[];
      expect(starts.filter(({ created }) => created)).toHaveLength(1);
      expect(new Set(starts.map(({ row }) => row.verification)).size).toBe(1);
    });

    it('a limit grants no more than it says', async () => {
      const limit = { tenant: 'bank', key: 'starts', count: 7, seconds: 60 };
      const answers = await harness().race(many(20, () => call('takeLimits', [limit], NOW)));
      const granted = answers.filter((answer) => (answer as { granted: number }).granted === 1);
      expect(granted).toHaveLength(7);
    });

    it('the audit stays one chain while all write and all link', async () => {
      const calls = many(60, (i) =>
        i % 3 === 0
          ? call('linkAudit')
          : call('createVerification', newVerification(`v ${i}`), { kind: 'backend' }, undefined),
      );
      await harness().race(calls);
      await store().linkAudit();
      const entries = await store().auditEntries('bank', 0, 1_000);
      expect(verifyAudit('bank', entries).seq).toBe(entries.length);
      const starts = entries.filter(({ content }) => content.includes('"verification.started"'));
      expect(starts).toHaveLength(40);
    });
  });

  describe('after a kill right behind the answer', () => {
    it('a counted try is still counted', async () => {
      await enrolled(store(), 'phone');
      const evaluation = { tenant: 'bank', device: id('phone'), use: 'current', digest: hash('x') } as const;
      await harness().callAndDie(call('countEvaluation', evaluation, NOW));
      expect(await store().deviceByThumbprint(thumb('phone'), NOW)).toMatchObject({ tries: 1 });
    });

    it('a verdict still stands, with its audit', async () => {
      await enrolled(store(), 'phone');
      await accepted(store(), 'v');
      await store().consumeAttempt(use('v'), NOW);
      await harness().callAndDie(call('recordResult', result('v'), NOW));
      const row = await store().verification('bank', id('v'), NOW);
      expect(row).toMatchObject({ verdict: 'passed', request: null });
      expect((await events(store())).at(-1)).toBe('verification.passed');
    });
  });
}
