import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createTenant, openSqliteStore } from '@akashi/verifier';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../verifier/port-fixtures.ts';
import { attemptsOf } from './attempt.ts';
import {
  newPin,
  openTestIssuer,
  openWorld,
  policyOf,
  startOf,
  type TestTenant,
  type World,
} from './harness.ts';
import {
  acceptRequest,
  blindPin,
  codeOf,
  connect,
  enrolRawPhone,
  evaluatePin,
  newDeviceKey,
  presentationOf,
  type RawPhone,
} from './raw-phone.ts';
import { keepSecret, newPrivateFolder, newTraceFolder } from './run.ts';
import { compileVerifierProcess, startVerifierProcess } from './verifier-process.ts';

// A thief has the device, unlocked, and its keys, and guesses the PIN. Five guesses is all there is, however they are
// made, and nobody else can use them up.

let world: World;
let bank: TestTenant;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
});

afterAll(() => world.close());

const PATH = '/v1/devices/current/oprf';
const PIN_ONLY = { policy: policyOf('pin') } as const;

/** One guess: the status, and the code of a refusal or the tries left. */
async function guess(phone: RawPhone, pin: string, use: object): Promise<string> {
  const body = { ...use, blinded: blindPin(pin).blinded };
  return outcomeOf(await phone.connection.send({ method: 'POST', path: PATH, body }));
}

async function outcomeOf(answer: Response): Promise<string> {
  return answer.ok ? `left ${(await answer.json()).triesLeft}` : codeOf(answer);
}

async function triesLeft(phone: RawPhone): Promise<number> {
  const answer = await phone.connection.send({ method: 'GET', path: '/v1/devices/current' });
  return (await answer.json()).triesLeft;
}

async function accepted(phone: RawPhone): Promise<{ use: 'verification'; verification: string }> {
  const { verification } = await bank.issuer.start(startOf(phone.subject, PIN_ONLY));
  await acceptRequest(phone, verification);
  return { use: 'verification', verification };
}

describe('guessing', () => {
  test('the sixth try is refused even if it is right', async () => {
    const phone = await enrolRawPhone(world.origin, bank.issuer, 'six');
    const use = await accepted(phone);
    for (const left of [4, 3, 2, 1, 0]) expect(await guess(phone, newPin(), use)).toBe(`left ${left}`);
    expect(await guess(phone, phone.pin, use)).toBe('pin_locked');
    // Nothing else opens it again: another verification, another use, another day.
    expect(await guess(phone, phone.pin, await accepted(phone))).toBe('pin_locked');
    expect(await guess(phone, phone.pin, { use: 'current' })).toBe('pin_locked');
    world.advance(86_400);
    expect(await guess(phone, phone.pin, await accepted(phone))).toBe('pin_locked');
    expect((await world.audit(bank.id)).filter(({ event }) => event === 'pin.locked')).toHaveLength(1);
  });

  test('of twenty at once five are answered', async () => {
    const phone = await enrolRawPhone(world.origin, bank.issuer, 'twenty');
    const use = await accepted(phone);
    const posts = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const { blinded } = blindPin(i === 19 ? phone.pin : newPin());
        return phone.connection.prepare({ method: 'POST', path: PATH, body: { ...use, blinded } });
      }),
    );
    const answers = await Promise.all(posts.map((post) => post()));
    const outcomes = await Promise.all(answers.map(outcomeOf));
    expect(outcomes.sort()).toEqual([
      ...[0, 1, 2, 3, 4].map((left) => `left ${left}`),
      ...Array(15).fill('pin_locked'),
    ]);
  });

  test('all uses of the current PIN share one counter', async () => {
    const phone = await enrolRawPhone(world.origin, bank.issuer, 'shared-counter');
    const [one, two] = [await accepted(phone), await accepted(phone)];
    expect(await guess(phone, newPin(), one)).toBe('left 4');
    expect(await guess(phone, newPin(), { use: 'current' })).toBe('left 3');
    expect(await guess(phone, newPin(), two)).toBe('left 2');
    // Not for a verification that nobody accepted, and not as a part of enrolment any more.
    const { verification } = await bank.issuer.start(startOf(phone.subject, PIN_ONLY));
    expect(await guess(phone, newPin(), { use: 'verification', verification })).toBe('evaluation_refused');
    expect(await guess(phone, newPin(), { use: 'enrol' })).toBe('evaluation_refused');
    expect(await triesLeft(phone)).toBe(2);
  });

  test('the same blinded element again is the same answer and no try', async () => {
    const phone = await enrolRawPhone(world.origin, bank.issuer, 'again');
    const body = { ...(await accepted(phone)), blinded: blindPin(phone.pin).blinded };
    const answers = [];
    for (let i = 0; i < 3; i++) {
      answers.push(await (await phone.connection.send({ method: 'POST', path: PATH, body })).json());
    }
    expect(answers[0]).toMatchObject({ triesLeft: 4 });
    expect(answers.slice(1)).toEqual([answers[0], answers[0]]);
    // In another verification it is another try.
    const other = { ...(await accepted(phone)), blinded: body.blinded };
    expect(await outcomeOf(await phone.connection.send({ method: 'POST', path: PATH, body: other }))).toBe(
      'left 3',
    );
  });

  test('evaluations of a new PIN are under another key: they say nothing of the old one', async () => {
    const phone = await enrolRawPhone(world.origin, bank.issuer, 'new-key');
    const current = await evaluatePin(phone.connection, phone.pin, { use: 'current' });
    expect(current).toBe(phone.secrets.pinKey);
    const fresh = new Set<bigint>();
    for (let i = 0; i < 10; i++) fresh.add(await evaluatePin(phone.connection, phone.pin, { use: 'new' }));
    expect(fresh.size).toBe(10);
    expect(fresh).not.toContain(phone.secrets.pinKey);
    expect(await guess(phone, phone.pin, { use: 'new' })).toBe('rate_limited');
    // The key in use is still the old one.
    expect(await evaluatePin(phone.connection, phone.pin, { use: 'current' })).toBe(phone.secrets.pinKey);
  });
});

describe('the counter', () => {
  test('goes back by a valid proof of the PIN, beside a wrong code too, and by nothing else', async () => {
    const phone = await enrolRawPhone(world.origin, bank.issuer, 'reset');
    await guess(phone, newPin(), { use: 'current' });
    expect(await triesLeft(phone)).toBe(4);

    const account = attemptsOf(world, bank, phone, { policy: policyOf('account') });
    const shown = await account.next();
    expect(await account.post(shown, await presentationOf(phone, shown, shown.code))).toMatchObject({
      verdict: 'passed',
    });
    const declined = await accepted(phone);
    const path = `/v1/requests/${declined.verification}/decline`;
    await phone.connection.send({ method: 'POST', path });
    expect(await triesLeft(phone)).toBe(4);

    const attempts = attemptsOf(world, bank, phone, PIN_ONLY);
    const open = await attempts.next();
    const guessed = { ...phone, secrets: { ...phone.secrets, pinKey: phone.secrets.pinKey + 1n } };
    const wrong = await presentationOf(guessed, open, open.code);
    expect(await attempts.post(open, wrong)).toMatchObject({ reason: 'proof:pin' });
    expect(await triesLeft(phone)).toBe(4);

    const next = await attempts.next();
    const wrongCode = next.code.replace(/.$/, (digit) => String((Number(digit) + 1) % 10));
    expect(await attempts.post(next, await presentationOf(phone, next, wrongCode))).toMatchObject({
      reason: 'code',
    });
    expect(await triesLeft(phone)).toBe(5);
  });

  test('is not moved by anyone without the device', async () => {
    const phone = await enrolRawPhone(world.origin, bank.issuer, 'strangers');
    const use = await accepted(phone);
    const stranger = connect(world.origin, await newDeviceKey());
    const second = await enrolRawPhone(world.origin, bank.issuer, 'strangers');
    const other = await enrolRawPhone(world.origin, bank.issuer, 'other-customer');
    const { blinded } = blindPin('0000');
    const call = { method: 'POST', path: PATH, body: { ...use, blinded } } as const;
    expect(await codeOf(await stranger.send(call))).toBe('unauthorized');
    expect(await codeOf(await second.connection.send(call))).toBe('evaluation_refused');
    expect(await codeOf(await other.connection.send(call))).toBe('evaluation_refused');
    // With the tenant's own key, an operator's session, or nothing at all.
    const desk = await bank.desk();
    for (const token of [bank.apiKey, desk.session?.session, '']) {
      const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
      const answer = await fetch(`${world.origin}${PATH}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(call.body),
      });
      expect(answer.status).toBe(401);
    }
    // A call that the device signed once, sent again by who saw it.
    const seen = await phone.connection.prepare({
      ...call,
      body: { ...use, blinded: blindPin('1111').blinded },
    });
    expect(await outcomeOf(await seen())).toBe('left 4');
    expect(await codeOf(await seen())).toBe('unauthorized');
    expect(await triesLeft(phone)).toBe(4);
  });
});

test('a verifier that is killed between count and answer has counted', async () => {
  const folder = newTraceFolder();
  const program = await compileVerifierProcess(newPrivateFolder());
  const port = await freePort();
  const options = { folder, keysFile: join(newPrivateFolder(), 'keys.json'), port };
  const first = await startVerifierProcess(options, program);
  const { origin, file } = first;
  const store = openSqliteStore({ file, random: randomBytes });
  const now = () => Math.floor(Date.now() / 1000);
  const { apiKey } = await createTenant(
    store,
    { tenant: 'aoba', name: 'Bank', origins: [] },
    now(),
    randomBytes,
  );
  await store.close();
  keepSecret('token', apiKey);
  const issuer = await openTestIssuer(origin, 'aoba', apiKey, now);
  const phone = await enrolRawPhone(origin, issuer, 'killed');
  await first.kill();

  const dieBeforeAnswering = '/v1/devices/current/oprf';
  for (let i = 1; i <= 5; i++) {
    const verifier = await startVerifierProcess({ ...options, dieBeforeAnswering }, program);
    expect(await triesLeft(phone)).toBe(6 - i);
    // The right PIN each time, and no answer to it.
    await expect(guess(phone, phone.pin, { use: 'current' })).rejects.toThrow('fetch failed');
    expect(await verifier.ended).toBe('SIGKILL');
  }
  const last = await startVerifierProcess(options, program);
  expect(await guess(phone, phone.pin, { use: 'current' })).toBe('pin_locked');
  await last.kill();
});
