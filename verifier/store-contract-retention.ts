import { describe, expect, it } from 'vitest';
import { verifyAudit } from './audit.ts';
import type { Retention, RowCounts } from './records.ts';
import type { Store } from './store.ts';
import {
  addClub,
  call,
  enrolled,
  hash,
  id,
  LONG_AGO,
  NOW,
  type StoreHarness,
  said,
  started,
  thumb,
} from './store-fixtures.ts';

const DAY = 86_400;
const FOR_EVER: Retention = { verifications: null, devices: null, audit: null };
/** The first moment at which what ended long ago is over: 30 days, and an hour for clocks that differ. */
const DUE = LONG_AGO + 30 * DAY + 3_600;
const KINDS = ['verifications', 'devices', 'audit'] as const;

export function retentionContract(harness: () => StoreHarness): void {
  const store = (): Store => harness().store;
  const keep = (days: Partial<Retention>, tenant = 'club') =>
    store().setRetention(tenant, { ...FOR_EVER, ...days }, LONG_AGO);
  const erase = (kind: keyof Retention, now = DUE) => store().erase('club', kind, now);
  const over = async (now = DUE) =>
    Object.entries(await store().countOver('club', now)).filter(([, rows]) => rows > 0);
  /** Later than all that is old, with the row of a verification and entries that are young. */
  const young = async () => {
    const startedAt = LONG_AGO + 20 * DAY;
    const changes = { tenant: 'club', audience: [thumb('kept')], startedAt, expiresAt: startedAt + 120 };
    await started(store(), 'young', changes);
    await store().cancel('club', id('young'), { kind: 'backend' }, startedAt);
  };

  describe('retention', () => {
    it('is for ever unless a tenant says otherwise, and is said in the audit', async () => {
      await addClub(store());
      expect(await store().retention('club')).toEqual(FOR_EVER);
      for (const kind of KINDS) expect(await erase(kind, NOW)).toEqual({});
      expect(await over(NOW)).toEqual([]);
      expect(await keep({ verifications: 30 })).toBe(true);
      expect(await keep({ devices: 400, audit: 36_500 })).toBe(true);
      expect(await store().retention('club')).toEqual({ verifications: null, devices: 400, audit: 36_500 });
      expect(await store().retention('bank')).toEqual(FOR_EVER);
      expect(await keep({}, 'nobody')).toBe(false);
      for (const days of [0, 29, 36_501]) await expect(keep({ audit: days })).rejects.toThrow();
      const set = (await said(store(), 'club')).filter(({ event }) => event === 'tenant.retention_set');
      expect(set).toEqual([
        {
          actor: { kind: 'cli' },
          event: 'tenant.retention_set',
          verifications: 30,
          devices: null,
          audit: null,
        },
        expect.objectContaining({ devices: 400, audit: 36_500 }),
      ]);
    });

    it('erases verifications when their days are over, with all that refers to them, and no others', async () => {
      await addClub(store());
      await young();
      const open = { tenant: 'club', startedAt: LONG_AGO, expiresAt: NOW };
      await started(store(), 'open', open);
      await keep({ verifications: 30 });
      expect(await erase('verifications', DUE - 1)).toEqual({});
      expect(await over(DUE - 1)).toEqual([]);
      const rows = { views: 1, verifications: 1 };
      expect(Object.fromEntries(await over())).toEqual(rows);
      expect(await erase('verifications')).toEqual(rows);
      expect(await erase('verifications')).toEqual({});
      expect(await store().verification('club', id('old'), DUE)).toBeUndefined();
      for (const label of ['young', 'open'])
        expect(await store().verification('club', id(label), DUE)).toBeDefined();
      expect((await said(store(), 'club')).at(-1)).toEqual({
        ...{ actor: { kind: 'system' }, event: 'retention.erased' },
        ...{ kind: 'verifications', rows: 1, before: LONG_AGO },
      });
    });

    it('erases revoked devices, but none that a verification refers to, and none that is not revoked', async () => {
      await addClub(store());
      await keep({ devices: 30 });
      expect([await erase('devices'), await over()]).toEqual([{}, []]);
      await keep({ verifications: 30, devices: 30 });
      expect(Object.fromEntries(await over())).toMatchObject({ devices: 1 });
      await erase('verifications');
      expect(await erase('devices', DUE - 1)).toEqual({});
      expect(await erase('devices')).toEqual({ devices: 1 });
      expect(await store().deviceByThumbprint(thumb('gone'), DUE)).toBeUndefined();
      expect(await store().deviceByThumbprint(thumb('kept'), DUE)).toMatchObject({ state: 'active' });
    });

    it('cuts the audit, which says so, and goes on from there', async () => {
      await addClub(store());
      await young();
      await store().linkAudit();
      const whole = await store().auditEntries('club', 0, 1_000);
      const old = whole.filter(({ at }) => at === LONG_AGO);
      const last = old.at(-1);
      await keep({ audit: 30 });
      expect(await erase('audit', DUE - 1)).toEqual({});
      expect(await over()).toEqual([['audit_entries', old.length]]);
      expect(await erase('audit')).toEqual({ audit_entries: old.length });
      expect(await erase('audit')).toEqual({});
      await store().linkAudit();
      const start = await store().auditStart('club');
      expect(start).toEqual({ seq: last?.seq, link: last?.link });
      const left = await store().auditEntries('club', 0, 1_000);
      expect(left.slice(0, whole.length - old.length)).toEqual(whole.slice(old.length));
      expect(verifyAudit('club', left, { start }).seq).toBe(whole.length + 2);
      expect(JSON.parse(left.at(-1)?.content ?? '')).toMatchObject({
        ...{ event: 'audit.cut', seq: start.seq, before: LONG_AGO, entries: old.length },
        link: Buffer.from(start.link).toString('base64url'),
      });
      expect((await store().auditStart('bank')).seq).toBe(0);
    });

    it('never cuts off the last entry of a chain', async () => {
      await addClub(store());
      await keep({ audit: 30 });
      while ((await store().linkAudit()) > 0);
      const entries = (await store().auditEntries('club', 0, 1_000)).length;
      expect(await over(NOW)).toEqual([['audit_entries', entries - 1]]);
      expect(await erase('audit', DUE)).toEqual({ audit_entries: entries - 1 });
      expect(await store().auditEntries('club', 0, 10)).toHaveLength(1);
      expect(await store().linkAudit()).toBeGreaterThan(0);
    });

    it('of one tenant is none of another’s', async () => {
      await addClub(store());
      await keep({ verifications: 30, devices: 30, audit: 30 });
      await enrolled(store(), 'phone', { tenant: 'shop', at: LONG_AGO });
      await store().revokeDevice('shop', id('phone'), { kind: 'backend' }, LONG_AGO);
      for (const kind of KINDS) await erase(kind);
      expect(await store().deviceByThumbprint(thumb('phone'), DUE)).toMatchObject({ state: 'revoked' });
      expect(await store().countOver('shop', NOW)).toEqual({
        ...{ views: 0, verifications: 0, devices: 0, audit_entries: 0 },
      });
      expect((await said(store(), 'shop')).length).toBeGreaterThan(4);
    });

    it('is applied by several verifiers at once, each row by one of them', async () => {
      await addClub(store());
      for (let i = 0; i < 30; i++) {
        const tokenHash = hash(`token ${i}`);
        const enrolment = { tenant: 'club', subject: 'c-1', tokenHash, expiresAt: LONG_AGO + 600 };
        await store().createEnrolment(enrolment, LONG_AGO);
      }
      await young();
      await keep({ verifications: 30, devices: 30, audit: 30 });
      while ((await store().linkAudit()) > 0);
      const due = Object.fromEntries(await over());
      const calls = Array.from({ length: 12 }, (_, i) => call('erase', 'club', KINDS[i % 3] ?? 'audit', DUE));
      const sums: Record<string, number> = {};
      const add = (counts: RowCounts) => {
        for (const [table, rows] of Object.entries(counts)) sums[table] = (sums[table] ?? 0) + rows;
      };
      for (const counts of await harness().race(calls)) add(counts as RowCounts);
      // A device may have been looked for before its verifications were gone.
      for (const kind of KINDS) add(await erase(kind));
      expect(sums).toEqual(due);
      while ((await store().linkAudit()) > 0);
      const start = await store().auditStart('club');
      verifyAudit('club', await store().auditEntries('club', 0, 1_000), { start });
    });
  });
}
