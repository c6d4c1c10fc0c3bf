import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Answer,
  addOperator,
  openTenant,
  openWorld,
  refusal,
  send,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { type EnrolledPhone, enrolPhone } from './phone-fixtures.ts';
import { makePresentation } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
  phone = await enrolPhone(world, bank, 'customer-1', '8035174926');
});
afterEach(() => world.close());
afterAll(endProver);

const start = (token: string, changes = {}, headers = {}) =>
  send(world, 'POST', '/v1/verifications', { token, headers, body: startOf('customer-1', changes) });
const read = (token: string, id: string) => send(world, 'GET', `/v1/verifications/${id}`, { token });
const cancel = (token: string, id: string) =>
  send(world, 'POST', `/v1/verifications/${id}/cancel`, { token });

const PRECALL = { mode: 'precall', call: { direction: 'inbound' } };

/** A pre-call verification, presented by the phone; what the phone is answered. */
async function passPrecall(token = bank.apiKey, changes: Readonly<Record<string, unknown>> = PRECALL) {
  const started = await start(token, changes);
  const id = textOf(started, 'verification');
  const opened = await phone.call('POST', `/v1/requests/${id}/accept`);
  const passed = await phone.call(
    'POST',
    `/v1/requests/${id}/presentation`,
    await makePresentation(phone, { opened }),
  );
  return { id, started, passed, code: claimCode(passed) };
}

function claimCode({ json }: Answer): string {
  return (json.claim as { code: string } | undefined)?.code ?? '';
}

const claim = (token: string, code: string, changes = {}) =>
  send(world, 'POST', '/v1/claims', {
    token,
    body: {
      subject: 'customer-1',
      purpose: 'transfer',
      direction: 'inbound',
      call: 'call-1',
      code,
      ...changes,
    },
  });
const otherCode = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

describe('a pre-call verification', () => {
  test('is started by an operator for an outbound call only', async () => {
    expect(refusal(await start(bank.session, PRECALL))).toBe('403 forbidden');
    const outbound = await start(bank.session, { ...PRECALL, call: { direction: 'outbound' } });
    expect(outbound.json).toMatchObject({ mode: 'precall', expiresAt: world.clock.now + 900 });
    expect(outbound.json.code).toBeUndefined();
  });

  test('takes no code of a call, gives the phone one to say, and the desk no verdict before it is said', async () => {
    const { id, passed, code } = await passPrecall();
    expect(passed.json).toMatchObject({
      ...{ state: 'done', verdict: 'passed', claim: { code, expiresAt: world.clock.now + 600 } },
    });
    expect((await phone.call('GET', '/v1/requests')).json.requests).toEqual([passed.json]);
    expect((await phone.call('GET', `/v1/requests/${id}`)).json).toEqual(passed.json);
    const hidden = { state: 'done', verdict: null, factors: [], decidedAt: null };
    expect((await read(bank.apiKey, id)).json).toMatchObject(hidden);
    const claimed = await claim(bank.session, code);
    expect(claimed.status).toBe(200);
    expect(claimed.json).toMatchObject({
      verification: id,
      verdict: 'passed',
      factors: ['knowledge', 'possession'],
    });
    expect((await read(bank.session, id)).json).toEqual(claimed.json);
    expect((await phone.call('GET', `/v1/requests/${id}`)).json.claim).toBeUndefined();
  });

  test('a presentation with a code is malformed there', async () => {
    const id = textOf(await start(bank.apiKey, PRECALL), 'verification');
    const opened = await phone.call('POST', `/v1/requests/${id}/accept`);
    const presentation = await makePresentation(phone, { opened, code: '123456' });
    expect(refusal(await phone.call('POST', `/v1/requests/${id}/presentation`, presentation))).toBe(
      '400 malformed',
    );
  });

  test('is claimed once, also when ten try at once', async () => {
    const { code } = await passPrecall();
    const answers = await Promise.all(Array.from({ length: 10 }, () => claim(bank.session, code)));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
    expect(answers.filter((answer) => refusal(answer) === '403 claim_refused')).toHaveLength(9);
  });

  test('a wrong code costs a try, the third one the pass', async () => {
    const { code } = await passPrecall();
    for (let i = 0; i < 2; i++)
      expect(refusal(await claim(bank.session, otherCode(code)))).toBe('403 claim_refused');
    expect((await claim(bank.session, code)).status).toBe(200);
    const second = await passPrecall();
    for (let i = 0; i < 3; i++) await claim(bank.session, otherCode(second.code), { call: 'call-2' });
    expect(refusal(await claim(bank.session, second.code, { call: 'call-2' }))).toBe('403 claim_refused');
    expect((await phone.call('GET', `/v1/requests/${second.id}`)).json.claim).toBeUndefined();
  });

  test('subject, purpose, direction and tenant must be its own; all refusals are alike', async () => {
    const { code } = await passPrecall();
    const shop = await openTenant(world, 'shop');
    const refused = [
      await claim(bank.session, code, { subject: 'customer-2' }),
      await claim(bank.session, code, { purpose: 'other' }),
      await claim(bank.session, code, { direction: 'outbound' }),
      await claim(shop.session, code),
      await claim(bank.session, otherCode(code)),
    ];
    expect(new Set(refused.map((answer) => answer.text)).size).toBe(1);
    expect(refused.map(refusal)).toEqual(Array(5).fill('403 claim_refused'));
    expect((await claim(bank.apiKey, code)).json).toMatchObject({ verdict: 'passed' });
  });

  test('is over after ten minutes', async () => {
    const { id, code } = await passPrecall();
    world.clock.now += 600;
    expect(refusal(await claim(bank.session, code))).toBe('403 claim_refused');
    expect((await read(bank.apiKey, id)).json).toMatchObject({ verdict: null });
  });

  test('a report by the customer voids it', async () => {
    const { id, code } = await passPrecall();
    expect((await phone.call('POST', `/v1/requests/${id}/report`)).status).toBe(200);
    expect(refusal(await claim(bank.session, code))).toBe('403 claim_refused');
    expect(world.alerts).toHaveLength(1);
  });

  test('ten claims an hour for one call, whoever makes them', async () => {
    const other = await addOperator(world, 'bank', 'Suzuki');
    for (let i = 0; i < 10; i++)
      await claim(i % 2 === 0 ? bank.session : other, '000000', { subject: `nobody-${i}` });
    const { code } = await passPrecall();
    const refused = await claim(bank.apiKey, code);
    expect(refusal(refused)).toBe('429 rate_limited');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await claim(bank.apiKey, code, { call: 'call-2' })).status).toBe(200);
  });

  test('failed, declined and reported are not shown to a desk; cancelled and expired are', async () => {
    const outbound = { ...PRECALL, call: { direction: 'outbound' } };
    const declined = textOf(await start(bank.session, outbound), 'verification');
    await phone.call('POST', `/v1/requests/${declined}/decline`);
    expect((await read(bank.session, declined)).json).toMatchObject({
      state: 'done',
      verdict: null,
      decidedAt: null,
    });
    const cancelled = textOf(await start(bank.session, outbound), 'verification');
    expect((await cancel(bank.session, cancelled)).json).toMatchObject({ verdict: 'cancelled' });
    const expired = textOf(await start(bank.session, outbound), 'verification');
    world.clock.now += 899;
    expect((await read(bank.apiKey, expired)).json).toMatchObject({ state: 'pending' });
    world.clock.now += 1;
    expect((await read(bank.apiKey, expired)).json).toMatchObject({ state: 'done', verdict: 'expired' });
  });
});
