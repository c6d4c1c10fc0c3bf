import type { Agent } from '@akashi/sdk/agent';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWorld, type Phone, policyOf, startOf, type TestTenant, type World } from './harness.ts';
import { refusal } from './refusal.ts';

// The customer verifies before the call, and says six digits on it: docs/protocol.md, section 7.

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

/** Six digits that are not these. */
function otherThan(code: string): string {
  return code.replace(/.$/, (last) => String((Number(last) + 1) % 10));
}

describe('before the call', () => {
  const PRECALL = { mode: 'precall', policy: policyOf('pin') } as const;

  const claimOf = (code: string, rest: object = {}) => ({
    subject: phone.subject,
    purpose: 'identify',
    direction: 'inbound' as const,
    call: `call-${Math.random()}`,
    code,
    ...rest,
  });

  async function passed(): Promise<{ readonly id: string; readonly code: string }> {
    const { verification: id } = await bank.issuer.start(startOf(phone.subject, PRECALL));
    const outcome = await phone.holder.present(id, { pin: phone.pin });
    expect(outcome).toMatchObject({ state: 'done', verdict: 'passed' });
    return { id, code: outcome.claim?.code ?? '' };
  }

  test('the customer verifies first, says six digits, and the desk that enters them sees passed', async () => {
    const { id, code } = await passed();
    // Until then no desk learns anything, and a phone that lost the answer finds the code again.
    expect(await bank.issuer.verification(id)).toMatchObject({ state: 'done', verdict: null, factors: [] });
    expect((await phone.holder.requests()).find((request) => request.id === id)?.claim?.code).toBe(code);
    const claimed = await desk.claim(claimOf(code));
    expect(claimed).toMatchObject({
      verification: id,
      verdict: 'passed',
      factors: ['knowledge', 'possession'],
    });
    expect((await phone.holder.requests()).find((request) => request.id === id)).toBeUndefined();
    expect(await refusal(desk.claim(claimOf(code)))).toMatchObject({ code: 'claim_refused' });
  });

  test.each([
    ['another purpose', { purpose: 'transfer' }],
    ['another direction', { direction: 'outbound' }],
    ['another customer', { subject: 'customer-2' }],
  ])('a claim for %s is refused', async (_, rest) => {
    const { code } = await passed();
    expect(await refusal(desk.claim(claimOf(code, rest)))).toMatchObject({ code: 'claim_refused' });
    expect(await desk.claim(claimOf(code))).toMatchObject({ verdict: 'passed' });
  });

  test('three wrong codes void the pass', async () => {
    const { id, code } = await passed();
    for (let i = 0; i < 3; i++) {
      expect(await refusal(desk.claim(claimOf(otherThan(code))))).toMatchObject({ code: 'claim_refused' });
    }
    expect(await refusal(desk.claim(claimOf(code)))).toMatchObject({ code: 'claim_refused' });
    expect(await bank.issuer.verification(id)).toMatchObject({ verdict: null });
  });

  test('ten claims an hour for one call, whoever makes them', async () => {
    const call = 'busy-call';
    for (let i = 0; i < 10; i++) await refusal(desk.claim(claimOf('000000', { call, subject: 'nobody' })));
    expect(await refusal(bank.issuer.claim(claimOf('000000', { call })))).toMatchObject({
      code: 'rate_limited',
    });
  });

  test('a pass that is not claimed within ten minutes is gone', async () => {
    const { code } = await passed();
    world.advance(601);
    expect(await refusal(desk.claim(claimOf(code)))).toMatchObject({ code: 'claim_refused' });
  });

  test('a report voids a pass that is not claimed', async () => {
    const { id, code } = await passed();
    await phone.holder.report(id);
    expect(await refusal(desk.claim(claimOf(code)))).toMatchObject({ code: 'claim_refused' });
  });

  test('for an inbound call only the back end may start it; an operator may for an outbound one', async () => {
    expect(await refusal(desk.start(startOf(phone.subject, PRECALL)))).toMatchObject({ code: 'forbidden' });
    const call = { direction: 'outbound' } as const;
    const { verification } = await desk.start(startOf(phone.subject, { ...PRECALL, call }));
    expect((await phone.holder.request(verification)).asked).toMatchObject({ mode: 'precall', ...call });
    expect(await phone.holder.decline(verification)).toMatchObject({ verdict: 'declined' });
    expect(await desk.verification(verification)).toMatchObject({ state: 'done', verdict: null });
  });

  test('it lives for fifteen minutes', async () => {
    const { startedAt, expiresAt } = await bank.issuer.start(startOf(phone.subject, PRECALL));
    expect(expiresAt - startedAt).toBe(15 * 60);
  });
});
