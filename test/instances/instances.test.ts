import { setTimeout } from 'node:timers/promises';
import type { Agent } from '@akashi/sdk/agent';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { keepBusy, type LoadPhone, presentation, startUnder, type Told } from '../crash/load.ts';
import { AuditWatch, countDoubleUses, countLost } from '../crash/rounds.ts';
import { policyOf, startOf } from '../harness.ts';
import { acceptRequest, blindPin, codeOf, newId, postPresentation, readRequest } from '../raw-phone.ts';
import type { VerifierProcess } from '../verifier-process.ts';
import { type InstancesRoom, openInstancesRoom } from './room.ts';

// Three verifiers behind a balancer on one PostgreSQL: what phones and desks are told while verifiers are killed, and while
// the database is cut off, silent, locked, or ended.

/** Nobody else's lock. */
const PAUSE = 4711;
/** Well under the second and the ten after which a waiting desk looks again by itself. */
const HEARD_MS = 900;
/** Until a call is answered where the database answers nothing: one wait for an answer, and one for a new connection. */
const SILENT_MS = 15_000;
/** Until a call is answered where there is no connection: less than the wait for an answer. */
const CUT_MS = 3_000;

let room: InstancesRoom;
let phone: LoadPhone;
let desk: Agent;

beforeAll(async () => {
  room = await openInstancesRoom();
  phone = await room.phone('customer');
  desk = await room.desk(1);
});
afterAll(() => room.close());

const presentationRoute = '/v1/requests/:id/presentation';

/** A verification that the phone has accepted, and what it is about to present. */
async function accepted(by: Agent = desk) {
  const { verification, code = '' } = await by.start(startOf(phone.subject, { policy: policyOf('pin') }));
  const open = await again(() => acceptRequest(phone, verification));
  return { verification, body: await presentation(phone, open, code) };
}

/** The presentation as a call to one verifier. */
async function presentingAt({ address }: VerifierProcess, verification: string, body: object) {
  const path = `/v1/requests/${verification}/presentation`;
  const call = await phone.connection.prepare({ method: 'POST', path, body });
  return call(address);
}

/** As a phone does whose call broke off: it asks again, by whatever way the balancer has for it. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (cause) {
      if (!(cause instanceof TypeError) || tries === 5) throw cause;
    }
  }
}

const verdictOf = async (answer: Response) => ((await answer.json()) as { verdict?: string }).verdict;
const refusalOf = async (answer: Response) => [answer.status, await codeOf(answer)];

/** How often the audit says this of a verification. */
async function said(event: string, verification: string): Promise<number> {
  await room.store.linkAudit();
  const like = [`%"event":"${event}"%`, `%"${verification}"%`].map((text) => `content LIKE '${text}'`);
  return (await room.sql(`SELECT 1 FROM audit_entries WHERE ${like.join(' AND ')}`)).rowCount ?? 0;
}

describe('a presentation whose verifier is killed', () => {
  afterEach(() => room.revive());

  test('before its attempt is used up counts for nothing: the same one passes at another', async () => {
    const { verification, body } = await accepted();
    const held = await room.hold(`SELECT 1 FROM devices WHERE device = '${phone.device}' FOR UPDATE`);
    const broken = expect(presentingAt(room.verifier(0), verification, body)).rejects.toThrow(TypeError);
    await room.untilWaiting('Lock');
    await room.verifier(0).kill();
    await broken;
    await held.release();
    expect(await verdictOf(await again(() => postPresentation(phone, verification, body)))).toBe('passed');
    expect(await desk.wait(verification)).toMatchObject({ verdict: 'passed' });
    expect(await said('attempt.used', verification)).toBe(1);
  });

  test('behind that is no verdict and no second use: a new verification is', async () => {
    const { verification, body } = await accepted();
    const held = await room.hold(`SELECT pg_advisory_xact_lock(${PAUSE})`);
    await room.sql(`
      CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(${PAUSE}); RETURN NEW; END';
      CREATE CONSTRAINT TRIGGER pause AFTER UPDATE ON verifications DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (NEW.attempts_used > OLD.attempts_used) EXECUTE FUNCTION pause()`);
    // It pauses in the commit, which the server ends whether somebody is there to be told or not.
    const broken = expect(presentingAt(room.verifier(0), verification, body)).rejects.toThrow(TypeError);
    await room.untilWaiting('advisory');
    await room.verifier(0).kill();
    await broken;
    await held.release();
    // Waits for that transaction.
    await room.sql('DROP TRIGGER pause ON verifications; DROP FUNCTION pause');
    const second = await again(() => postPresentation(phone, verification, body));
    expect(await refusalOf(second)).toEqual([409, 'attempt_used']);
    expect(await again(() => readRequest(phone, verification))).not.toHaveProperty('verdict');
    expect(await desk.cancel(verification)).toMatchObject({ verdict: 'cancelled' });
    expect(await said('attempt.used', verification)).toBe(1);
    const fresh = await accepted();
    const answer = await again(() => postPresentation(phone, fresh.verification, fresh.body));
    expect(await verdictOf(answer)).toBe('passed');
  });

  test('before it answers has its verdict: phone and desk read it at others', async () => {
    const doomed = await room.doomed(presentationRoute);
    const { verification, body } = await accepted();
    await expect(presentingAt(doomed, verification, body)).rejects.toThrow(TypeError);
    expect(await doomed.ended).toBe('SIGKILL');
    expect(await readRequest(phone, verification)).toMatchObject({ verdict: 'passed' });
    expect(await desk.verification(verification)).toMatchObject({ verdict: 'passed' });
    expect(await refusalOf(await postPresentation(phone, verification, body))).toEqual([
      409,
      'verification_over',
    ]);
    expect(await said('verification.passed', verification)).toBe(1);
  });
});

describe('what one verifier does', () => {
  test('is heard at once by desks that wait at the others', async () => {
    for (const place of [0, 1, 2]) {
      const other = await room.desk((place + 1) % 3);
      await soon(async () => {
        const { verification, body } = await accepted(other);
        // Read once, so that it waits for what comes next.
        const states = other.watch(verification)[Symbol.asyncIterator]();
        expect((await states.next()).value).toMatchObject({ state: 'accepted' });
        const answer = await presentingAt(room.verifier(place), verification, body);
        const began = performance.now();
        expect(await verdictOf(answer)).toBe('passed');
        let state = (await states.next()).value;
        while (state?.state !== 'done') state = (await states.next()).value;
        expect(state).toMatchObject({ verdict: 'passed' });
        return performance.now() - began;
      });
    }
  });

  test('is done once: a start under one key, a signed call, an attempt, a try of the PIN', async () => {
    const { apiKey } = room.backend;
    const addresses = [0, 1, 2].map((place) => room.verifier(place).address);
    const key = newId();
    const starts = await Promise.all(
      addresses.map((origin) => startUnder({ origin, apiKey }, phone.subject, key)),
    );
    const ids = await Promise.all(starts.map(async (answer) => (await answer.json()).verification));
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[\w-]{22}$/);

    const call = await phone.connection.prepare({ method: 'GET', path: '/v1/devices/current' });
    const calls = await Promise.all(addresses.map((address) => call(address)));
    expect(calls.map(({ status }) => status).sort()).toEqual([200, 401, 401]);

    const { verification, body } = await accepted();
    const present = await Promise.all(
      addresses.map((_, place) => presentingAt(room.verifier(place), verification, body)),
    );
    expect(present.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect(await said('attempt.used', verification)).toBe(1);

    const guessed = await accepted();
    const guesses = [...addresses, ...addresses, ...addresses].map(async (address) => {
      const { blinded } = blindPin('000001');
      const evaluate = { use: 'verification', verification: guessed.verification, blinded };
      const path = '/v1/devices/current/oprf';
      return (await phone.connection.prepare({ method: 'POST', path, body: evaluate }))(address);
    });
    const granted = (await Promise.all(guesses)).filter(({ ok }) => ok);
    expect(granted).toHaveLength(5);
    // The proof of the right PIN gives them back.
    const answer = await postPresentation(phone, guessed.verification, guessed.body);
    expect(await verdictOf(answer)).toBe('passed');
  });
});

/** Done within the time in which things are heard, once of three times: the machine may pause, but a slow verifier is always slow. */
async function soon(work: () => Promise<number>): Promise<void> {
  const took: number[] = [];
  while (took.length < 3 && (took.at(-1) ?? HEARD_MS) >= HEARD_MS) took.push(await work());
  expect(Math.min(...took)).toBeLessThan(HEARD_MS);
}

/** Calls of every side at one verifier, and what the database has to do with each. */
async function requireBusy(verifier: VerifierProcess, within: number): Promise<void> {
  const began = performance.now();
  const { address } = verifier;
  const live = soon(async () => {
    const asked = performance.now();
    expect((await fetch(`${address}/v1/health/live`)).status).toBe(200);
    return performance.now() - asked;
  });
  const { apiKey } = room.backend;
  const read = await phone.connection.prepare({ method: 'GET', path: '/v1/devices/current' });
  const calls = [
    fetch(`${address}/v1/health`),
    read(address),
    startUnder({ origin: address, apiKey }, phone.subject, newId()),
  ];
  for (const answer of await Promise.all(calls)) {
    expect(await refusalOf(answer)).toEqual([503, 'busy']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect(performance.now() - began).toBeLessThan(within);
  await live;
}

/** Ten connections wait for a lock, more than a hundred calls for a connection, and the rest is told to come again. */
async function requireShedding({ address }: VerifierProcess): Promise<void> {
  const lock = await room.hold('LOCK TABLE devices IN ACCESS EXCLUSIVE MODE');
  const call = { method: 'GET', path: '/v1/devices/current' } as const;
  const calls = await Promise.all(Array.from({ length: 160 }, () => phone.connection.prepare(call)));
  const served: Response[] = [];
  const refused: Response[] = [];
  const answers = calls.map(async (send) => {
    const answer = await send(address);
    (answer.ok ? served : refused).push(answer);
  });
  for (let tries = 0; tries < 500 && refused.length <= 20; tries++) await setTimeout(20);
  expect(refused.length).toBeGreaterThan(20);
  expect(served).toEqual([]);
  expect((await fetch(`${address}/v1/health/live`)).status).toBe(200);
  await lock.release();
  await Promise.all(answers);
  expect(served.length).toBeGreaterThan(100);
  for (const answer of refused) {
    expect(await refusalOf(answer)).toEqual([503, 'busy']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
}

async function untilReady({ address }: VerifierProcess): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if ((await fetch(`${address}/v1/health`)).ok) return;
    await setTimeout(20);
  }
  throw new Error('the verifier does not come back');
}

// At the same time, at other verifiers: the second one mostly waits.
describe.concurrent('a database', () => {
  let asked: Awaited<ReturnType<typeof accepted>>;
  beforeAll(async () => {
    asked = await accepted();
  });

  test('that is cut off, or locked, is busy at once, answers no pass, and is back without help', async () => {
    const { verification, body } = asked;
    room.cables[0].cut(true);
    for (const place of [0, 1]) await requireBusy(room.verifier(place), CUT_MS);
    const refused = await presentingAt(room.verifier(0), verification, body);
    expect(await refusalOf(refused)).toEqual([503, 'busy']);
    expect((await room.store.verification('aoba', verification, Date.now() / 1000))?.verdict).toBeNull();
    room.cables[0].mend();
    for (const place of [0, 1]) await untilReady(room.verifier(place));
    expect(await verdictOf(await presentingAt(room.verifier(1), verification, body))).toBe('passed');
    await requireShedding(room.verifier(0));
  });

  test('that takes everything and says nothing is busy within its time, and back without help', async () => {
    const last = room.verifier(2);
    room.cables[1].freeze(true);
    await requireBusy(last, SILENT_MS);
    // By now every connection that was there is known to be dead, and new ones come to nothing.
    room.cables[1].mend();
    await untilReady(last);
    const call = await phone.connection.prepare({ method: 'GET', path: '/v1/devices/current' });
    expect((await call(last.address)).status).toBe(200);
  });
});

test('a server that is ended at once under load loses nothing that was told, and nothing is good twice', async () => {
  const { backend, server, store } = room;
  const phones = await Promise.all(['load-1', 'load-2'].map((subject) => room.phone(subject)));
  const told: Told = { verdicts: new Map(), starts: new Map(), tries: new Map(), sent: [] };
  const refused: string[] = [];
  let over = false;
  const load = phones.map(async (one) => {
    while (!over) {
      await keepBusy(backend, one, told, { enough: () => over }).catch((cause: Error) =>
        refused.push(cause.message),
      );
      await setTimeout(20);
    }
  });
  await expect.poll(() => told.verdicts.size, { timeout: 60_000, interval: 5 }).toBeGreaterThan(5);
  server.restart();
  await expect.poll(() => refused.length, { timeout: 60_000, interval: 5 }).toBeGreaterThan(0);
  for (const place of [0, 1, 2]) await untilReady(room.verifier(place));
  const before = told.verdicts.size;
  await expect.poll(() => told.verdicts.size, { timeout: 60_000, interval: 5 }).toBeGreaterThan(before + 5);
  over = true;
  await Promise.all(load);
  expect(new Set(refused)).toEqual(new Set(['busy']));
  const { verdicts } = told;
  expect([...verdicts.values()].map(({ verdict }) => verdict)).toContain('passed');
  expect(await countLost(backend, phones, told)).toBe(0);
  expect(await countDoubleUses(phones, told)).toBe(0);
  const audit = new AuditWatch(store);
  await audit.read();
  expect([audit.holds, audit.doubleUses, audit.countMissing(told)]).toEqual([true, 0, 0]);
});
