import { parseRequest, tenantScope, verifyJws } from '@akashi/circuits';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ORIGIN,
  openTenant,
  openWorld,
  PURPOSE,
  refusal,
  send,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { type EnrolledPhone, enrolPhone } from './phone-fixtures.ts';
import { attemptOf } from './presentation-fixtures.ts';

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
  phone = await enrolPhone(world, bank, 'customer-1', '8035174926');
});
afterEach(() => world.close());

/** Starts a verification; its id. */
async function start(changes: Readonly<Record<string, unknown>> = {}, token = bank.session): Promise<string> {
  const answer = await send(world, 'POST', '/v1/verifications', {
    token,
    body: startOf('customer-1', changes),
  });
  return textOf(answer, 'verification');
}

const desk = (id: string) => send(world, 'GET', `/v1/verifications/${id}`, { token: bank.session });

describe('a request', () => {
  test('says who asks, why and for what, signed for the devices of the subject', async () => {
    const other = await enrolPhone(world, bank, 'customer-1', '8035174926');
    await enrolPhone(world, bank, 'customer-2', '8035174926');
    const transaction = { amount: '150000', currency: 'JPY', payee: '株式会社みどり商店' };
    const verification = await start({ policy: 'owns-account', transaction, accountRef: '77' });
    const { json } = await phone.call('GET', `/v1/requests/${verification}`);
    expect(json).toEqual({
      ...{ verification, state: 'pending', later: false, expiresAt: world.clock.now + 120 },
      request: expect.any(String),
    });
    const [key] = world.keys.signing;
    const said = await verifyJws('request', String(json.request), (kid) =>
      kid === key?.kid ? key.jwk : undefined,
    );
    const request = parseRequest(said);
    expect(request).toEqual({
      ...{ iss: ORIGIN, jti: verification, aud: expect.any(Array), tenant: { id: 'bank', name: 'The bank' } },
      ...{ operator: 'Sato', mode: 'call', direction: 'inbound', purpose: PURPOSE, transaction },
      facts: [
        { fact: 'pin', version: 1 },
        { fact: 'account', version: 1, scope: (await tenantScope('bank')).toString(), accountRef: '77' },
      ],
      ...{ nonce: expect.any(String), iat: world.clock.now, exp: world.clock.now + 120 },
    });
    expect([...request.aud].sort()).toEqual([phone.thumbprint, other.thumbprint].sort());
    expect((await phone.call('GET', '/v1/requests')).json).toEqual({ requests: [json] });
  });

  test('that the back end starts names no operator', async () => {
    const verification = await start({}, bank.apiKey);
    const { json } = await phone.call('GET', `/v1/requests/${verification}`);
    const [key] = world.keys.signing;
    const said = await verifyJws('request', String(json.request), () => key?.jwk);
    expect(parseRequest(said).operator).toBeUndefined();
  });

  test('goes with the verdict', async () => {
    const verification = await start();
    await phone.call('POST', `/v1/requests/${verification}/decline`);
    const { json } = await phone.call('GET', `/v1/requests/${verification}`);
    expect(json).toMatchObject({ state: 'done', verdict: 'declined' });
    expect(json.request).toBeUndefined();
    expect((await phone.call('GET', '/v1/requests')).json).toEqual({ requests: [] });
  });

  test('is told by a notice, five in ten minutes; more start without one', async () => {
    const ids = [];
    for (let i = 0; i < 7; i++) ids.push(await start());
    await new Promise((resolve) => setImmediate(resolve));
    expect(world.notices).toEqual(
      ids.slice(0, 5).map((verification) => ({ tenant: 'bank', subject: 'customer-1', verification })),
    );
    expect((await phone.call('GET', '/v1/requests')).json.requests).toHaveLength(7);
  });

  test('is for the devices that were active when it began', async () => {
    const verification = await start();
    const late = await enrolPhone(world, bank, 'customer-1', '8035174926');
    expect(refusal(await late.call('GET', `/v1/requests/${verification}`))).toBe('404 not_found');
    for (const verb of ['accept', 'later', 'decline', 'report']) {
      expect(refusal(await late.call('POST', `/v1/requests/${verification}/${verb}`))).toBe('404 not_found');
    }
    expect((await desk(verification)).json).toMatchObject({ state: 'pending' });
  });
});

describe('accepting', () => {
  test('opens the first of three attempts, and again gives the same', async () => {
    const verification = await start();
    const opened = await phone.call('POST', `/v1/requests/${verification}/accept`);
    expect(opened.json).toMatchObject({ state: 'accepted' });
    expect(attemptOf(opened).left).toBe(3);
    const again = await phone.call('POST', `/v1/requests/${verification}/accept`);
    expect(again.json).toEqual(opened.json);
    expect((await phone.call('GET', `/v1/requests/${verification}`)).json).toEqual(opened.json);
    expect((await desk(verification)).json).toMatchObject({ state: 'accepted', verdict: null });
  });

  test('is done by one device; the others are told, and may still report', async () => {
    const other = await enrolPhone(world, bank, 'customer-1', '8035174926');
    const verification = await start();
    await phone.call('POST', `/v1/requests/${verification}/accept`);
    expect(refusal(await other.call('POST', `/v1/requests/${verification}/accept`))).toBe(
      '409 accepted_elsewhere',
    );
    expect(refusal(await other.call('GET', `/v1/requests/${verification}`))).toBe('409 accepted_elsewhere');
    expect(refusal(await other.call('POST', `/v1/requests/${verification}/decline`))).toBe(
      '409 accepted_elsewhere',
    );
    expect((await other.call('GET', '/v1/requests')).json).toEqual({ requests: [] });
    expect((await other.call('POST', `/v1/requests/${verification}/report`)).json).toMatchObject({
      verdict: 'reported',
    });
  });

  test('two devices at once: one of them', async () => {
    const other = await enrolPhone(world, bank, 'customer-1', '8035174926');
    const verification = await start();
    const both = await Promise.all([
      phone.call('POST', `/v1/requests/${verification}/accept`),
      other.call('POST', `/v1/requests/${verification}/accept`),
    ]);
    expect(both.map((answer) => answer.status).sort()).toEqual([200, 409]);
  });
});

describe('later, decline, report', () => {
  test('later keeps it pending, tells the desk, and prolongs nothing', async () => {
    const verification = await start();
    const before = (await desk(verification)).json;
    expect((await phone.call('POST', `/v1/requests/${verification}/later`)).json).toMatchObject({
      ...{ state: 'pending', later: true, expiresAt: before.expiresAt },
    });
    expect((await desk(verification)).json).toEqual({ ...before, later: true });
  });

  test('decline ends it, whether accepted or not', async () => {
    for (const accept of [false, true]) {
      const verification = await start();
      if (accept) await phone.call('POST', `/v1/requests/${verification}/accept`);
      await phone.call('POST', `/v1/requests/${verification}/decline`);
      expect((await desk(verification)).json).toMatchObject({
        state: 'done',
        verdict: 'declined',
        factors: [],
      });
    }
  });

  test('report ends every open verification of the subject, and raises an alert', async () => {
    const open = [await start(), await start(), await start({}, bank.apiKey)];
    await phone.call('POST', `/v1/requests/${open[1]}/accept`);
    const answer = await phone.call('POST', `/v1/requests/${open[0]}/report`);
    expect(answer.json).toMatchObject({ state: 'done', verdict: 'reported' });
    for (const verification of open) {
      const { json } = await send(world, 'GET', `/v1/verifications/${verification}`, { token: bank.apiKey });
      expect(json.verdict).toBe('reported');
    }
    expect(world.alerts).toEqual([
      { kind: 'reported', tenant: 'bank', subject: 'customer-1', verification: open[0] },
    ]);
  });

  test('after the verdict nothing more can be said', async () => {
    const verification = await start();
    await phone.call('POST', `/v1/requests/${verification}/decline`);
    for (const verb of ['accept', 'later', 'decline', 'report']) {
      expect(refusal(await phone.call('POST', `/v1/requests/${verification}/${verb}`))).toBe(
        '409 verification_over',
      );
    }
    expect(world.alerts).toEqual([]);
  });

  test('after its time it is expired, without anybody having looked', async () => {
    const verification = await start();
    world.clock.now += 120;
    expect(refusal(await phone.call('POST', `/v1/requests/${verification}/accept`))).toBe(
      '409 verification_over',
    );
    expect((await desk(verification)).json).toMatchObject({ state: 'done', verdict: 'expired' });
    expect((await phone.call('GET', '/v1/requests')).json).toEqual({ requests: [] });
  });
});

test('an unknown request, and one of another subject, are alike', async () => {
  const stranger = await enrolPhone(world, bank, 'customer-2', '8035174926');
  const verification = await start();
  for (const id of [verification, `${'a'.repeat(21)}A`, 'x']) {
    expect(refusal(await stranger.call('GET', `/v1/requests/${id}`))).toBe('404 not_found');
    for (const verb of ['accept', 'later', 'decline', 'report']) {
      expect(refusal(await stranger.call('POST', `/v1/requests/${id}/${verb}`))).toBe('404 not_found');
    }
  }
});
