import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { openConnection, readAnswer, twice } from './connection.ts';
import { pause, withinTime } from './time-limit.ts';

const VERIFIER = 'https://verify.example';
const shape = v.strictObject({ ok: v.literal(true) });

const connect = (fetch: typeof globalThis.fetch, timeoutSeconds?: number) =>
  openConnection({ verifier: VERIFIER, fetch, timeoutSeconds });
const answering = (response: () => Response) => connect(async () => response());
const get = { method: 'GET', path: '/v1/health' } as const;
const hanging: typeof fetch = (_, init) =>
  new Promise((_resolve, reject) =>
    init?.signal?.addEventListener('abort', () => reject(new TypeError('aborted'))),
  );

const problem = (code: string, status: number, headers: Record<string, string> = {}) =>
  Response.json({ type: 'about:blank', title: 'x', status, code }, { status, headers });

describe('an answer', () => {
  test('is typed', async () => {
    const answer = await answering(() => Response.json({ ok: true })).send(get);
    expect(readAnswer(answer, shape)).toEqual({ ok: true });
  });

  test.each([
    ['a problem', () => problem('no_device', 409), { code: 'no_device', status: 409, retryAfter: undefined }],
    ['a wait', () => problem('busy', 503, { 'Retry-After': '7' }), { code: 'busy', retryAfter: 7 }],
    [
      'a wait that is a date',
      () => problem('busy', 503, { 'Retry-After': 'tomorrow' }),
      { retryAfter: undefined },
    ],
    ['a code nobody knows', () => problem('on_fire', 500), { code: 'unexpected_answer', status: 500 }],
    [
      'a page of a proxy',
      () => new Response('<h1>502</h1>', { status: 502 }),
      { code: 'unexpected_answer', status: 502 },
    ],
    ['no JSON', () => new Response('ok'), { code: 'unexpected_answer', status: 200 }],
    ['another shape', () => Response.json({ ok: false }), { code: 'unexpected_answer' }],
    ['a member too many', () => Response.json({ ok: true, more: 1 }), { code: 'unexpected_answer' }],
    ['nothing', () => new Response(null, { status: 204 }), { code: 'unexpected_answer', status: 204 }],
  ])('that is %s is an error with its code', async (_, response, expected) => {
    const answer = await answering(response).send(get);
    expect(() => readAnswer(answer, shape)).toThrow(
      expect.objectContaining({ name: 'AkashiError', ...expected }),
    );
  });

  test('that does not come is told apart: network, timeout, aborted', async () => {
    const refused = connect(() => Promise.reject(new TypeError('refused')));
    await expect(refused.send(get)).rejects.toMatchObject({ code: 'network' });
    await expect(connect(hanging, 0.05).send(get)).rejects.toMatchObject({ code: 'timeout' });
    const controller = new AbortController();
    const stopped = connect(hanging).send({ ...get, signal: controller.signal });
    controller.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    const already = connect(() => Promise.reject(new Error('called'))).send({
      ...get,
      signal: AbortSignal.abort(),
    });
    await expect(already).rejects.toMatchObject({ code: 'aborted' });
  });

  test('whose body hangs is a timeout too, unless it is a stream', async () => {
    const connection = connect(async () => new Response(new ReadableStream({})), 0.05);
    await expect(connection.send(get)).rejects.toMatchObject({ code: 'timeout' });
    expect((await connection.stream(get)).status).toBe(200);
  });
});

test('a call carries no cookie and no referrer, and follows no redirect', async () => {
  let seen: RequestInit | undefined;
  const connection = connect(async (_, init) => {
    seen = init;
    return Response.json({ ok: true });
  });
  await connection.send({ ...get, method: 'POST', body: '{"a":1}', headers: { Authorization: 'Bearer x' } });
  expect(seen).toMatchObject({ credentials: 'omit', cache: 'no-store', redirect: 'error', body: '{"a":1}' });
  expect(new Headers(seen?.headers).get('Content-Type')).toBe('application/json');
});

test.each(['verify.example', 'ftp://verify.example', 'javascript:alert(1)', ''])(
  'is no verifier: %j',
  (verifier) => {
    expect(() => openConnection({ verifier })).toThrow(TypeError);
  },
);

test('twice repeats a call without an answer once, and no other', async () => {
  let calls = 0;
  const failing = connect(() => {
    calls += 1;
    return Promise.reject(new TypeError('refused'));
  });
  await expect(twice(() => failing.send(get))).rejects.toMatchObject({ code: 'network' });
  expect(calls).toBe(2);
  const slow = connect(() => {
    calls += 1;
    return new Promise(() => undefined);
  }, 0.05);
  await expect(twice(() => slow.send(get))).rejects.toMatchObject({ code: 'timeout' });
  expect(calls).toBe(3);
});

describe('a time limit', () => {
  test('does not wait for work that does not listen', async () => {
    const never = () => new Promise<never>(() => undefined);
    await expect(withinTime({ seconds: 0.02 }, never)).rejects.toMatchObject({ code: 'timeout' });
  });

  test('tells the work to stop, and leaves no listener behind', async () => {
    const controller = new AbortController();
    let inner: AbortSignal | undefined;
    const work = withinTime({ seconds: 5, signal: controller.signal }, (signal) => {
      inner = signal;
      return new Promise(() => undefined);
    });
    controller.abort(new Error('enough'));
    await expect(work).rejects.toMatchObject({
      code: 'aborted',
      cause: expect.objectContaining({ message: 'enough' }),
    });
    expect(inner?.aborted).toBe(true);
    expect(await withinTime({ seconds: 5 }, async () => 7)).toBe(7);
  });

  test('holds for pauses', async () => {
    const controller = new AbortController();
    const waiting = pause(60_000, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    await expect(pause(1, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
    await expect(pause(1)).resolves.toBeUndefined();
  });
});
