import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  openTenant,
  openWorld,
  PURPOSE,
  refusal,
  send,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { enrolPhone } from './phone-fixtures.ts';

let world: World;
let bank: TenantFixture;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
});
afterEach(() => world.close());

const backend = (method: string, path: string, body?: unknown) =>
  send(world, method, path, { token: bank.apiKey, ...(body === undefined ? {} : { body }) });

test('an API key is needed, and a session is not one', async () => {
  const routes = [
    ['POST', '/v1/enrolments', { subject: 'customer-1' }],
    ['GET', '/v1/devices?subject=customer-1'],
    ['DELETE', `/v1/devices/${'a'.repeat(21)}A`],
    ['POST', '/v1/issuers', { jwk: bank.issuer.jwk }],
    ['GET', '/v1/issuers'],
    ['PUT', '/v1/issuers/source', {}],
    ['DELETE', `/v1/issuers/${bank.issuer.kid}`],
    ['POST', '/v1/policies', {}],
    ['DELETE', `/v1/verifications/${'a'.repeat(21)}A`],
  ] as const;
  for (const [method, path, body] of routes) {
    const call = body === undefined ? {} : { body };
    expect(refusal(await send(world, method, path, call))).toBe('401 unauthorized');
    for (const token of ['ak_', `ak_${'a'.repeat(22)}`, `${bank.apiKey}x`, bank.apiKey.slice(3)]) {
      expect(refusal(await send(world, method, path, { ...call, token }))).toBe('401 unauthorized');
    }
    expect(refusal(await send(world, method, path, { ...call, token: bank.session }))).toBe('403 forbidden');
    const headers = { authorization: `Basic ${bank.apiKey}` };
    expect(refusal(await send(world, method, path, { ...call, headers }))).toBe('401 unauthorized');
  }
});

describe('enrolments', () => {
  test('give a token, the root and ten minutes', async () => {
    const { status, json } = await backend('POST', '/v1/enrolments', { subject: 'customer-1' });
    expect(status).toBe(201);
    expect(json).toEqual({
      token: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      root: world.keys.root,
      expiresAt: world.clock.now + 600,
    });
  });

  test('are ten an hour for each subject', async () => {
    for (let i = 0; i < 10; i++) {
      expect((await backend('POST', '/v1/enrolments', { subject: 'customer-1' })).status).toBe(201);
    }
    const eleventh = await backend('POST', '/v1/enrolments', { subject: 'customer-1' });
    expect(refusal(eleventh)).toBe('429 rate_limited');
    expect(Number(eleventh.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await backend('POST', '/v1/enrolments', { subject: 'customer-2' })).status).toBe(201);
    world.clock.now += 3600;
    expect((await backend('POST', '/v1/enrolments', { subject: 'customer-1' })).status).toBe(201);
  });
});

describe('devices', () => {
  test('are listed and revoked by their tenant', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', '80351');
    const { device } = phone;
    const list = () => backend('GET', '/v1/devices?subject=customer-1');
    expect((await list()).json).toEqual({
      devices: [{ device, state: 'active', enrolledAt: world.clock.now }],
    });
    expect((await backend('DELETE', `/v1/devices/${device}`)).status).toBe(204);
    expect((await list()).json).toMatchObject({ devices: [{ device, state: 'revoked' }] });
    expect(refusal(await backend('DELETE', `/v1/devices/${device}`))).toBe('404 not_found');
    expect(refusal(await phone.call('GET', '/v1/requests'))).toBe('403 device_revoked');
  });

  test('of nobody are an empty list; of no subject at all it is malformed', async () => {
    expect((await backend('GET', '/v1/devices?subject=nobody')).json).toEqual({ devices: [] });
    expect(refusal(await backend('GET', '/v1/devices'))).toBe('400 malformed');
    expect(refusal(await backend('GET', '/v1/devices?subject=a%20b'))).toBe('400 malformed');
  });

  test('what cannot be an id is an unknown one', async () => {
    for (const id of ['x', 'a'.repeat(22), '..%2f', `${'a'.repeat(21)}A`]) {
      expect(refusal(await backend('DELETE', `/v1/devices/${id}`))).toBe('404 not_found');
    }
  });
});

describe('policies', () => {
  const policy = { policy: 'high', facts: ['pin', 'account'], purposes: [PURPOSE] };

  test('get a new version each time, and the newest counts', async () => {
    expect((await backend('POST', '/v1/policies', policy)).json).toEqual({ ...policy, version: 1 });
    expect((await backend('POST', '/v1/policies', { ...policy, facts: ['pin'] })).json).toMatchObject({
      version: 2,
    });
    const { json } = await send(world, 'GET', '/v1/policies', { token: bank.session });
    expect(json.policies).toContainEqual({ ...policy, facts: ['pin'], version: 2 });
    expect((await backend('GET', '/v1/policies')).json).toEqual(json);
  });

  test('with unknown facts, a fact twice, no purpose or a lying text are refused', async () => {
    const lying = { id: 'p', text: { en: 'safe\u202Eefas' } };
    for (const change of [
      { facts: ['range'] },
      { facts: ['pin', 'pin'] },
      { facts: [] },
      { facts: ['toString'] },
      { purposes: [] },
      { purposes: [lying] },
    ]) {
      expect(refusal(await backend('POST', '/v1/policies', { ...policy, ...change }))).toBe('400 malformed');
    }
  });
});

test('secrets are in the store as hashes only', async () => {
  const token = textOf(await backend('POST', '/v1/enrolments', { subject: 'customer-1' }), 'token');
  // A token that is presented as its own hash opens nothing.
  expect(await world.store.enrolment(Buffer.from(token), world.clock.now)).toBeUndefined();
  expect(await world.store.tenantByApiKey(Buffer.from(bank.apiKey))).toBeUndefined();
});
