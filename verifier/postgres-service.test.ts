import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createOperator, createSignInLink, createTenant } from './admin.ts';
import { createDevelopmentKeys, type Keys, openKeys } from './keys.ts';
import { type Cable, createTestDatabase, layCable, type TestDatabase } from './postgres-fixtures.ts';
import { type Service, startVerifier } from './service.ts';
import { hash, id, sealed, thumb } from './store-fixtures.ts';
import type { LogEntry } from './verifier.ts';

// Two verifiers with one origin and one database, as behind a balancer: what one does, the other knows and tells.

const ORIGIN = 'https://verifier.example';
const NOW = 1_900_000_000;

let database: TestDatabase;
let cable: Cable;
let keys: Keys;
let log: LogEntry[];
let here: Service;
let there: Service;

beforeAll(async () => {
  database = await createTestDatabase();
  cable = await layCable(database.url);
  keys = await openKeys((await createDevelopmentKeys(ORIGIN, NOW, randomBytes)).keys);
});
afterAll(async () => {
  await cable.close();
  await database.remove();
});
beforeEach(async () => {
  log = [];
  await database.empty();
  // Nobody looks again by himself: what is known of the other was told.
  const start = (databaseUrl: string) =>
    startVerifier({
      ...{
        databaseUrl,
        lookAgainMs: 600_000,
        keys,
        origin: ORIGIN,
        port: 0,
        clock: () => NOW,
        proofWorkers: 0,
      },
      log: (entry) => void log.push(entry),
    });
  here = await start(cable.url);
  there = await start(database.url);
});
afterEach(async () => {
  cable.mend();
  await Promise.all([here.close(), there.close()]);
});

function call(
  service: Service,
  method: string,
  path: string,
  token: string,
  body?: object,
): Promise<Response> {
  return fetch(`http://localhost:${service.port}/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** A tenant, a session opened at one verifier, and a verification started at the other. */
async function startedVerification() {
  const { store } = here;
  const tenant = { tenant: 'bank', name: 'Bank', origins: [] };
  const { apiKey } = await createTenant(store, tenant, NOW, randomBytes);
  const policy = { policy: 'knows-pin', facts: ['pin'], purposes: [{ id: 'p', text: { en: 'P' } }] };
  expect((await call(there, 'POST', '/policies', apiKey, policy)).status).toBe(200);
  const operator = await createOperator(
    store,
    { tenant: 'bank', name: 'Sato', role: 'operator' },
    NOW,
    randomBytes,
  );
  const token = await createSignInLink(store, 'bank', operator, NOW, randomBytes);
  const { session } = await (await call(here, 'POST', '/sessions', '', { token })).json();
  // A device is put in place by the store: this test is about verifiers, not about enrolment.
  await store.createEnrolment(
    { tenant: 'bank', subject: 'c', tokenHash: hash('t'), expiresAt: NOW + 60 },
    NOW,
  );
  const made = { tokenHash: hash('t'), device: id('d'), thumbprint: thumb('d'), evaluationKey: sealed('d') };
  await store.redeemEnrolment(made, NOW);
  await store.registerPin('bank', id('d'), { holder: '1', commitment: '2' }, NOW);
  const start = {
    subject: 'c',
    policy: 'knows-pin',
    purpose: 'p',
    mode: 'call',
    call: { direction: 'inbound' },
  };
  const { verification } = await (await call(there, 'POST', '/verifications', session, start)).json();
  return { session, apiKey, verification };
}

test('a desk that waits at one is told at once of what happens at the other', async () => {
  const { session, verification } = await startedVerification();
  const path = `/verifications/${verification}`;
  const first = await call(here, 'GET', path, session);
  const waiting = fetch(`http://localhost:${here.port}/v1${path}?wait=30`, {
    headers: { authorization: `Bearer ${session}`, 'if-none-match': first.headers.get('etag') ?? '' },
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  const began = performance.now();
  await there.store.report('bank', verification, id('d'), NOW);
  expect(await (await waiting).json()).toMatchObject({ verdict: 'reported' });
  // Before its time was over, at the end of which it reads once more.
  expect(performance.now() - began).toBeLessThan(20_000);
});

test('without its database a verifier answers 503 at once, says nothing of it, and is back without help', async () => {
  const { session, apiKey, verification } = await startedVerification();
  const path = `/verifications/${verification}`;
  cable.cut(true);
  const began = performance.now();
  for (const answer of await Promise.all([
    call(here, 'GET', path, session),
    call(here, 'DELETE', path, apiKey),
    call(here, 'GET', '/health', ''),
  ])) {
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(await answer.json()).toEqual({ type: 'about:blank', title: 'busy', status: 503, code: 'busy' });
  }
  expect(performance.now() - began).toBeLessThan(2_000);
  expect((await call(there, 'GET', path, session)).status).toBe(200);
  const faults = log.filter(({ event }) => event === 'fault');
  expect(faults.length).toBeGreaterThanOrEqual(3);
  const { password, username } = new URL(database.url);
  for (const secret of [password, username]) expect(JSON.stringify(log)).not.toContain(secret);
  cable.mend();
  expect((await call(here, 'GET', path, session)).status).toBe(200);
  expect((await call(here, 'GET', '/health', '')).status).toBe(200);
});

test('a limit is one limit, and a session that was closed at one is closed at the other', async () => {
  const { session, verification } = await startedVerification();
  const path = `/verifications/${verification}`;
  const limit = [{ tenant: 'bank', key: 'k', count: 3, seconds: 60 }];
  const taken = await Promise.all(
    [here, there, here, there, here].map(({ store }) => store.takeLimits(limit, NOW)),
  );
  expect(taken.filter(({ granted }) => granted === 1)).toHaveLength(3);
  expect((await call(there, 'GET', path, session)).status).toBe(200);
  expect((await call(here, 'DELETE', '/sessions/current', session)).status).toBeLessThan(300);
  expect((await call(there, 'GET', path, session)).status).toBe(401);
});
