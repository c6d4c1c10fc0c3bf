import { randomInt } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AkashiError } from '@akashi/circuits';
import { openAgent } from '@akashi/sdk/agent';
import { memoryStorage, openHolder } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PORTS } from '../../verifier/port-fixtures.ts';
import { CUSTOMERS } from './bank/customers.ts';
import { type Demo, startDemo } from './demo.ts';
import { PortInUse } from './site.ts';

// The demo as it runs, with its real verifier: what its servers give out, and what they refuse.

const SATO = 'C-48201';
const TANAKA = 'C-51764';
const EMMA = 'C-60938';
const PIN = '508362';
const SECRET_FILES = ['bank.json', 'partners.json', 'credentials.jsonl', 'keys/keys.json', 'keys/root.json'];

let folder: string;
let demo: Demo;
const said: string[] = [];

/** The first of four in a row. */
let port = 0;

let ahead = 0;
const clock = (): number => Math.floor(Date.now() / 1000) + ahead;

const start = (): Promise<Demo> => startDemo({ folder, port, say: (line) => said.push(line), clock });

/** On ports that nobody listens on: some are tried, because a second start needs the same ones again. */
async function startSomewhere(): Promise<Demo> {
  for (let tries = 0; tries < 20; tries += 1) {
    port = randomInt(PORTS.first, PORTS.end - 3);
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof PortInUse)) throw error;
    }
  }
  throw new Error('no four free ports in a row');
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'akashi-demo-'));
  demo = await startSomewhere();
});

afterAll(async () => {
  await demo.close();
  await rm(folder, { recursive: true });
});

interface Call {
  readonly session?: string;
  readonly body?: unknown;
  readonly type?: string;
}

async function bank(method: string, path: string, { session, body, type = 'application/json' }: Call = {}) {
  const response = await fetch(`${demo.bank}/api${path}`, {
    method,
    headers: {
      ...(session === undefined ? {} : { authorization: `Bearer ${session}` }),
      ...(body === undefined ? {} : { 'content-type': type }),
    },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    json: text === '' ? null : JSON.parse(text),
    text,
  };
}

async function logIn(customer: string): Promise<string> {
  const { status, json } = await bank('POST', '/sessions', { body: { customer } });
  expect(status).toBe(201);
  return String(json.session);
}

/** A phone of its own, without a browser. */
async function enrolPhone(session: string, exchangeSession = session) {
  const holder = await openHolder({
    verifier: demo.verifier,
    storage: memoryStorage(),
    prover: inlineProver(),
  });
  const { json } = await bank('POST', '/my/enrolment', { session });
  await holder.enrol({
    link: json.fragment,
    pin: PIN,
    exchange: async (receipt) => {
      const issued = await bank('POST', '/my/accounts', { session: exchangeSession, body: { receipt } });
      if (issued.status !== 200) throw new AkashiError('receipt_invalid', { status: issued.status });
      return issued.json;
    },
  });
  return holder;
}

describe('pages', () => {
  test('the phone page runs own scripts only, calls only its bank, its partners and the verifier, and is framed by the demo only', async () => {
    const response = await fetch(demo.bank);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy.split('; ')).toEqual([
      "default-src 'self'",
      "script-src 'self' 'wasm-unsafe-eval'",
      "worker-src 'self'",
      `connect-src 'self' ${demo.verifier} ${demo.partners}`,
      "frame-src 'none'",
      `frame-ancestors ${demo.desk}`,
      "object-src 'none'",
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    expect(await response.text()).toContain(`data-verifier="${demo.verifier}"`);
  });

  test('the desk proves nothing, so it may not compile WebAssembly or start workers', async () => {
    const policy = (await fetch(`${demo.desk}/desk`)).headers.get('content-security-policy') ?? '';
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("worker-src 'none'");
    expect(policy).toContain(`connect-src 'self' ${demo.verifier}`);
    expect(policy).toContain("frame-ancestors 'self'");
  });

  test('no page of the demo can be framed by a stranger, and none holds an inline script or style', async () => {
    for (const address of [demo.bank, demo.desk, `${demo.desk}/desk`]) {
      const response = await fetch(address);
      expect(response.headers.get('content-security-policy')).toContain('frame-ancestors ');
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      const html = await response.text();
      expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=| on[a-z]+=/);
      expect(html).not.toContain('%');
    }
  });

  test('the worker obeys the same policy as its page', async () => {
    const worker = await fetch(`${demo.bank}/prover-worker.js`);
    expect(worker.headers.get('content-type')).toContain('text/javascript');
    expect(worker.headers.get('content-security-policy')).toContain("script-src 'self' 'wasm-unsafe-eval'");
  });

  test('the manifest names icons that exist', async () => {
    const manifest = await (await fetch(`${demo.bank}/manifest.webmanifest`)).json();
    for (const { src, type } of manifest.icons) {
      const found = await fetch(`${demo.bank}${src}`);
      expect(found.status, src).toBe(200);
      expect(found.headers.get('content-type')).toBe(type);
    }
  });

  test('a name that points at this machine gets nothing (DNS rebinding)', async () => {
    for (const origin of [demo.bank, demo.desk, demo.partners]) {
      const { port } = new URL(origin);
      expect((await fetch(`http://127.0.0.1:${port}/`).catch(() => ({ status: 421 }))).status).toBe(421);
    }
  });

  test('only the desk itself gets a sign-in link, and it works once', async () => {
    const ask = (headers: Record<string, string>) =>
      fetch(`${demo.desk}/demo/sign-in`, { method: 'POST', headers });
    expect((await ask({})).status).toBe(403);
    expect((await ask({ origin: demo.bank })).status).toBe(403);
    const fragment = await (await ask({ origin: demo.desk })).text();
    const signIn = () =>
      fetch(`${demo.verifier}/v1/sessions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: fragment.slice('#signin='.length) }),
      });
    expect((await signIn()).status).toBe(201);
    expect((await signIn()).status).toBe(401);
  });
});

describe('the back end of the bank', () => {
  test('lists customers by name, without an account number anywhere', async () => {
    const { text, json } = await bank('GET', '/customers');
    expect(json.customers).toHaveLength(CUSTOMERS.length);
    for (const { accounts } of CUSTOMERS)
      for (const { number } of accounts) expect(text).not.toContain(number);
  });

  test.each([
    ['GET', '/my/devices'],
    ['GET', '/my/purposes'],
    ['GET', '/my/notices'],
    ['POST', '/my/enrolment'],
    ['POST', '/my/accounts'],
    ['POST', '/my/claims'],
    ['POST', '/my/precall'],
    ['DELETE', '/my/credentials'],
    ['DELETE', '/my/session'],
  ])('%s %s is for who is logged in', async (method, path) => {
    for (const session of [undefined, 'AAAAAAAAAAAAAAAAAAAAAA', 'x']) {
      const { status, json } = await bank(method, path, session === undefined ? {} : { session });
      expect([status, json]).toEqual([401, { code: 'unauthorized' }]);
    }
  });

  test.each([
    ['no such customer', { customer: 'C-00000' }, 404, 'not_found'],
    ['no customer', {}, 400, 'malformed'],
    ['a further key', { customer: SATO, admin: true }, 400, 'malformed'],
    ['another type', { customer: 1 }, 400, 'malformed'],
    ['no JSON', '{', 400, 'malformed'],
    ['too much', { customer: 'x'.repeat(20_000) }, 413, 'too_large'],
  ])('a log-in with %s is refused', async (_, body, status, code) => {
    const answer = await bank('POST', '/sessions', { body });
    expect([answer.status, answer.json]).toEqual([status, { code }]);
  });

  test('another content type is refused', async () => {
    const { status } = await bank('POST', '/sessions', {
      body: JSON.stringify({ customer: SATO }),
      type: 'text/plain',
    });
    expect(status).toBe(415);
  });

  test('a log-in ends when the customer says so', async () => {
    const session = await logIn(SATO);
    expect((await bank('GET', '/my/devices', { session })).status).toBe(200);
    expect((await bank('DELETE', '/my/session', { session })).status).toBe(204);
    expect((await bank('GET', '/my/devices', { session })).status).toBe(401);
  });

  test.each(['', 'x.y.z', 'a'.repeat(9000)])('what is no receipt gets no accounts (%#)', async (receipt) => {
    const session = await logIn(SATO);
    const { status, json } = await bank('POST', '/my/accounts', { session, body: { receipt } });
    expect([400, 403]).toContain(status);
    expect(json).not.toHaveProperty('accounts');
  });

  test('a receipt of one customer gets nothing from the log-in of another', async () => {
    const [sato, tanaka] = [await logIn(SATO), await logIn(TANAKA)];
    await expect(enrolPhone(sato, tanaka)).rejects.toMatchObject({ code: 'receipt_invalid' });
  });

  test('a pre-call verification needs a device, and a purpose that the bank offers', async () => {
    const session = await logIn(TANAKA);
    const call = (purpose: string) => bank('POST', '/my/precall', { session, body: { purpose } });
    expect(await call('inquiry')).toMatchObject({ status: 409, json: { code: 'no_device' } });
    expect(await call('transfer')).toMatchObject({ status: 400, json: { code: 'malformed' } });
  });

  test('tells the app of a request by an opaque id, and only the customer whom it is for', async () => {
    const session = await logIn(SATO);
    const stranger = await logIn(TANAKA);
    const holder = await enrolPhone(session);
    const waiting = bank('GET', '/my/notices?wait=20', { session });
    const { json } = await bank('POST', '/my/precall', { session, body: { purpose: 'inquiry' } });
    const { notices } = (await waiting).json;
    expect(notices).toEqual([
      { number: expect.any(Number), request: json.request, sentAt: expect.any(Number) },
    ]);
    expect((await holder.requests()).map(({ id }) => id)).toEqual([json.request]);
    const after = `/my/notices?after=${notices[0].number}`;
    expect((await bank('GET', after, { session })).json).toEqual({ notices: [] });
    expect((await bank('GET', '/my/notices', { session: stranger })).json).toEqual({ notices: [] });
    await holder.report(json.request);
    await expect.poll(() => said.join(), { timeout: 30_000 }).toContain('not on a call');
  });

  test.each(['after=-1', 'after=x', 'wait=31', 'wait=1e1'])('notices with ?%s are refused', async (query) => {
    expect((await bank('GET', `/my/notices?${query}`, { session: await logIn(SATO) })).status).toBe(400);
  });
});

describe('what the bank vouched for', () => {
  const exchangeOf = (session: string) => async (receipt: string) =>
    (await bank('POST', '/my/accounts', { session, body: { receipt } })).json;

  /** Asked for before the call, so that no code has to be spoken. */
  async function passes(session: string, holder: Awaited<ReturnType<typeof enrolPhone>>): Promise<boolean> {
    const { json } = await bank('POST', '/my/precall', { session, body: { purpose: 'inquiry' } });
    const { verdict } = await holder.present(json.request, { pin: PIN });
    if (verdict === null) await holder.decline(json.request);
    return verdict === 'passed';
  }

  test('counts until the bank takes it back, and again when it is vouched for anew', async () => {
    const session = await logIn('C-60938');
    const holder = await enrolPhone(session);
    expect(await passes(session, holder)).toBe(true);
    expect((await bank('DELETE', '/my/credentials', { session })).json).toEqual({ revoked: 1 });
    ahead += 60;
    expect(await passes(session, holder)).toBe(false);
    await holder.refreshAccounts(exchangeOf(session));
    expect(await passes(session, holder)).toBe(true);
  });

  test('is published for anyone, signed, without a name or a number', async () => {
    const list = await fetch(`${demo.bank}/akashi/status/0`);
    expect(list.headers.get('content-type')).toBe('application/statuslist+jwt');
    const [, payload = ''] = (await list.text()).split('.');
    expect(Object.keys(JSON.parse(Buffer.from(payload, 'base64url').toString())).sort()).toEqual([
      'exp',
      'iat',
      'status_list',
      'sub',
      'ttl',
    ]);
    const { keys } = await (await fetch(`${demo.bank}/akashi/jwks`)).json();
    expect(Object.keys(keys[0]).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    for (const path of ['', 'status/1', 'jwks/x', '../bank.json'])
      expect((await fetch(`${demo.bank}/akashi/${path}`)).status, path).toBe(404);
  });
});

describe('what others vouch for', () => {
  const ask = (path: string, body: unknown, origin = demo.bank) =>
    fetch(`${demo.partners}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin },
      body: JSON.stringify(body),
    });
  /** Each list that was given for a receipt, by whom. */
  const fetchInto = async (
    session: string,
    holder: Awaited<ReturnType<typeof enrolPhone>>,
    customer: string,
  ) => {
    const given: Record<string, unknown>[] = [];
    await holder.refreshClaims(async (receipt) => {
      const own = await bank('POST', '/my/claims', { session, body: { receipt } });
      const others = await Promise.all(
        ['/contract', '/income'].map(async (path) => (await ask(path, { customer, receipt })).json()),
      );
      const lists = [own.json, ...others];
      given.push(...lists.flat());
      return lists.flat();
    });
    return given;
  };

  test('opens an account without papers, by companies that see nothing of each other', async () => {
    const session = await logIn(TANAKA);
    const holder = await enrolPhone(session);
    const given = await fetchInto(session, holder, TANAKA);
    expect(given.map(({ claims }) => Object.keys(claims as object))).toEqual([
      ['since'],
      ['born', 'since'],
      ['income'],
    ]);
    const agent = openAgent({ verifier: demo.verifier });
    await agent.signIn(await demo.signInFragment());
    const pass = async (policy: string, purpose: string) => {
      const call = { direction: 'inbound', id: 'call' } as const;
      const started = await agent.start({ subject: TANAKA, policy, purpose, mode: 'call', call });
      const { asked } = await holder.accept(started.verification);
      await holder.present(started.verification, { code: started.code ?? '', pin: PIN });
      return {
        facts: asked?.claims.map(({ claim }) => claim.name),
        end: await agent.wait(started.verification),
      };
    };
    expect(await pass('open', 'open')).toMatchObject({
      ...{
        facts: ['born', 'since', 'income'],
        end: { verdict: 'passed', factors: ['knowledge', 'possession'] },
      },
    });
    // An income below the limit, but a customer for long enough: the second way is the one that is shown.
    expect(await pass('limit', 'limit')).toMatchObject({ facts: ['since'], end: { verdict: 'passed' } });
  });

  test('is shown by nobody whom it does not fit', async () => {
    const session = await logIn(EMMA);
    const holder = await enrolPhone(session);
    await fetchInto(session, holder, EMMA);
    const agent = openAgent({ verifier: demo.verifier });
    await agent.signIn(await demo.signInFragment());
    const about = { subject: EMMA, policy: 'open', purpose: 'open', mode: 'call' } as const;
    const { verification, code = '' } = await agent.start({ ...about, call: { direction: 'inbound' } });
    await holder.accept(verification);
    await expect(holder.present(verification, { code, pin: PIN })).rejects.toMatchObject({
      code: 'claim_unmet',
    });
    await holder.decline(verification);
  });

  test('is given over a good receipt of that customer only, and read by the bank’s app only', async () => {
    for (const receipt of ['x', 'a.b.c']) {
      const answer = await ask('/contract', { customer: SATO, receipt });
      expect([400, 403]).toContain(answer.status);
    }
    expect((await ask('/income', { customer: 'C-00000', receipt: 'x' })).status).toBe(404);
    expect((await ask('/income', { receipt: 'x' })).status).toBe(400);
    const preflight = (origin: string) =>
      fetch(`${demo.partners}/income`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
    const allowed = async (origin: string) =>
      (await preflight(origin)).headers.get('access-control-allow-origin');
    expect(await allowed(demo.bank)).toBe(demo.bank);
    expect(await allowed(demo.desk)).not.toBe(demo.desk);
    const session = await logIn(TANAKA);
    const holder = await enrolPhone(session);
    await expect(fetchInto(session, holder, SATO)).rejects.toMatchObject({ code: 'unexpected_answer' });
  });
});

describe('the payment of a bill', () => {
  const pay = (body: unknown, headers: Record<string, string> = { origin: demo.desk }) =>
    fetch(`${demo.desk}/bank/payments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const bill = CUSTOMERS.find(({ reference }) => reference === EMMA)?.bill;

  test('goes from the bank to the phone past the desk, and is booked once, on evidence', async () => {
    const holder = await enrolPhone(await logIn(EMMA));
    const agent = openAgent({ verifier: demo.verifier });
    await agent.signIn(await demo.signInFragment());
    const started = await pay({ subject: EMMA, direction: 'inbound' });
    expect(started.status).toBe(201);
    const { verification } = await started.json();
    const [asked] = await holder.requests();
    expect(asked).toMatchObject({ id: verification, asked: { transaction: bill } });
    const atDesk = await agent.verification(verification);
    await holder.present(verification, { code: atDesk.code ?? '', pin: PIN });
    const done = await agent.wait(verification);
    expect(done).toMatchObject({ verdict: 'passed', transaction: { hash: expect.any(String) } });
    const all = JSON.stringify([atDesk, done, await agent.verifications()]);
    // All but ids, times and codes, which could have these digits by chance.
    const seen = all.replaceAll(/[\w-]{22,}|\b\d{10}\b|"code":"\d{6}"/g, '');
    for (const figure of [bill?.amount, bill?.payee]) expect(seen).not.toContain(figure);
    await expect.poll(() => said.join(), { timeout: 30_000 }).toContain('booked a payment');
    const again = await pay({ subject: EMMA, direction: 'inbound' });
    expect([again.status, await again.json()]).toEqual([404, { code: 'not_found' }]);
  });

  test('is started by the desk only, for a customer whom the bank knows', async () => {
    const body = { subject: SATO, direction: 'inbound' };
    for (const headers of [{}, { origin: demo.bank }]) expect((await pay(body, headers)).status).toBe(403);
    expect((await pay({ ...body, subject: 'C-00000' })).status).toBe(404);
    expect((await pay({ ...body, amount: '1' })).status).toBe(400);
    expect((await pay({ ...body, direction: 'up' })).status).toBe(400);
  });
});

describe('what the demo keeps', () => {
  test('secrets lie in files for the owner only', async () => {
    for (const name of SECRET_FILES) expect((await stat(join(folder, name))).mode & 0o077, name).toBe(0);
  });

  test('a second start finds its phones', async () => {
    const session = await logIn(SATO);
    await enrolPhone(session);
    const before = (await bank('GET', '/my/devices', { session })).json.active;
    const secrets = await Promise.all(SECRET_FILES.map((name) => readFile(join(folder, name), 'utf8')));
    await demo.close();
    demo = await start();
    expect(before).toBeGreaterThan(0);
    expect((await bank('GET', '/my/devices', { session: await logIn(SATO) })).json.active).toBe(before);
    expect(await Promise.all(SECRET_FILES.map((name) => readFile(join(folder, name), 'utf8')))).toEqual(
      secrets,
    );
  });

  test('a busy port is named', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, 'localhost', resolve));
    const address = other.address();
    const busy = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      await expect(
        startDemo({ folder: join(folder, 'other'), port: busy - 1, say: () => undefined }),
      ).rejects.toEqual(new PortInUse(busy));
    } finally {
      other.close();
    }
  });
});
