import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ORIGIN,
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
let verification: string;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
  phone = await enrolPhone(world, bank, 'customer-1', '8035174926');
  const body = startOf('customer-1');
  verification = textOf(
    await send(world, 'POST', '/v1/verifications', { token: bank.session, body }),
    'verification',
  );
});
afterEach(() => world.close());
afterAll(endProver);

const read = (query = '', headers = {}) =>
  send(world, 'GET', `/v1/verifications/${verification}${query}`, { token: bank.session, headers });
const accept = () => phone.call('POST', `/v1/requests/${verification}/accept`);
const decline = () => phone.call('POST', `/v1/requests/${verification}/decline`);
const etagOf = (answer: { headers: Headers }) => answer.headers.get('etag') ?? '';
const soon = () => new Promise((resolve) => setTimeout(resolve, 50));

describe('a long poll', () => {
  test('answers at once without an ETag, or with an old one', async () => {
    const first = await read('?wait=30');
    expect(first.status).toBe(200);
    expect(etagOf(first)).toMatch(/^"[A-Za-z0-9_-]{22}"$/);
    await accept();
    expect((await read('?wait=30', { 'if-none-match': etagOf(first) })).json).toMatchObject({
      state: 'accepted',
    });
  });

  test('waits for the change and gives it', async () => {
    const headers = { 'if-none-match': etagOf(await read()) };
    const polled = read('?wait=30', headers);
    await soon();
    await accept();
    expect((await polled).json).toMatchObject({ state: 'accepted' });
  });

  test('tells the time of its end, not of its beginning: a phone holds what it reads against it', async () => {
    const headers = { 'if-none-match': etagOf(await read()) };
    const polled = read('?wait=30', headers);
    await soon();
    world.clock.now += 17;
    await accept();
    expect(Date.parse((await polled).headers.get('date') ?? '')).toBe(world.clock.now * 1000);
  });

  test('says 304 when nothing changed: at once without wait, else after it', async () => {
    const headers = { 'if-none-match': etagOf(await read()) };
    const none = await read('', headers);
    expect([none.status, none.text, etagOf(none)]).toEqual([304, '', headers['if-none-match']]);
    const began = performance.now();
    const polled = await read('?wait=1', headers);
    expect(polled.status).toBe(304);
    expect(performance.now() - began).toBeGreaterThan(950);
  });

  test('is not woken for nothing: what its reader is not shown does not end it', async () => {
    const body = startOf('customer-1', { mode: 'precall', call: { direction: 'outbound' } });
    const started = await send(world, 'POST', '/v1/verifications', { token: bank.session, body });
    verification = textOf(started, 'verification');
    const opened = await accept();
    const path = `/v1/requests/${verification}/presentation`;
    await phone.call('POST', path, await makePresentation(phone, { opened }));
    const headers = { 'if-none-match': etagOf(await read()) };
    const polled = read('?wait=1', headers);
    await soon();
    // Voids the pass, which a desk is not shown.
    expect((await phone.call('POST', `/v1/requests/${verification}/report`)).status).toBe(200);
    expect((await polled).status).toBe(304);
  });

  test('tells an expiry that comes while it waits', async () => {
    const headers = { 'if-none-match': etagOf(await read()) };
    const polled = read('?wait=1', headers);
    await soon();
    world.clock.now += 120;
    expect((await polled).json).toMatchObject({ state: 'done', verdict: 'expired' });
  });

  test('ends when its session does', async () => {
    const headers = { 'if-none-match': etagOf(await read()) };
    const polled = read('?wait=30', headers);
    await soon();
    await send(world, 'DELETE', '/v1/sessions/current', { token: bank.session });
    await accept();
    expect(refusal(await polled)).toBe('401 unauthorized');
  });

  test('wait is a number of seconds from 1 to 30', async () => {
    for (const wait of ['0', '31', '-1', '1.5', '1e1', '', 'x', '01']) {
      expect(refusal(await read(`?wait=${wait}`))).toBe('400 malformed');
    }
  });

  test('a phone learns of a new request, and of its end', async () => {
    const none = await phone.call('GET', '/v1/requests');
    const poll = (known: string) =>
      phone.call('GET', '/v1/requests?wait=30', undefined, { headers: { 'if-none-match': known } });
    const polled = poll(etagOf(none));
    await soon();
    const body = startOf('customer-1');
    await send(world, 'POST', '/v1/verifications', { token: bank.session, body });
    const two = await polled;
    expect(two.json.requests).toHaveLength(2);
    const second = poll(etagOf(two));
    await soon();
    await send(world, 'POST', `/v1/verifications/${verification}/cancel`, { token: bank.session });
    expect((await second).json.requests).toHaveLength(1);
  });

  test('a phone that is revoked while it waits is told', async () => {
    const headers = { 'if-none-match': etagOf(await phone.call('GET', '/v1/requests')) };
    const polled = phone.call('GET', '/v1/requests?wait=30', undefined, { headers });
    await soon();
    await send(world, 'DELETE', `/v1/devices/${phone.device}`, { token: bank.apiKey });
    expect(refusal(await polled)).toBe('403 device_revoked');
  });
});

describe('a stream of events', () => {
  async function open(signal?: AbortSignal) {
    const request = new Request(`${ORIGIN}/v1/verifications/${verification}`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${bank.session}` },
      ...(signal === undefined ? {} : { signal }),
    });
    const response = await world.app.request(request);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (reader === undefined) throw new TypeError('no stream');
    return { request, response, next: () => reader.read(), cancel: () => reader.cancel() };
  }
  const data = (text: string | undefined) =>
    JSON.parse(/^event: verification\ndata: (.*)\n\n$/.exec(text ?? '')?.[1] ?? '');

  test('gives the state, each change, the verdict, and ends', async () => {
    const { response, next } = await open();
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(data((await next()).value)).toMatchObject({ state: 'pending', code: expect.any(String) });
    await accept();
    expect(data((await next()).value)).toMatchObject({ state: 'accepted' });
    await decline();
    expect(data((await next()).value)).toMatchObject({ state: 'done', verdict: 'declined' });
    expect((await next()).done).toBe(true);
  });

  test('of a verification that is done is one event', async () => {
    await decline();
    const { next } = await open();
    expect(data((await next()).value)).toMatchObject({ verdict: 'declined' });
    expect((await next()).done).toBe(true);
  });

  test('is refused like any reading: the refusal is an answer, not a stream', async () => {
    const headers = { accept: 'text/event-stream' };
    expect(refusal(await send(world, 'GET', `/v1/verifications/${verification}`, { headers }))).toBe(
      '401 unauthorized',
    );
    verification = `${'a'.repeat(21)}A`;
    expect(refusal(await read('', headers))).toBe('404 not_found');
  });

  test('leaves nothing waiting when its reader goes, by cancel or by abort', async () => {
    const { subscribe } = world.store;
    let listening = 0;
    world.store.subscribe = (topic, listener) => {
      listening++;
      const end = subscribe(topic, listener);
      return () => {
        listening--;
        end();
      };
    };
    const cancelled = await open();
    await cancelled.next();
    const controller = new AbortController();
    const aborted = await open(controller.signal);
    await aborted.next();
    await soon();
    expect(listening).toBe(2);
    await cancelled.cancel();
    controller.abort();
    // A request that nobody holds any more would not hear of it.
    expect(aborted.request.signal.aborted).toBe(true);
    await soon();
    expect(listening).toBe(0);
  });

  test('ends when its session does, before it tells anything more', async () => {
    const { next } = await open();
    await next();
    await send(world, 'DELETE', '/v1/sessions/current', { token: bank.session });
    await accept();
    expect((await next()).done).toBe(true);
  });
});
