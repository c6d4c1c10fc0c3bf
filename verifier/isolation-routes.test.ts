import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parse, publicJwkShape, thumbprint } from '@akashi/circuits';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, openWorld, PURPOSE, send, startOf, type World } from './app-fixtures.ts';
import { temporaryFolder } from './folder-fixtures.ts';
import { newPhone, type Phone } from './phone-fixtures.ts';
import { createTestDatabase, openTestStore, type TestDatabase } from './postgres-fixtures.ts';
import { provePin } from './presentation-fixtures.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { asksPostgres, asksSqlite, type FullTenant, fillTenant, rowsOf } from './tenant-fixtures.ts';

// Two sides of one promise: a tenant's rows are nobody else's, and whoever lacks a tenant's credential cannot tell what
// is there.

let world: World;
let bank: FullTenant;
let shop: FullTenant;
let rows: (tenant: string) => ReturnType<typeof rowsOf>;

/** The base point of ristretto255. */
const BLINDED = '4vKuCmq8TnGohKlhxQBRX1jjC2qlgt2NtqZZReCNLXY';

/** What may not differ: status, body, and headers but the time and the nonce. */
function shown(answer: Answer): unknown {
  const headers = [...answer.headers].filter(([name]) => !['date', 'dpop-nonce'].includes(name));
  return { status: answer.status, text: answer.text, headers };
}

/** Everything that a call can name. */
interface Named {
  readonly subject: string;
  readonly policy: string;
  readonly purpose: string;
  readonly call: string;
  readonly verification: string;
  readonly early: string;
  readonly attempt: string;
  readonly code: string;
  readonly claimCode: string;
  readonly device: string;
  readonly newer: string;
  readonly operator: string;
  readonly passkey: string;
  readonly passkeyId: string;
  readonly issuer: string;
  readonly jwk: object;
  readonly source: string;
  readonly token: string;
  readonly link: string;
  readonly idempotencyKey: string;
  readonly etag: string;
}

interface NamingCall {
  readonly path?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls of each route that name something, with it in every place that takes it. */
const NAMING: Readonly<Record<string, (named: Named, own: Own) => readonly NamingCall[]>> = {
  // What these answer is the caller's own alone; only a header can name something. They come first, before who
  // asks has things of the same names.
  ...Object.fromEntries(
    [
      ...['GET /v1/devices/current', 'GET /v1/devices/current/facts', 'GET /v1/policies', 'GET /v1/issuers'],
      ...[
        'GET /v1/verifications',
        'GET /v1/requests',
        'GET /v1/jwks',
        'GET /v1/health',
        'GET /v1/health/live',
      ],
    ].map((route) => [
      route,
      ({ etag, idempotencyKey }: Named) => [
        { headers: { 'if-none-match': etag, 'idempotency-key': idempotencyKey } },
      ],
    ]),
  ),
  'POST /v1/devices': ({ token, link }) => [{ body: { token } }, { body: { token: link } }],
  'DELETE /v1/devices/:id': ({ device, newer }) =>
    [device, newer].map((id) => ({ path: `/v1/devices/${id}` })),
  'POST /v1/devices/:id/stop': ({ device, newer }) =>
    [device, newer].map((id) => ({ path: `/v1/devices/${id}/stop` })),
  'POST /v1/devices/current/oprf': ({ verification, early }, { blinded }) =>
    [verification, early].map((id) => ({ body: { use: 'verification', verification: id, blinded } })),
  'DELETE /v1/devices/current/passkeys/:id': ({ passkey }) => [
    { path: `/v1/devices/current/passkeys/${passkey}` },
  ],
  'POST /v1/devices/current/passkeys': ({ passkeyId }, { proof }) => [
    { body: { registration: { id: passkeyId, attestation: 'AAAA', clientData: 'AAAA' }, proof } },
  ],
  'POST /v1/enrolments': ({ subject }) => [{ body: { subject } }],
  'GET /v1/devices': ({ subject }) => [{ path: `/v1/devices?subject=${subject}` }],
  'POST /v1/policies': ({ policy }) => [{ body: { policy, facts: ['pin'], purposes: [PURPOSE] } }],
  // Before the same key is pinned by who asks.
  'DELETE /v1/issuers/:issuer': ({ issuer }) => [{ path: `/v1/issuers/${issuer}` }],
  'POST /v1/issuers': ({ jwk }) => [{ body: { jwk } }],
  'PUT /v1/issuers/source': ({ source }) => [{ body: { jwks: source } }],
  // A link that is not used yet is a credential of its own: who has it is let in. What is none is as unknown as any.
  'POST /v1/sessions': ({ token, verification }) => [{ body: { token } }, { body: { token: verification } }],
  'POST /v1/verifications': ({ subject, policy, purpose, call, operator, idempotencyKey }, own) => [
    { body: startOf(subject) },
    { body: startOf(own.subject, { policy }) },
    { body: startOf(own.subject, { policy: own.subject, purpose }) },
    { body: startOf(own.subject, { operator }) },
    {
      body: startOf(own.subject, { policy: own.subject, call: { direction: 'inbound', id: call } }),
      headers: { 'idempotency-key': idempotencyKey },
    },
  ],
  'GET /v1/verifications/:id': ({ verification, early, etag }) =>
    [verification, early].flatMap((id) => [
      { path: `/v1/verifications/${id}` },
      { path: `/v1/verifications/${id}?wait=1`, headers: { 'if-none-match': etag } },
      { path: `/v1/verifications/${id}`, headers: { accept: 'text/event-stream' } },
    ]),
  'GET /v1/verifications/:id/evidence': ({ verification, early }) =>
    [verification, early].map((id) => ({ path: `/v1/verifications/${id}/evidence` })),
  'DELETE /v1/verifications/:id': ({ verification, early }) =>
    [verification, early].map((id) => ({ path: `/v1/verifications/${id}` })),
  'POST /v1/verifications/:id/cancel': ({ verification, early }) =>
    [verification, early].map((id) => ({ path: `/v1/verifications/${id}/cancel` })),
  'POST /v1/claims': ({ subject, purpose, call, code, claimCode }) =>
    [code, claimCode].map((one) => ({ body: { subject, purpose, direction: 'inbound', call, code: one } })),
  'GET /v1/requests/:id': ({ verification, early }) =>
    [verification, early].map((id) => ({ path: `/v1/requests/${id}` })),
  ...Object.fromEntries(
    ['accept', 'later', 'decline', 'report'].map((verb) => [
      `POST /v1/requests/:id/${verb}`,
      ({ verification, early }: Named) =>
        [verification, early].map((id) => ({ path: `/v1/requests/${id}/${verb}` })),
    ]),
  ),
  'POST /v1/requests/:id/presentation': ({ verification, attempt, code, passkeyId }, own) => {
    const facts = [{ fact: 'pin', version: 1, proof: own.proof }];
    const passkey = { id: passkeyId, authenticatorData: 'AAAA', clientData: 'AAAA', signature: 'AAAA' };
    return [
      { path: `/v1/requests/${verification}/presentation`, body: { attempt, code, facts } },
      { path: `/v1/requests/${own.verification}/presentation`, body: { attempt, code, facts } },
      { path: `/v1/requests/${own.verification}/presentation`, body: { attempt, code, facts, passkey } },
    ];
  },
};

/** Routes that name nothing and would change who calls. */
const NAMELESS = [
  ...['DELETE /v1/devices/current', 'DELETE /v1/sessions/current', 'PUT /v1/devices/current/pin'],
  'POST /v1/devices/current/passkeys/options',
];

/** Of the tenant that asks. */
interface Own {
  readonly subject: string;
  readonly verification: string;
  readonly blinded: string;
  readonly proof: object;
}

function namedOf(tenant: FullTenant, jwk: object = tenant.issuer.jwk): Named {
  const { phone, newer, issuer, ...rest } = tenant;
  const { subject } = phone;
  const names = { subject, policy: subject, purpose: subject, call: `call-of-${subject}` };
  const source = `https://${tenant.tenant}.example/jwks`;
  return { ...rest, ...names, device: phone.device, newer: newer.device, issuer: issuer.kid, jwk, source };
}

/** Names like those, of nothing. */
async function namedNothing(named: Named): Promise<Named> {
  const { publicKey } = await generateKeyPair('ES256');
  const random = Object.entries(named).map(([name, value]) => {
    if (typeof value !== 'string') return [name, value];
    if (/^[0-9]{6}$/.test(value)) return [name, String((Number(value) + 1) % 1_000_000).padStart(6, '0')];
    if (name === 'etag') return [name, `"${randomBytes(16).toString('base64url')}"`];
    const { length } = Buffer.from(value, 'base64url');
    return [
      name,
      length === 16 || length === 32
        ? randomBytes(length).toString('base64url')
        : value.replace('bank', 'kita'),
    ];
  });
  const jwk = parse(publicJwkShape, await exportJWK(publicKey));
  return { ...(Object.fromEntries(random) as Named), jwk, issuer: await thumbprint(jwk) };
}

/** What a caller sees, the names that it gave and what is random put out of sight. */
function masked(answer: Answer, named: Named): string {
  const names = Object.values(named).filter((value) => typeof value === 'string');
  const isLong = (name: string) => /^[A-Za-z0-9_-]{22,}$/.test(name);
  const hide = (text: string, some: readonly string[]) =>
    some.reduce((rest, name) => rest.replaceAll(name, '<name>'), text);
  const seen = hide(JSON.stringify(shown(answer)), names.filter(isLong)).replaceAll(
    /[A-Za-z0-9_-]{22,}/g,
    (random) => `<${random.length}>`,
  );
  // Short names last: what is random has one of them in it now and then.
  return hide(
    seen,
    names.filter((name) => !isLong(name)),
  ).replaceAll(/\b[0-9]{6}\b/g, '<code>');
}

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.remove());

const STORES = [
  {
    name: 'SQLite',
    async open() {
      const { folder, remove } = await temporaryFolder();
      const file = join(folder, 'akashi.db');
      const opened = await openWorld({ openStore: async () => openSqliteStore({ file }) });
      const close = () => opened.close().then(remove);
      return { world: { ...opened, close }, asks: asksSqlite(file) };
    },
  },
  {
    name: 'PostgreSQL',
    async open() {
      await database.empty();
      return {
        world: await openWorld({ openStore: () => openTestStore(database) }),
        asks: asksPostgres(database.superuser),
      };
    },
  },
];

describe.each(STORES)('on $name', ({ open }) => {
  beforeEach(async () => {
    const opened = await open();
    world = opened.world;
    rows = (tenant) => rowsOf(opened.asks, tenant);
    bank = await fillTenant(world, 'bank', 'bank-customer');
    shop = await fillTenant(world, 'shop', 'shop-customer');
    await opened.asks.cutAudits();
  });
  afterEach(() => world.close());

  test('whoever asks: what is another tenant`s is as unknown as what nobody has, and stays as it is', async () => {
    const routes = world.app.routes.filter(({ method }) => method !== 'ALL');
    const known = [...Object.keys(NAMING), ...NAMELESS];
    expect(known.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
    const before = await rows('bank');
    for (const [table, found] of Object.entries(before)) expect(found, table).not.toEqual([]);
    const foreign = namedOf(bank);
    const nothing = await namedNothing(foreign);
    const own = {
      ...{ subject: shop.phone.subject, verification: shop.verification },
      ...{ blinded: BLINDED, proof: await provePin(shop.phone, 1n) },
    };
    // Ids: keys are public, and names become those of who asks as well.
    const { verification, early, attempt, device, newer, operator, passkey, token, link } = foreign;
    const secrets = [verification, early, attempt, device, newer, operator, passkey, token, link];
    const stranger = await newPhone(world);
    const byToken =
      (token?: string) =>
      (method: string, path: string, { body, headers = {} }: NamingCall) =>
        send(world, method, path, { body, headers, ...(token === undefined ? {} : { token }) });
    const byPhone =
      (phone: Phone) =>
      (method: string, path: string, { body, headers = {} }: NamingCall) =>
        phone.call(method as 'GET', path, body, { headers });
    const callers = {
      ...{ 'API key': byToken(shop.apiKey), operator: byToken(shop.session), nobody: byToken() },
      ...{ device: byPhone(shop.phone), stranger: byPhone(stranger) },
    };
    for (const [route, calls] of Object.entries(NAMING)) {
      const [method = '', pattern = ''] = route.split(' ');
      for (const [who, ask] of Object.entries(callers)) {
        // An enrolment's token, too, is a credential of its own, for a key that is not enrolled yet.
        if (route === 'POST /v1/devices' && who === 'stranger') continue;
        const unknown = calls(nothing, own);
        for (const [i, call] of calls(foreign, own).entries()) {
          const like = unknown[i] ?? {};
          const none = await ask(method, like.path ?? pattern, like);
          const some = await ask(method, call.path ?? pattern, call);
          const what = `${route} by ${who}, ${i}`;
          expect(masked(some, foreign), what).toBe(masked(none, nothing));
          const given = JSON.stringify(call);
          for (const secret of secrets)
            if (!given.includes(secret)) expect(some.text, what).not.toContain(secret);
        }
      }
      expect(await rows('bank'), route).toEqual(before);
    }
  });
});
