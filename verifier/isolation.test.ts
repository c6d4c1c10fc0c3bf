import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Answer,
  auditOf,
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
import { type EnrolledPhone, enrolPhone, evaluateAnything, newPhone } from './phone-fixtures.ts';
import { createTestDatabase, openTestStore, type TestDatabase } from './postgres-fixtures.ts';

// Two sides of one promise: a tenant's rows are nobody else's, and whoever lacks a tenant's credential cannot tell what
// is there.

let world: World;
let bank: TenantFixture;
let shop: TenantFixture;
let phone: EnrolledPhone;
let verification: string;

const NOBODY = `${'a'.repeat(21)}A`;

/** What may not differ: status, body, and headers but the time and the nonce. */
function shown(answer: Answer): unknown {
  const headers = [...answer.headers].filter(([name]) => !['date', 'dpop-nonce'].includes(name));
  return { status: answer.status, text: answer.text, headers };
}

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.remove());

const STORES = [
  { name: 'SQLite', openStore: undefined },
  {
    name: 'PostgreSQL',
    openStore: async () => {
      await database.empty();
      return openTestStore(database);
    },
  },
];

describe.each(STORES)('on $name', ({ openStore }) => {
  beforeEach(async () => {
    world = await openWorld(openStore && { openStore });
    bank = await openTenant(world, 'bank');
    shop = await openTenant(world, 'shop');
    phone = await enrolPhone(world, bank, 'customer-1', '8035174926');
    const body = startOf('customer-1');
    verification = textOf(
      await send(world, 'POST', '/v1/verifications', { token: bank.session, body }),
      'verification',
    );
  });
  afterEach(() => world.close());
  test('another tenant has its own subjects, devices, policies, issuers and limits under the same names', async () => {
    expect((await send(world, 'GET', '/v1/devices?subject=customer-1', { token: shop.apiKey })).json).toEqual(
      {
        devices: [],
      },
    );
    const body = startOf('customer-1');
    expect(refusal(await send(world, 'POST', '/v1/verifications', { token: shop.session, body }))).toBe(
      '409 no_device',
    );
    expect((await send(world, 'GET', '/v1/verifications', { token: shop.session })).json).toEqual({
      verifications: [],
    });
    const policy = { policy: 'only-here', facts: ['pin'], purposes: [PURPOSE] };
    await send(world, 'POST', '/v1/policies', { token: bank.apiKey, body: policy });
    const policies = await send(world, 'GET', '/v1/policies', { token: shop.apiKey });
    expect(policies.text).not.toContain('only-here');
    expect(await world.store.issuerKey('shop', bank.issuer.kid)).toBeUndefined();
    for (let i = 0; i < 60; i++)
      await send(world, 'POST', '/v1/verifications', { token: shop.session, body });
    expect(refusal(await send(world, 'POST', '/v1/verifications', { token: shop.session, body }))).toBe(
      '429 rate_limited',
    );
    expect((await send(world, 'POST', '/v1/verifications', { token: bank.session, body })).status).toBe(201);
  });

  test('a device of another tenant, with a subject of the same name, finds nothing and changes nothing', async () => {
    const foreign = await enrolPhone(world, shop, 'customer-1', '8035174926');
    expect((await foreign.call('GET', '/v1/requests')).json).toEqual({ requests: [] });
    for (const verb of ['accept', 'later', 'decline', 'report']) {
      expect(refusal(await foreign.call('POST', `/v1/requests/${verification}/${verb}`))).toBe(
        '404 not_found',
      );
    }
    await phone.call('POST', `/v1/requests/${verification}/accept`);
    const use = { use: 'verification', verification };
    expect(refusal(await evaluateAnything(foreign, use))).toBe('403 evaluation_refused');
    expect((await phone.call('GET', '/v1/devices/current')).json).toMatchObject({ triesLeft: 5 });
    const { json } = await phone.call('GET', '/v1/devices/current');
    expect(json.newer).toEqual([]);
  });

  test('to strangers unknown, known, locked and unenrolled are alike', async () => {
    const locked = await enrolPhone(world, bank, 'locked', '8035174926');
    for (let i = 0; i < 5; i++) await evaluateAnything(locked, { use: 'current' });
    const unenrolled = await enrolPhone(world, bank, 'unenrolled', '8035174926');
    await unenrolled.call('DELETE', '/v1/devices/current');
    const stranger = await newPhone(world);
    const subjects = ['customer-1', 'locked', 'unenrolled', 'unknown'];
    const perSubject = subjects.map(async (subject) => [
      shown(await send(world, 'POST', '/v1/verifications', { body: startOf(subject) })),
      shown(await send(world, 'POST', '/v1/verifications', { token: NOBODY, body: startOf(subject) })),
      shown(await send(world, 'GET', `/v1/devices?subject=${subject}`)),
      shown(await send(world, 'POST', '/v1/enrolments', { token: `ak_${NOBODY}`, body: { subject } })),
      shown(
        await send(world, 'POST', '/v1/claims', {
          body: { subject, purpose: 'transfer', direction: 'inbound', call: 'call-1', code: '123456' },
        }),
      ),
    ]);
    const [first, ...others] = await Promise.all(perSubject);
    for (const other of others) expect(other).toEqual(first);
    const perId = [phone.device, locked.device, unenrolled.device, verification, NOBODY].map(async (id) => [
      shown(await send(world, 'GET', `/v1/verifications/${id}`)),
      shown(await send(world, 'DELETE', `/v1/devices/${id}`)),
      shown(await stranger.call('GET', `/v1/requests/${id}`)),
      shown(await stranger.call('POST', `/v1/requests/${id}/accept`)),
      shown(await stranger.call('POST', `/v1/devices/${id}/stop`)),
      shown(await evaluateAnything(stranger, { use: 'verification', verification: id })),
    ]);
    const [ids, ...otherIds] = await Promise.all(perId);
    for (const other of otherIds) expect(other).toEqual(ids);
  });

  test('to the subject`s own tenant the difference is told, limited and recorded', async () => {
    const body = startOf('unknown');
    expect(refusal(await send(world, 'POST', '/v1/verifications', { token: bank.session, body }))).toBe(
      '409 no_device',
    );
    const said = await auditOf(world, 'bank');
    expect(JSON.stringify(said)).toContain('no_device');
  });
});
