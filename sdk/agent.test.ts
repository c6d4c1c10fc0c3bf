import { AkashiError, type Session, type Start, type Verification } from '@akashi/circuits';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Agent, openAgent, type SessionStore } from './agent.ts';
import { newId } from './scripted-keys.ts';
import { problem } from './scripted-verifier.ts';

const VERIFIER = 'https://verify.example';
const TOKEN = newId();
const ID = newId();
const SESSION: Session = {
  session: newId(),
  operator: { id: newId(), name: 'Sato', role: 'operator' },
  tenant: { id: 'aoba', name: 'Aoba Bank' },
  idleSeconds: 900,
};
const START: Start = {
  subject: 'customer-1',
  policy: 'caller',
  purpose: 'identify',
  mode: 'call',
  call: { direction: 'inbound' },
};

function verification(rest: Partial<Verification> = {}): Verification {
  return {
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
    code: '123456',
    ...rest,
  };
}
const PENDING = verification();
const DONE = verification({ state: 'done', verdict: 'passed', factors: ['possession'], decidedAt: 9 });

interface Seen {
  readonly route: string;
  readonly headers: Headers;
  readonly body: unknown;
}
type Answer = (call: Request) => Response | Promise<Response>;

let seen: Seen[];
let answer: Answer;
beforeEach(() => {
  seen = [];
  answer = () => Response.json(PENDING, { status: 201 });
});

const fetchAnswer: typeof fetch = async (input, init) => {
  const call = new Request(input, init);
  const { pathname, search } = new URL(call.url);
  const text = await call.clone().text();
  seen.push({
    route: `${call.method} ${pathname}${search}`,
    headers: call.headers,
    body: text && JSON.parse(text),
  });
  return pathname === '/v1/sessions' ? Response.json(SESSION, { status: 201 }) : answer(call);
};

async function signedIn(store?: SessionStore): Promise<Agent> {
  const agent = openAgent({
    verifier: VERIFIER,
    fetch: fetchAnswer,
    ...(store ? { store } : {}),
  });
  await agent.signIn(TOKEN);
  seen = [];
  return agent;
}

const refusal = (code: AkashiError['code'], status: number) => () =>
  problem(new AkashiError(code, { status }));

describe('a session', () => {
  test.each([`https://desk.example/#signin=${TOKEN}`, `#signin=${TOKEN}`, TOKEN])(
    'begins by %s',
    async (link) => {
      const agent = openAgent({ verifier: VERIFIER, fetch: fetchAnswer });
      expect(agent.session).toBeNull();
      expect(await agent.signIn(link)).toEqual(SESSION);
      expect(agent.session).toEqual(SESSION);
      expect(seen).toMatchObject([{ route: 'POST /v1/sessions', body: { token: TOKEN } }]);
      expect(seen[0]?.headers.has('Authorization')).toBe(false);
    },
  );

  test.each(['', '#signin=', `#enrol=${TOKEN}`, `${TOKEN}x`])('does not begin by %j', async (link) => {
    const agent = openAgent({ verifier: VERIFIER, fetch: fetchAnswer });
    await expect(agent.signIn(link)).rejects.toMatchObject({ code: 'malformed' });
    expect(seen).toEqual([]);
  });

  test('is needed for everything, and sent with it', async () => {
    const agent = openAgent({ verifier: VERIFIER, fetch: fetchAnswer });
    await expect(agent.start(START)).rejects.toMatchObject({ code: 'unauthorized' });
    await expect(agent.wait(ID)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(seen).toEqual([]);
    await agent.signIn(TOKEN);
    await agent.start(START);
    expect(seen.at(-1)?.headers.get('Authorization')).toBe(`Bearer ${SESSION.session}`);
  });

  test('that the verifier ended is gone', async () => {
    const agent = await signedIn();
    answer = refusal('rate_limited', 429);
    await expect(agent.start(START)).rejects.toMatchObject({ code: 'rate_limited' });
    expect(agent.session).not.toBeNull();
    answer = refusal('unauthorized', 401);
    await expect(agent.start(START)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(agent.session).toBeNull();
  });

  test('that ends while watching is gone too', async () => {
    const agent = await signedIn();
    answer = refusal('unauthorized', 401);
    await expect(agent.wait(ID)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(agent.session).toBeNull();
  });

  test('is forgotten by signing out, even if the verifier cannot be told', async () => {
    const agent = await signedIn();
    answer = () => new Response(null, { status: 204 });
    await agent.signOut();
    expect([agent.session, seen[0]?.route]).toEqual([null, 'DELETE /v1/sessions/current']);
    const offline = await signedIn();
    answer = () => Promise.reject(new TypeError('offline'));
    await expect(offline.signOut()).rejects.toMatchObject({ code: 'network' });
    expect(offline.session).toBeNull();
  });

  test('survives a reload where the page keeps it, and only as what it is', async () => {
    let kept: unknown = null;
    const store: SessionStore = {
      load: () => kept,
      save: (session) => {
        kept = session;
      },
    };
    await signedIn(store);
    expect(kept).toEqual(SESSION);
    expect(openAgent({ verifier: VERIFIER, store }).session).toEqual(SESSION);
    for (const odd of [undefined, 'x', {}, { ...SESSION, session: 'x' }, { ...SESSION, more: 1 }]) {
      kept = odd;
      expect(openAgent({ verifier: VERIFIER, store }).session).toBeNull();
    }
  });
});

describe('starting', () => {
  test('carries a key of its own, so that a repeated call is one start', async () => {
    const agent = await signedIn();
    let lost = 0;
    answer = () =>
      lost++ === 0 ? Promise.reject(new TypeError('reset')) : Response.json(PENDING, { status: 201 });
    expect(await agent.start(START)).toEqual(PENDING);
    await agent.start(START);
    await agent.start(START, { idempotencyKey: 'call-7' });
    const keys = seen.map(({ headers }) => headers.get('Idempotency-Key'));
    expect(keys[0]).toBe(keys[1]);
    expect(keys[2]).not.toBe(keys[0]);
    expect(keys[3]).toBe('call-7');
  });

  test('with something nobody knows is refused before it is sent', async () => {
    const agent = await signedIn();
    const odd = { ...START, pin: '1234' } as Start;
    await expect(agent.start(odd)).rejects.toMatchObject({ code: 'malformed' });
    expect(seen).toEqual([]);
  });
});

test('a claim is sent once, whatever happens: its tries are counted', async () => {
  const agent = await signedIn();
  answer = () => Promise.reject(new TypeError('reset'));
  const claim = {
    subject: 'customer-1',
    purpose: 'identify',
    direction: 'inbound',
    call: 'call-1',
    code: '１２３ ４５６',
  } as const;
  await expect(agent.claim(claim)).rejects.toMatchObject({ code: 'network' });
  expect(seen).toHaveLength(1);
  answer = () => Response.json(DONE);
  expect(await agent.claim(claim)).toEqual(DONE);
  expect(seen[1]?.body).toMatchObject({ code: '123456' });
});

test('reading, listing and cancelling use their routes', async () => {
  const agent = await signedIn();
  answer = () => Response.json(DONE);
  expect([await agent.verification(ID), await agent.cancel(ID)]).toEqual([DONE, DONE]);
  answer = () => Response.json({ verifications: [PENDING] });
  expect(await agent.verifications()).toEqual([PENDING]);
  answer = () => Response.json({ policies: [] });
  expect(await agent.policies()).toEqual([]);
  expect(seen.map(({ route }) => route)).toEqual([
    `GET /v1/verifications/${ID}`,
    `POST /v1/verifications/${ID}/cancel`,
    'GET /v1/verifications',
    'GET /v1/policies',
  ]);
  await expect(agent.verification('../operators')).rejects.toMatchObject({ code: 'malformed' });
});

test('watching is done under the session, and ends with the verdict', async () => {
  const agent = await signedIn();
  answer = () => Response.json(DONE);
  for await (const state of agent.watch(ID, { transport: 'poll' })) expect(state).toEqual(DONE);
  expect(await agent.wait(ID, { transport: 'poll' })).toEqual(DONE);
  expect(seen.map(({ headers }) => headers.get('Authorization'))).toEqual(
    Array(2).fill(`Bearer ${SESSION.session}`),
  );
});
