import { AkashiError, type Verification } from '@akashi/circuits';
import { beforeEach, describe, expect, test } from 'vitest';
import { openConnection } from './connection.ts';
import { newId } from './scripted-keys.ts';
import { problem } from './scripted-verifier.ts';
import { type Transport, watchVerification } from './watch.ts';

const VERIFIER = 'https://verify.example';
const ID = newId();

const PENDING: Verification = {
  verification: ID,
  subject: 'customer-1',
  policy: 'caller',
  purpose: 'identify',
  mode: 'call',
  direction: 'inbound',
  state: 'pending',
  later: false,
  verdict: null,
  factors: [],
  startedAt: 1,
  expiresAt: 121,
  decidedAt: null,
};
const ACCEPTED: Verification = { ...PENDING, state: 'accepted' };
const DONE: Verification = {
  ...PENDING,
  state: 'done',
  verdict: 'passed',
  factors: ['possession'],
  decidedAt: 9,
};

let seen: { readonly route: string; readonly headers: Headers }[];
let answer: (call: Request) => Response | Promise<Response>;
beforeEach(() => {
  seen = [];
});

const fetch: typeof globalThis.fetch = async (input, init) => {
  const call = new Request(input, init);
  const { pathname, search } = new URL(call.url);
  seen.push({ route: `${call.method} ${pathname}${search}`, headers: call.headers });
  return answer(call);
};

const refusal = (code: AkashiError['code'], status: number) => () =>
  problem(new AkashiError(code, { status }));

describe('watching', () => {
  const streaming = (text: string, { open = false } = {}) =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(text));
          if (!open) controller.close();
        },
      }),
      { headers: { 'Content-Type': 'text/event-stream' } },
    );
  const event = (state: Verification, name = 'verification') =>
    `event: ${name}\ndata: ${JSON.stringify(state)}\n\n`;
  const polls = () => seen.filter(({ headers }) => !headers.get('Accept')?.includes('event-stream'));

  const watch = (transport: Transport = 'stream', signal?: AbortSignal) =>
    watchVerification(openConnection({ verifier: VERIFIER, fetch }), {
      path: `/v1/verifications/${ID}`,
      headers: () => ({ Authorization: 'Bearer x' }),
      transport,
      signal,
    });

  async function states(transport?: Transport, signal?: AbortSignal): Promise<Verification[]> {
    const list: Verification[] = [];
    for await (const state of watch(transport, signal)) list.push(state);
    return list;
  }

  test('by a stream tells each state once, until it is done', async () => {
    const text = `${event(PENDING)}: beat\n\n${event(PENDING)}${event(ACCEPTED, 'other')}${event(ACCEPTED)}${event(DONE)}`;
    answer = () => streaming(text, { open: true });
    expect(await states()).toEqual([PENDING, ACCEPTED, DONE]);
    expect(seen).toHaveLength(1);
  });

  test('goes on when a stream breaks off', async () => {
    const streams = [streaming(event(PENDING)), streaming(`${event(PENDING)}${event(DONE)}`)];
    answer = () => streams.shift() ?? Response.json(DONE);
    expect(await states()).toEqual([PENDING, DONE]);
    expect([seen.length, polls().length]).toEqual([2, 0]);
  });

  test.each([
    ['are answered by something else', () => Response.json({ no: 'stream' })],
    ['fail', () => new Response('bad gateway', { status: 502 })],
    ['end before they begin', () => streaming('')],
    ['carry something else', () => streaming('event: verification\ndata: {"state":"passed"}\n\n')],
    ['cannot be opened', () => Promise.reject<Response>(new TypeError('reset'))],
  ])('falls back to polls when streams %s', async (_, broken) => {
    answer = (call) =>
      call.headers.get('Accept')?.includes('event-stream') ? broken() : Response.json(DONE);
    expect(await states()).toEqual([DONE]);
    expect([seen.length, polls().length]).toEqual([3, 1]);
  });

  test('by polls waits for the next ETag, and sleeps through 304', async () => {
    const answers = [
      Response.json(PENDING, { headers: { ETag: '"1"' } }),
      new Response(null, { status: 304 }),
      Response.json(ACCEPTED, { headers: { ETag: '"2"' } }),
      Response.json(DONE, { headers: { ETag: '"3"' } }),
    ];
    answer = () => answers.shift() ?? new Response(null, { status: 500 });
    expect(await states('poll')).toEqual([PENDING, ACCEPTED, DONE]);
    expect(seen.map(({ headers }) => headers.get('If-None-Match'))).toEqual([null, '"1"', '"1"', '"2"']);
    expect(seen[1]?.route).toContain('?wait=');
    expect(seen[0]?.route).not.toContain('?wait=');
  });

  test.each([
    ['not_found', 404],
    ['forbidden', 403],
  ] as const)('ends with %s at once', async (code, status) => {
    answer = refusal(code, status);
    await expect(states()).rejects.toMatchObject({ code });
    expect(seen).toHaveLength(1);
  });

  test('stops when told, also amid a stream and between two tries', async () => {
    for (const next of [
      () => streaming(event(PENDING), { open: true }),
      () => Promise.reject(new TypeError('down')),
    ]) {
      answer = next;
      const controller = new AbortController();
      const waiting = states('stream', controller.signal);
      setTimeout(() => controller.abort(), 50);
      await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    }
  });

  test('lets the stream go when the reader has seen enough', async () => {
    let ended = false;
    answer = (call) => {
      call.signal.addEventListener('abort', () => {
        ended = true;
      });
      return streaming(event(PENDING), { open: true });
    };
    for await (const state of watch()) {
      expect(state).toEqual(PENDING);
      break;
    }
    expect(ended).toBe(true);
  });
});
