import type { Agent } from '@akashi/sdk/agent';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newAccount, newPin, openWorld, POLICY, startOf, type TestTenant, type World } from './harness.ts';
import {
  blindPin,
  connect,
  enrolRawPhone,
  newDeviceKey,
  newId,
  type RawCall,
  type RawPhone,
} from './raw-phone.ts';

// Whoever lacks a tenant's credential cannot find out who its customers are: every question about a customer, a
// device or a verification is answered the same way, whether there is one or not, to the last byte and header.

let world: World;
let bank: TestTenant;
let other: TestTenant;
let desk: Agent;
let otherDesk: Agent;
let known: RawPhone;
let locked: RawPhone;
let neighbour: RawPhone;
let foreigner: RawPhone;

const SUBJECTS = ['known', 'locked', 'unenrolled', 'revoked', 'never-heard-of'] as const;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  other = await world.tenant('kita');
  desk = await bank.desk();
  otherDesk = await other.desk();
  const enrol = (tenant: TestTenant, subject: string) =>
    enrolRawPhone(world.origin, tenant.issuer, subject, { accounts: [newAccount()] });
  known = await enrol(bank, 'known');
  locked = await enrol(bank, 'locked');
  for (let i = 0; i < 5; i++) {
    const body = { use: 'current', blinded: blindPin(newPin()).blinded };
    await locked.connection.send({ method: 'POST', path: '/v1/devices/current/oprf', body });
  }
  await bank.issuer.requestEnrolment('unenrolled');
  const revoked = await enrol(bank, 'revoked');
  await bank.issuer.revokeDevice(revoked.device);
  neighbour = await enrol(bank, 'neighbour');
  foreigner = await enrol(other, 'foreigner');
});

afterAll(() => world.close());

/** All that can be seen of an answer, with what is random or time put out of sight, its length apart. */
async function visible(answer: Response): Promise<string> {
  const masked = (text: string) =>
    text
      .replaceAll(/[A-Za-z0-9_-]{22,}/g, (random) => `<${random.length}>`)
      .replaceAll(/\b[0-9]{10}\b/g, '<time>');
  const headers = [...answer.headers]
    .filter(([name]) => name !== 'date')
    .map(([name, value]) => `${name}: ${masked(value)}`)
    .sort();
  return [answer.status, ...headers, masked(await answer.text())].join('\n');
}

/** The one thing that all of these answers look like. */
async function allAlike(answers: Iterable<Promise<Response>>): Promise<string> {
  const seen = new Set<string>();
  for (const answer of answers) seen.add(await visible(await answer));
  expect([...seen]).toHaveLength(1);
  return [...seen].join();
}

function call(method: string, path: string, token: string | undefined, body?: object): Promise<Response> {
  return fetch(`${world.origin}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Everything that names a customer. */
const BY_SUBJECT: readonly (readonly [string, string, (subject: string) => object | undefined])[] = [
  ['POST', '/v1/verifications', (subject) => startOf(subject)],
  ['POST', '/v1/enrolments', (subject) => ({ subject })],
  ['POST', '/v1/claims', (subject) => claimOf(subject)],
  ['GET', '/v1/devices?subject=', () => undefined],
];

function claimOf(subject: string): object {
  return { subject, purpose: 'identify', direction: 'inbound', call: 'call-1', code: '123456' };
}

const STRANGERS: readonly (readonly [string, string | undefined])[] = [
  ['nobody', undefined],
  ['an API key that is none', `ak_${newId()}`],
  ['a session that is none', newId()],
];

describe.each(STRANGERS)('%s', (_, token) => {
  test.each(BY_SUBJECT)('asks %s %s about every kind of customer', async (method, path, body) => {
    const ask = (subject: string) => {
      const content = body(subject);
      return call(method, content === undefined ? path + subject : path, token, content);
    };
    expect(await allAlike(SUBJECTS.map(ask))).toMatch(/^401\n/);
  });
});

describe('another tenant', () => {
  test.each(BY_SUBJECT)('asks %s %s about every kind of customer', async (method, path, body) => {
    for (const token of [other.apiKey, otherDesk.session?.session]) {
      await allAlike(
        SUBJECTS.map((subject) => {
          const content = body(subject);
          return call(method, content === undefined ? path + subject : path, token, content);
        }),
      );
    }
  });

  test('asks about verifications and devices that are there and that are not', async () => {
    const { verification } = await desk.start(startOf('known'));
    const passed = await bank.issuer.start(startOf('known', { mode: 'precall' }));
    const ids = [verification, passed.verification, newId()];
    for (const token of [other.apiKey, otherDesk.session?.session, undefined, newId()]) {
      for (const [method, suffix] of [
        ['GET', ''],
        ['GET', '?wait=1'],
        ['DELETE', ''],
        ['POST', '/cancel'],
      ] as const) {
        await allAlike(ids.map((id) => call(method, `/v1/verifications/${id}${suffix}`, token)));
      }
      const devices = [known.device, locked.device, newId()];
      await allAlike(devices.map((id) => call('DELETE', `/v1/devices/${id}`, token)));
    }
    expect(await desk.verification(verification)).toMatchObject({ state: 'pending' });
    const listed = await bank.issuer.devices('known');
    expect(listed).toMatchObject([{ device: known.device, state: 'active' }]);
  });

  test('keeps its own customer of the same name apart', async () => {
    const twin = await enrolRawPhone(world.origin, other.issuer, 'known');
    const started = await otherDesk.start(startOf('known'));
    const seen = await known.connection.send({ method: 'GET', path: '/v1/requests' });
    expect(JSON.stringify(await seen.json())).not.toContain(started.verification);
    const own = await twin.connection.send({ method: 'GET', path: '/v1/requests' });
    expect(JSON.stringify(await own.json())).toContain(started.verification);
    expect((await other.issuer.devices('known')).map(({ device }) => device)).toEqual([twin.device]);
  });

  test('and a key that is nobody’s, ask what a device may ask', async () => {
    const { verification } = await desk.start(startOf('known'));
    const stranger = connect(world.origin, await newDeviceKey());
    const calls = (id: string): RawCall[] => [
      { method: 'GET', path: `/v1/requests/${id}` },
      ...['accept', 'later', 'decline', 'report'].map(
        (verb): RawCall => ({ method: 'POST', path: `/v1/requests/${id}/${verb}` }),
      ),
      { method: 'POST', path: '/v1/devices/current/oprf', body: oprfOf(id) },
    ];
    const blinded = blindPin('0000').blinded;
    const oprfOf = (id: string) => ({ use: 'verification', verification: id, blinded });
    for (const connection of [stranger, foreigner.connection, neighbour.connection]) {
      const unknown = calls(newId());
      for (const [i, asked] of calls(verification).entries()) {
        const nothing = unknown[i];
        if (nothing === undefined) throw new TypeError('the lists are of one length');
        await allAlike([connection.send(asked), connection.send(nothing)]);
      }
      const devices = [known.device, newId()];
      await allAlike(
        devices.map((id) => connection.send({ method: 'POST', path: `/v1/devices/${id}/stop` })),
      );
    }
    expect(await desk.verification(verification)).toMatchObject({ state: 'pending', later: false });
  });
});

describe('enrolment', () => {
  test('wrong, used and expired tokens are alike', async () => {
    const used = await bank.issuer.requestEnrolment('tokens');
    const redeem = async (token: string) => {
      const device = connect(world.origin, await newDeviceKey());
      return device.send({ method: 'POST', path: '/v1/devices', body: { token } });
    };
    expect((await redeem(used.token)).status).toBe(201);
    const expired = await bank.issuer.requestEnrolment('tokens');
    world.advance(601);
    const answer = await allAlike([redeem(newId()), redeem(used.token), redeem(expired.token)]);
    expect(answer).toMatch(/^403\n/);
    expect(answer).toContain('enrolment_refused');
  });
});

describe('the tenant itself', () => {
  test('is told plainly whom it can ask: its own operators and back ends are not strangers', async () => {
    const desk = await bank.desk();
    const start = (subject: string) =>
      call('POST', '/v1/verifications', desk.session?.session, startOf(subject, { policy: POLICY }));
    expect((await start('known')).status).toBe(201);
    // Who is locked is not told: the phone finds out.
    expect((await start('locked')).status).toBe(201);
    const none = await allAlike(['unenrolled', 'revoked', 'never-heard-of'].map(start));
    expect(none).toContain('no_device');
  });
});
