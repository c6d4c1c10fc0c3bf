import { thumbprint } from '@akashi/circuits';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  auditOf,
  openTenant,
  openWorld,
  refusal,
  send,
  type TenantFixture,
  type World,
} from './app-fixtures.ts';
import { newDeviceKey } from './phone-fixtures.ts';

let world: World;
let bank: TenantFixture;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
});
afterEach(() => world.close());

const backend = (method: string, path: string, body?: unknown) =>
  send(world, method, path, { token: bank.apiKey, ...(body === undefined ? {} : { body }) });

describe('issuers', () => {
  test('are known by the thumbprint of their key, as often as they are told', async () => {
    const { jwk } = await newDeviceKey();
    for (let i = 0; i < 2; i++) {
      const answer = await backend('POST', '/v1/issuers', { jwk });
      expect(answer.status).toBe(200);
      expect(answer.json).toEqual({ issuer: await thumbprint(jwk) });
    }
  });

  test('that are no point of the curve, or private, are refused', async () => {
    const { jwk } = await newDeviceKey();
    for (const wrong of [{ ...jwk, x: jwk.y }, { ...jwk, d: jwk.x }, { ...jwk, crv: 'P-384' }, {}]) {
      expect(refusal(await backend('POST', '/v1/issuers', { jwk: wrong }))).toBe('400 malformed');
    }
  });

  test('are listed and taken back by their tenant', async () => {
    const shop = await openTenant(world, 'shop');
    const pinned = { issuers: [{ issuer: bank.issuer.kid, addedAt: world.clock.now }], source: {} };
    expect((await backend('GET', '/v1/issuers')).json).toEqual(pinned);
    const path = `/v1/issuers/${bank.issuer.kid}`;
    expect(refusal(await send(world, 'DELETE', path, { token: shop.apiKey }))).toBe('404 not_found');
    expect((await backend('DELETE', path)).status).toBe(204);
    for (const gone of [path, '/v1/issuers/x', `/v1/issuers/${'é'.repeat(9)}`])
      expect(refusal(await backend('DELETE', gone))).toBe('404 not_found');
    expect((await backend('GET', '/v1/issuers')).json).toEqual({ issuers: [], source: {} });
  });
});

describe('where an issuer publishes', () => {
  const source = {
    jwks: 'https://bank.example/keys',
    statusLists: 'https://bank.example/status/',
    staleSeconds: 60,
  };

  test('is set as a whole, and is in the audit', async () => {
    expect((await backend('PUT', '/v1/issuers/source', source)).json).toEqual(source);
    expect((await backend('GET', '/v1/issuers')).json.source).toEqual(source);
    const { jwks } = source;
    expect((await backend('PUT', '/v1/issuers/source', { jwks })).json).toEqual({ jwks });
    const { statusLists } = source;
    expect((await backend('PUT', '/v1/issuers/source', { statusLists })).json).toEqual({
      statusLists,
      staleSeconds: 0,
    });
    expect((await backend('PUT', '/v1/issuers/source', {})).json).toEqual({});
    expect(
      (await auditOf(world, 'bank')).filter(({ event }) => event === 'tenant.issuer_source_set')[0],
    ).toEqual({
      actor: { kind: 'backend' },
      event: 'tenant.issuer_source_set',
      ...source,
    });
  });

  test.each([
    ['not encrypted', { jwks: 'http://bank.example/keys' }],
    ['on this machine', { jwks: 'https://127.0.0.1/keys' }],
    ['inside of a network', { statusLists: 'https://169.254.169.254/status/' }],
    ['no folder', { statusLists: 'https://bank.example/status' }],
    ['more than an address', { jwks: 'https://bank.example/keys?tenant=1' }],
    ['with a user name', { jwks: 'https://a:b@bank.example/keys' }],
    ['stale without a list', { jwks: 'https://bank.example/keys', staleSeconds: 5 }],
    ['stale for too long', { ...source, staleSeconds: 86_401 }],
    ['more than it should be', { ...source, reach: 'any' }],
  ])('is refused when it is %s', async (_, body) => {
    expect(refusal(await backend('PUT', '/v1/issuers/source', body))).toBe('400 malformed');
    expect((await backend('GET', '/v1/issuers')).json.source).toEqual({});
  });
});
