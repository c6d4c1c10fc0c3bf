import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addOperator,
  auditOf,
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

describe('a start', () => {
  test('shows its starter the code, which is the same until the verdict', async () => {
    const { status, json } = await start(bank.session);
    expect(status).toBe(201);
    expect(json).toEqual({
      ...{
        verification: expect.any(String),
        subject: 'customer-1',
        policy: 'knows-pin',
        purpose: 'transfer',
      },
      ...{ mode: 'call', direction: 'inbound', state: 'pending', later: false, verdict: null, factors: [] },
      ...{ startedAt: world.clock.now, expiresAt: world.clock.now + 120, decidedAt: null },
      code: expect.stringMatching(/^[0-9]{6}$/),
    });
    const id = String(json.verification);
    expect((await read(bank.session, id)).json).toEqual(json);
    expect((await cancel(bank.session, id)).json.code).toBeUndefined();
  });

  test('needs an active device; what the tenant is told then is limited like starts', async () => {
    const body = startOf('nobody');
    expect(refusal(await send(world, 'POST', '/v1/verifications', { token: bank.session, body }))).toBe(
      '409 no_device',
    );
    await phone.call('DELETE', '/v1/devices/current');
    for (let i = 0; i < 59; i++) expect(refusal(await start(bank.session))).toBe('409 no_device');
    expect(refusal(await start(bank.session))).toBe('429 rate_limited');
  });

  test('needs a policy of the tenant and a purpose of the policy', async () => {
    for (const changes of [{ policy: 'none' }, { purpose: 'none' }, { policy: 'toString' }]) {
      expect(refusal(await start(bank.session, changes))).toBe('409 policy_unknown');
    }
    expect(refusal(await start(bank.session, { accountRef: '5' }))).toBe('400 malformed');
  });

  test('is made sixty times a minute by an operator; others still can', async () => {
    const other = await addOperator(world, 'bank', 'Suzuki');
    for (let i = 0; i < 60; i++) expect((await start(bank.session)).status).toBe(201);
    const refused = await start(bank.session);
    expect(refusal(refused)).toBe('429 rate_limited');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await start(other)).status).toBe(201);
    world.clock.now += 60;
    expect((await start(bank.session)).status).toBe(201);
  });

  test('with an idempotency key is made once for each caller', async () => {
    const headers = { 'idempotency-key': 'key-1' };
    const first = await start(bank.session, {}, headers);
    const again = await start(bank.session, {}, headers);
    expect([again.status, again.json]).toEqual([first.status, first.json]);
    expect(refusal(await start(bank.session, { policy: 'owns-account' }, headers))).toBe(
      '422 idempotency_mismatch',
    );
    const backend = await start(bank.apiKey, {}, headers);
    const other = await start(await addOperator(world, 'bank', 'Suzuki'), {}, headers);
    expect(new Set([first, backend, other].map(({ json }) => json.verification)).size).toBe(3);
    expect((await phone.call('GET', '/v1/requests')).json.requests).toHaveLength(3);
    expect(world.notices).toHaveLength(3);
    expect(refusal(await start(bank.session, {}, { 'idempotency-key': 'no key' }))).toBe('400 malformed');
  });

  test('at once with one key is one verification', async () => {
    const headers = { 'idempotency-key': 'key-1' };
    const answers = await Promise.all(Array.from({ length: 8 }, () => start(bank.session, {}, headers)));
    expect(new Set(answers.map(({ json }) => json.verification)).size).toBe(1);
  });
});

describe('who sees a verification', () => {
  test('an operator sees their own; the back end all of the tenant, without the codes of operators', async () => {
    const other = await addOperator(world, 'bank', 'Suzuki');
    const own = textOf(await start(bank.session), 'verification');
    const backend = textOf(await start(bank.apiKey), 'verification');
    expect((await read(bank.apiKey, backend)).json.code).toMatch(/^[0-9]{6}$/);
    const seen = (await read(bank.apiKey, own)).json;
    expect(seen).toMatchObject({ verification: own, state: 'pending' });
    expect(seen.code).toBeUndefined();
    for (const [token, id] of [
      [other, own],
      [other, backend],
      [bank.session, backend],
    ] as const) {
      expect(refusal(await read(token, id))).toBe('404 not_found');
      expect(refusal(await cancel(token, id))).toBe('404 not_found');
    }
    const list = await send(world, 'GET', '/v1/verifications', { token: bank.session });
    expect(list.json.verifications).toMatchObject([{ verification: own }]);
    expect((await send(world, 'GET', '/v1/verifications', { token: other })).json).toEqual({
      verifications: [],
    });
    expect(refusal(await send(world, 'GET', '/v1/verifications', { token: bank.apiKey }))).toBe(
      '403 forbidden',
    );
  });

  test('that an operator was shown a verdict is recorded once; reading before it is not', async () => {
    const id = textOf(await start(bank.session), 'verification');
    await read(bank.session, id);
    await phone.call('POST', `/v1/requests/${id}/decline`);
    await read(bank.apiKey, id);
    for (let i = 0; i < 3; i++) await read(bank.session, id);
    await send(world, 'GET', '/v1/verifications', { token: bank.session });
    const seen = (await auditOf(world, 'bank')).filter((said) => String(said.event).endsWith('seen'));
    expect(seen).toMatchObject([{ actor: { kind: 'operator', id: bank.operator } }]);
  });
});

describe('a cancel', () => {
  test('ends it for the phone as well, by operator or back end; a verdict that stands stays', async () => {
    const own = textOf(await start(bank.session), 'verification');
    expect((await cancel(bank.session, own)).json).toMatchObject({ state: 'done', verdict: 'cancelled' });
    expect(refusal(await phone.call('POST', `/v1/requests/${own}/accept`))).toBe('409 verification_over');
    const backend = textOf(await start(bank.apiKey), 'verification');
    await phone.call('POST', `/v1/requests/${backend}/decline`);
    const answer = await send(world, 'DELETE', `/v1/verifications/${backend}`, { token: bank.apiKey });
    expect(answer.json).toMatchObject({ verdict: 'declined' });
    expect(refusal(await send(world, 'DELETE', `/v1/verifications/${own}`, { token: bank.session }))).toBe(
      '403 forbidden',
    );
    expect(refusal(await cancel(bank.apiKey, own))).toBe('403 forbidden');
  });
});
