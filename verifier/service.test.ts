import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createOperator, createSignInLink, createTenant } from './admin.ts';
import { createDevelopmentKeys, openKeys } from './keys.ts';
import { newDeviceKey } from './phone-fixtures.ts';
import { type Service, type ServiceOptions, startVerifier } from './service.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { addClub, id, thumb } from './store-fixtures.ts';
import type { LogEntry } from './verifier.ts';

let folder: string;
let log: LogEntry[];
const clock = { now: 1_900_000_000 };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'akashi-service-'));
  log = [];
});
afterEach(() => rm(folder, { recursive: true }));

async function keysFor(origin: string) {
  return openKeys((await createDevelopmentKeys(origin, clock.now, randomBytes)).keys);
}

function start(changes: Partial<ServiceOptions> = {}): Promise<Service> {
  return startVerifier({
    file: join(folder, 'akashi.db'),
    keys: keysFor,
    port: 0,
    log: (entry) => void log.push(entry),
    clock: () => clock.now,
    ...changes,
  });
}

/** A session of an operator of a fresh tenant, and a verification they wait on. */
async function waiting(service: Service) {
  const { store, origin } = service;
  const { apiKey } = await createTenant(
    store,
    { tenant: 'bank', name: 'Bank', origins: [] },
    clock.now,
    randomBytes,
  );
  const post = (path: string, token: string, body: object) =>
    fetch(`${origin}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const purposes = [{ id: 'p', text: { en: 'P' } }];
  await post('/v1/policies', apiKey, { policy: 'knows-pin', facts: ['pin'], purposes });
  const operator = await createOperator(
    store,
    { tenant: 'bank', name: 'Sato', role: 'operator' },
    clock.now,
    randomBytes,
  );
  const token = await createSignInLink(store, 'bank', operator, clock.now, randomBytes);
  const { session } = await (await post('/v1/sessions', '', { token })).json();
  // A device is put in place by the store: this test is about connections, not about enrolment.
  const tokenHash = randomBytes(32);
  const evaluationKey = { kek: 'none', iv: randomBytes(12), ciphertext: randomBytes(48) };
  await store.createEnrolment(
    { tenant: 'bank', subject: 'c', tokenHash, expiresAt: clock.now + 60 },
    clock.now,
  );
  const device = randomBytes(16).toString('base64url');
  const thumbprint = (await newDeviceKey()).jwk.x;
  await store.redeemEnrolment({ tokenHash, device, thumbprint, evaluationKey }, clock.now);
  await store.registerPin('bank', device, { holder: '1', commitment: '2' }, clock.now);
  const start = {
    subject: 'c',
    policy: 'knows-pin',
    purpose: 'p',
    mode: 'call',
    call: { direction: 'inbound' },
  };
  const { verification } = await (await post('/v1/verifications', session, start)).json();
  return { session, address: `${origin}/v1/verifications/${verification}` };
}

test('listens on a free port, says where, and closes', async () => {
  const service = await start();
  expect(service.origin).toBe(`http://localhost:${service.port}`);
  expect((await fetch(`${service.origin}/v1/health`)).status).toBe(200);
  await service.close();
  await expect(fetch(`${service.origin}/v1/health`)).rejects.toThrow();
});

test('a busy port, wrong keys and a file that is none are said at the start, and nothing stays open', async () => {
  const first = await start();
  await expect(start({ file: join(folder, 'b.db'), port: first.port })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
  const foreign = await keysFor('https://other.example');
  await expect(start({ file: join(folder, 'c.db'), keys: foreign })).rejects.toThrow('another origin');
  await expect(start({ file: folder })).rejects.toThrow();
  await first.close();
  const again = await start({ port: first.port });
  await again.close();
});

describe('every second', () => {
  test('what is over its time ends, and whoever waits is told', async () => {
    const service = await start();
    const { session, address } = await waiting(service);
    const headers = { authorization: `Bearer ${session}`, accept: 'text/event-stream' };
    const response = await fetch(address, { headers });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toContain('"state":"pending"');
    clock.now += 120;
    expect((await reader?.read())?.value).toContain('"verdict":"expired"');
    expect((await reader?.read())?.done).toBe(true);
    await service.close();
  });

  test('the audit is linked', async () => {
    const service = await start();
    await createTenant(service.store, { tenant: 'bank', name: 'Bank', origins: [] }, clock.now, randomBytes);
    const linked = async () => (await service.store.auditEntries('bank', 0, 10)).length;
    await expect.poll(linked, { timeout: 30_000 }).toBeGreaterThan(0);
    await service.close();
  });

  test('a part of it that fails is logged and does not stop the other', async () => {
    const service = await start();
    const { session, address } = await waiting(service);
    service.store.linkAudit = () => Promise.reject(new RangeError('broken'));
    clock.now += 120;
    const response = await fetch(address, {
      headers: { authorization: `Bearer ${session}`, accept: 'text/event-stream' },
    });
    expect(await response.text()).toContain('"verdict":"expired"');
    await expect.poll(() => log.map((entry) => entry.event), { timeout: 30_000 }).toContain('audit.failed');
    await service.close();
  });
});

test('closing ends the waiting of those who wait, at once and without cutting them off', async () => {
  const service = await start();
  const { session, address } = await waiting(service);
  const headers = { authorization: `Bearer ${session}` };
  const first = await fetch(address, { headers });
  const known = first.headers.get('etag') ?? '';
  const polled = fetch(`${address}?wait=30`, { headers: { ...headers, 'if-none-match': known } });
  const streamed = await fetch(address, { headers: { ...headers, accept: 'text/event-stream' } });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const began = performance.now();
  await service.close();
  expect(performance.now() - began).toBeLessThan(2000);
  expect((await polled).status).toBe(304);
  expect(await streamed.text()).toContain('"state":"pending"');
  expect(log.filter((entry) => entry.level === 'error')).toEqual([]);
});

test('a reader whose stream ends because the verifier closes is told when to come back', async () => {
  const service = await start();
  const { session, address } = await waiting(service);
  const headers = { authorization: `Bearer ${session}`, accept: 'text/event-stream' };
  const streamed = await fetch(address, { headers });
  await service.close();
  expect(await streamed.text()).toMatch(/\nretry: [0-9]{3,4}\n\n$/);
});

test('draining: health says no, calls are still answered, life goes on', async () => {
  const service = await start();
  const health = () => fetch(`${service.origin}/v1/health`).then(({ status }) => status);
  const live = () => fetch(`${service.origin}/v1/health/live`).then(({ status }) => status);
  expect([await health(), await live()]).toEqual([200, 200]);
  const closed = service.close(5);
  const jwks = fetch(`${service.origin}/v1/jwks`).then(({ status }) => status);
  expect(await Promise.all([health(), live(), jwks])).toEqual([503, 200, 200]);
  await closed;
  await expect(fetch(`${service.origin}/v1/health/live`)).rejects.toThrow();
});

describe('metrics', () => {
  async function scraped(service: Service, port: number): Promise<string> {
    expect((await fetch(`${service.origin}/metrics`)).status).toBe(404);
    return (await fetch(`http://localhost:${port}/metrics`)).text();
  }

  test('tell of calls, verdicts and levels, and of nobody', async () => {
    const service = await start({ metrics: { port: 0, hostname: 'localhost' } });
    const port = service.metricsPort ?? 0;
    const { session, address } = await waiting(service);
    const headers = { authorization: `Bearer ${session}` };
    expect((await fetch(`${address}/cancel`, { method: 'POST', headers })).status).toBe(200);
    expect((await fetch(`${address}/cancel`, { method: 'POST', headers })).status).toBe(200);
    expect((await fetch(`${service.origin}/v1/no-such`, { method: 'PROPFIND' })).status).toBe(404);
    const text = await scraped(service, port);
    const line = (start: string) => text.split('\n').find((candidate) => candidate.startsWith(start));
    // Once, although it was cancelled twice.
    expect(line('akashi_verdicts_total{')).toMatch(
      /^akashi_verdicts_total\{tenant="bank",policy="[a-z-]+",verdict="cancelled"\} 1$/,
    );
    const cancels = 'method="POST",route="/v1/verifications/:id/cancel",status="200"';
    expect(line(`akashi_call_seconds_count{${cancels}}`)).toMatch(/ 2$/);
    expect(line('akashi_call_seconds_count{method="other",route="unknown",status="404"}')).toMatch(/ 1$/);
    for (const level of ['calls_in_progress', 'readers_waiting', 'presentations_waiting', 'proofs_waiting']) {
      expect(line(`akashi_${level} `)).toBe(`akashi_${level} 0`);
    }
    expect(Number(line('akashi_signing_key_end_timestamp_seconds ')?.split(' ')[1])).toBeGreaterThan(
      clock.now,
    );
    const [id = ''] = address.split('/').slice(-1);
    for (const secret of [id, session]) expect(text).not.toContain(secret);
    await service.close();
    await expect(fetch(`http://localhost:${port}/metrics`)).rejects.toThrow();
  });
});

test('a verifier erases what its tenants do not keep', async () => {
  const store = openSqliteStore({ file: join(folder, 'akashi.db') });
  await addClub(store);
  await store.setRetention('club', { verifications: 30, devices: 30, audit: null }, clock.now);
  await store.close();
  const service = await start();
  const left = async () => [
    await service.store.verification('club', id('old'), clock.now),
    await service.store.deviceByThumbprint(thumb('gone'), clock.now),
  ];
  await expect.poll(left, { timeout: 30_000 }).toEqual([undefined, undefined]);
  expect(await service.store.deviceByThumbprint(thumb('kept'), clock.now)).toBeDefined();
  await service.close();
});

test('checkpoints that nobody takes are logged and counted, and hold nothing up', async () => {
  const ended: boolean[] = [];
  let take = () => {};
  const taken = new Promise<void>((resolve) => {
    take = resolve;
  });
  const first = await start();
  await waiting(first);
  await first.store.linkAudit();
  await first.close();
  const service = await start({
    metrics: { port: 0, hostname: 'localhost' },
    checkpoints: async (some, signal) => {
      signal.addEventListener('abort', () => ended.push(true));
      take();
      if (some.length === 0) throw new TypeError('no head');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw new RangeError('nobody is there');
    },
  });
  expect((await fetch(`${service.origin}/v1/health`)).status).toBe(200);
  await taken;
  // A closing verifier waits for nobody who takes checkpoints.
  await service.close();
  expect(ended).toEqual([true]);
  expect(log.find(({ event }) => event === 'checkpoint.failed')?.fault).toContain('RangeError');
  const failing = await start({
    metrics: { port: 0, hostname: 'localhost' },
    checkpoints: () => Promise.reject(new RangeError('nobody is there')),
  });
  const failures = async () => (await fetch(`http://localhost:${failing.metricsPort}/metrics`)).text();
  await expect
    .poll(failures, { timeout: 30_000 })
    .toContain('akashi_upkeep_failures_total{event="checkpoint.failed"} 1');
  expect((await fetch(`${failing.origin}/v1/health`)).status).toBe(200);
  await failing.close();
});

test('raw bytes that are no HTTP, an endless header and a lying length do not bring it down', async () => {
  const service = await start();
  const raw = (bytes: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(service.port, 'localhost', () => socket.write(bytes));
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk;
        socket.end();
      });
      socket.on('close', () => resolve(answer));
      socket.on('error', () => resolve(answer));
    });
  expect(await raw('\0\0\0\0\r\n\r\n')).toContain('400');
  expect(await raw(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`)).toContain('431');
  const post = 'POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  expect(await raw(`${post}Content-Length: 99999999\r\n\r\n{`)).toContain('413');
  expect(
    await raw(`${post}Transfer-Encoding: chunked\r\n\r\n${`4000\r\n${'x'.repeat(0x4000)}\r\n`.repeat(3)}`),
  ).toContain('413');
  expect(await raw('GET http://evil.example/v1/devices/current HTTP/1.1\r\nHost: evil\r\n\r\n')).toContain(
    '401',
  );
  expect((await fetch(`${service.origin}/v1/health`)).status).toBe(200);
  await service.close();
});
