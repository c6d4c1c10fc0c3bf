import type { Verification } from '@akashi/circuits';
import type { Agent } from '@akashi/sdk/agent';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openWorld, type Phone, policyOf, startOf, type TestTenant, type World } from './harness.ts';
import { refusal } from './refusal.ts';

// A caller is verified on the call, from end to end, through the packages that people use: and every way in which it
// can end.

let world: World;
let bank: TestTenant;
let desk: Agent;
let phone: Phone;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  desk = await bank.desk();
  phone = await bank.phone('customer-1');
});

afterAll(() => world.close());

const PIN_ONLY = { policy: policyOf('pin') } as const;

/** The transfer code, as the operator speaks it. */
function spoken({ code }: Verification): string {
  if (code === undefined) throw new Error('the desk shows no code');
  return code;
}

/** Six digits that are not these. */
function otherThan(code: string): string {
  return code.replace(/.$/, (last) => String((Number(last) + 1) % 10));
}

describe('on the call', () => {
  test('the phone shows who asks and why, the customer types code and PIN, the desk sees passed', async () => {
    const transaction = { amount: '150000', currency: 'JPY', payee: '山田商店' };
    const started = await desk.start(startOf(phone.subject, { purpose: 'transfer', transaction }));
    const watching = desk.wait(started.verification);

    const [asked] = await phone.holder.requests();
    expect(asked?.id).toBe(started.verification);
    expect(asked?.asked).toEqual({
      tenant: { id: 'aoba', name: 'Bank aoba' },
      operator: 'Sato',
      mode: 'call',
      direction: 'inbound',
      purpose: { id: 'transfer', text: { ja: 'お振込みの確認', en: 'Confirming a transfer' } },
      transaction,
      facts: ['pin', 'account'],
      claims: [],
    });
    await phone.holder.accept(started.verification);
    const outcome = await phone.holder.present(started.verification, {
      code: spoken(started),
      pin: phone.pin,
    });
    expect(outcome).toMatchObject({ state: 'done', verdict: 'passed' });

    const seen = await watching;
    expect(seen).toMatchObject({ state: 'done', verdict: 'passed', factors: ['knowledge', 'possession'] });
    expect(Object.keys(seen).sort()).toEqual(
      'decidedAt direction expiresAt factors later mode policy purpose startedAt state subject transaction verdict verification'.split(
        ' ',
      ),
    );
  });

  test('stream and long poll tell the same story', async () => {
    const started = await desk.start(startOf(phone.subject, PIN_ONLY));
    const stories = (['stream', 'poll'] as const).map((transport) => {
      const states: string[] = [];
      const told = (async () => {
        for await (const { state, verdict } of desk.watch(started.verification, { transport })) {
          states.push(`${state} ${verdict}`);
        }
      })();
      return { states, told };
    });
    // Nobody is told of a state that has passed before it was looked at.
    const bothHave = (count: number) =>
      vi.waitUntil(() => stories.every(({ states }) => states.length === count), { timeout: 30_000 });
    await bothHave(1);
    await phone.holder.accept(started.verification);
    await bothHave(2);
    await phone.holder.decline(started.verification);
    await Promise.all(stories.map(({ told }) => told));
    const told = ['pending null', 'accepted null', 'done declined'];
    expect(stories.map(({ states }) => states)).toEqual([told, told]);
  });

  test('a wrong code costs an attempt; the third ends it, and the right one comes too late', async () => {
    const started = await desk.start(startOf(phone.subject, PIN_ONLY));
    const code = otherThan(spoken(started));
    const id = started.verification;
    const first = await phone.holder.present(id, { code, pin: phone.pin });
    expect(first).toMatchObject({ state: 'accepted', attemptsLeft: 2, verdict: null });
    // The PIN was right, and is not asked for again.
    expect(await phone.holder.present(id, { code })).toMatchObject({ attemptsLeft: 1 });
    expect(await desk.verification(id)).toMatchObject({ state: 'accepted', verdict: null });
    expect(await phone.holder.present(id, { code })).toMatchObject({ state: 'done', verdict: 'failed' });
    expect(await phone.holder.present(id, { code: spoken(started), pin: phone.pin })).toMatchObject({
      verdict: 'failed',
    });
    expect(await desk.wait(id)).toMatchObject({ verdict: 'failed', factors: [] });
    expect(await phone.holder.status()).toMatchObject({ triesLeft: 5 });
  });

  test('a wrong code and then the right one passes', async () => {
    const started = await desk.start(startOf(phone.subject, PIN_ONLY));
    const id = started.verification;
    await phone.holder.present(id, { code: otherThan(spoken(started)), pin: phone.pin });
    // As a Japanese keyboard types it.
    const code = [...spoken(started)]
      .map((digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0))
      .join('');
    expect(await phone.holder.present(id, { code })).toMatchObject({ verdict: 'passed' });
  });

  test('later is told to the desk and prolongs nothing', async () => {
    const started = await desk.start(startOf(phone.subject, PIN_ONLY));
    const id = started.verification;
    expect(await phone.holder.later(id)).toMatchObject({ state: 'pending', later: true });
    const { expiresAt } = started;
    expect(await desk.verification(id)).toMatchObject({ state: 'pending', later: true, expiresAt });
    await phone.holder.accept(id);
    const outcome = await phone.holder.present(id, { code: spoken(started), pin: phone.pin });
    expect(outcome.verdict).toBe('passed');
  });

  test('declined: the desk learns it, and no proof helps afterwards', async () => {
    const started = await desk.start(startOf(phone.subject));
    expect(await phone.holder.decline(started.verification)).toMatchObject({ verdict: 'declined' });
    expect(await desk.wait(started.verification)).toMatchObject({ verdict: 'declined', factors: [] });
    const late = await phone.holder.present(started.verification, { code: spoken(started), pin: phone.pin });
    expect(late.verdict).toBe('declined');
  });

  test('"I am not on a call with you" ends everything open for the customer and raises an alert', async () => {
    const before = world.alerts.length;
    const one = await desk.start(startOf(phone.subject));
    const two = await (await bank.desk('Suzuki')).start(startOf(phone.subject, PIN_ONLY));
    await phone.holder.accept(one.verification);
    expect(await phone.holder.report(two.verification)).toMatchObject({ verdict: 'reported' });
    expect(await desk.wait(one.verification)).toMatchObject({ verdict: 'reported' });
    expect(world.alerts.slice(before)).toEqual([
      { kind: 'reported', tenant: 'aoba', subject: phone.subject, verification: two.verification },
    ]);
    expect((await world.audit('aoba')).some(({ event }) => event === 'alert.reported')).toBe(true);
  });

  test('cancelled by the desk: the phone has nothing to answer any more', async () => {
    const started = await desk.start(startOf(phone.subject));
    await phone.holder.accept(started.verification);
    expect(await desk.cancel(started.verification)).toMatchObject({ verdict: 'cancelled' });
    const outcome = await phone.holder.present(started.verification, {
      code: spoken(started),
      pin: phone.pin,
    });
    expect(outcome.verdict).toBe('cancelled');
    expect(await phone.holder.requests()).toEqual([]);
  });

  test('after 120 seconds it is over, accepted or not', async () => {
    const open = await desk.start(startOf(phone.subject));
    const accepted = await desk.start(startOf(phone.subject));
    await phone.holder.accept(accepted.verification);
    // Real seconds pass, too: not on the edge.
    world.advance(110);
    expect(await desk.verification(open.verification)).toMatchObject({ state: 'pending' });
    world.advance(10);
    for (const { verification, expiresAt, startedAt } of [open, accepted]) {
      expect(expiresAt - startedAt).toBe(120);
      expect(await desk.verification(verification)).toMatchObject({ verdict: 'expired', factors: [] });
    }
    const late = await phone.holder.present(accepted.verification, {
      code: spoken(accepted),
      pin: phone.pin,
    });
    expect(late.verdict).toBe('expired');
  });

  test('a newer start does not cancel an accepted one', async () => {
    const first = await desk.start(startOf(phone.subject, PIN_ONLY));
    await phone.holder.accept(first.verification);
    const second = await desk.start(startOf(phone.subject, PIN_ONLY));
    const options = { code: spoken(first), pin: phone.pin };
    expect(await phone.holder.present(first.verification, options)).toMatchObject({ verdict: 'passed' });
    await desk.cancel(second.verification);
  });

  test('a start that is sent twice is one verification', async () => {
    const idempotencyKey = 'ticket-1';
    const one = await desk.start(startOf(phone.subject), { idempotencyKey });
    expect(await desk.start(startOf(phone.subject), { idempotencyKey })).toEqual(one);
    const other = desk.start(startOf(phone.subject, PIN_ONLY), { idempotencyKey });
    expect(await refusal(other)).toMatchObject({ code: 'idempotency_mismatch' });
    await desk.cancel(one.verification);
  });

  test('the code is shown to who started it, and to nobody once it is over', async () => {
    const started = await desk.start(startOf(phone.subject));
    expect((await desk.verification(started.verification)).code).toBe(started.code);
    expect(await bank.issuer.verification(started.verification)).not.toHaveProperty('code');
    expect(await desk.cancel(started.verification)).not.toHaveProperty('code');
  });

  test('who asked, and what came of it, stays on the phone', async () => {
    const fresh = await bank.phone('customer-history');
    const passed = await desk.start(startOf(fresh.subject, PIN_ONLY));
    await fresh.holder.present(passed.verification, { code: spoken(passed), pin: fresh.pin });
    const declined = await desk.start(startOf(fresh.subject));
    await fresh.holder.requests();
    await fresh.holder.decline(declined.verification);
    const ignored = await desk.start(startOf(fresh.subject));
    await fresh.holder.requests();
    world.advance(121);
    await fresh.holder.requests();
    expect((await fresh.holder.history()).map(({ id, outcome }) => ({ id, outcome }))).toEqual([
      { id: ignored.verification, outcome: 'unanswered' },
      { id: declined.verification, outcome: 'declined' },
      { id: passed.verification, outcome: 'passed' },
    ]);
  });

  test('every open page of the phone hears of a request; the notice says nothing but an id', async () => {
    const { holder, subject } = await bank.phone('customer-notice');
    await holder.requests({ wait: 1 });
    const waiting = holder.requests({ wait: 10 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { verification } = await desk.start(startOf(subject));
    expect((await waiting).map(({ id }) => id)).toEqual([verification]);
    const told = world.notices.filter((notice) => notice.subject === subject);
    expect(told).toEqual([{ tenant: 'aoba', subject, verification }]);
  });
});
