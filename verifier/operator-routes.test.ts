import { randomBytes } from 'node:crypto';
import { base64url } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSignInLink } from './admin.ts';
import {
  DESK_ORIGIN,
  openTenant,
  openWorld,
  refusal,
  send,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { SESSION_IDLE_SECONDS, SESSION_SECONDS } from './caller.ts';
import { enrolPhone } from './phone-fixtures.ts';

let world: World;
let bank: TenantFixture;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
});
afterEach(() => world.close());

const link = () => createSignInLink(world.store, 'bank', bank.operator, world.clock.now, randomBytes);
const open = (token: string, headers = {}) =>
  send(world, 'POST', '/v1/sessions', { body: { token }, headers });
const list = (token: string) => send(world, 'GET', '/v1/verifications', { token });

describe('a sign-in link', () => {
  test('opens one session', async () => {
    const token = await link();
    const answer = await open(token);
    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({
      session: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      operator: { id: bank.operator, name: 'Sato', role: 'operator' },
      tenant: { id: 'bank', name: 'The bank' },
      idleSeconds: 900,
    });
    expect((await list(textOf(answer, 'session'))).status).toBe(200);
    expect(refusal(await open(token))).toBe('401 unauthorized');
  });

  test('opens one session for ten who try at once', async () => {
    const token = await link();
    const answers = await Promise.all(Array.from({ length: 10 }, () => open(token)));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
  });

  test('is good for ten minutes; wrong and expired are alike', async () => {
    const token = await link();
    world.clock.now += 600;
    const expired = await open(token);
    const wrong = await open(base64url.encode(randomBytes(16)));
    expect(refusal(expired)).toBe('401 unauthorized');
    expect([wrong.status, wrong.text]).toEqual([expired.status, expired.text]);
  });

  test('opened from a page of another tenant opens nothing', async () => {
    const shop = await openTenant(world, 'shop');
    const token = await createSignInLink(world.store, 'shop', shop.operator, world.clock.now, randomBytes);
    expect(refusal(await open(token, { origin: DESK_ORIGIN }))).toBe('403 origin_refused');
    expect(refusal(await open(token))).toBe('401 unauthorized');
  });
});

describe('a session', () => {
  test('ends after fifteen minutes without an action; reading does not prolong it', async () => {
    world.clock.now += SESSION_IDLE_SECONDS - 1;
    expect((await list(bank.session)).status).toBe(200);
    world.clock.now += 1;
    expect(refusal(await list(bank.session))).toBe('401 unauthorized');
  });

  test('is prolonged by start, cancel and claim', async () => {
    await enrolPhone(world, bank, 'customer-1', '8035174926');
    const claim = { subject: 'c', purpose: 'transfer', direction: 'inbound', call: 'call-1', code: '123456' };
    let verification = '';
    const actions = [
      async () => {
        const body = startOf('customer-1');
        const answer = await send(world, 'POST', '/v1/verifications', { token: bank.session, body });
        verification = textOf(answer, 'verification');
      },
      () => send(world, 'POST', `/v1/verifications/${verification}/cancel`, { token: bank.session }),
      () => send(world, 'POST', '/v1/claims', { token: bank.session, body: claim }),
    ];
    for (const action of actions) {
      world.clock.now += SESSION_IDLE_SECONDS - 1;
      await action();
    }
    world.clock.now += SESSION_IDLE_SECONDS - 1;
    expect((await list(bank.session)).status).toBe(200);
  });

  test('ends after twelve hours whatever happens', async () => {
    for (let spent = 0; spent < SESSION_SECONDS - 600; spent += 600) {
      world.clock.now += 600;
      await send(world, 'POST', '/v1/claims', { token: bank.session, body: {} });
    }
    expect((await list(bank.session)).status).toBe(200);
    world.clock.now += 600;
    expect(refusal(await list(bank.session))).toBe('401 unauthorized');
  });

  test('is over when its operator signs out', async () => {
    expect((await send(world, 'DELETE', '/v1/sessions/current', { token: bank.session })).status).toBe(204);
    expect(refusal(await list(bank.session))).toBe('401 unauthorized');
    expect(refusal(await send(world, 'DELETE', '/v1/sessions/current', { token: bank.session }))).toBe(
      '401 unauthorized',
    );
    expect(refusal(await send(world, 'DELETE', '/v1/sessions/current', { token: bank.apiKey }))).toBe(
      '403 forbidden',
    );
  });
});
