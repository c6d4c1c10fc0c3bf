import { randomBytes } from 'node:crypto';
import { base64url } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  openTenant,
  openWorld,
  reasonsOf,
  refusal,
  send,
  type TenantFixture,
  type World,
} from './app-fixtures.ts';
import { inlineChecker } from './checker.ts';
import { type EnrolledPhone, enrolPhone, issueAccount } from './phone-fixtures.ts';
import { attemptOf, makePresentation, otherCode, startAccepted } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';
import { loadVerificationKeys } from './verification-keys.ts';

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
  phone = await enrolPhone(world, bank, 'customer-1', '8035174926');
});
afterEach(() => world.close());
afterAll(endProver);

const accept = (changes = {}) => startAccepted(world, bank, phone, changes);
const reasons = () => reasonsOf(world, 'bank');

const desk = async (verification: string) =>
  (await send(world, 'GET', `/v1/verifications/${verification}`, { token: bank.session })).json;

describe('an attempt', () => {
  test('is used once: fifty good ones at once are one pass', async () => {
    const { verification, code, opened, path } = await accept();
    const good = await makePresentation(phone, { opened, code });
    const answers = await Promise.all(Array.from({ length: 50 }, () => phone.call('POST', path, good)));
    const codes = answers.map((answer) =>
      answer.status === 200 ? String(answer.json.verdict) : refusal(answer),
    );
    expect(codes.filter((said) => said === 'passed').length).toBe(1);
    for (const said of codes) expect(['passed', '409 attempt_used', '409 verification_over']).toContain(said);
    expect(await desk(verification)).toMatchObject({ verdict: 'passed' });
    expect(refusal(await phone.call('POST', path, good))).toBe('409 verification_over');
  });

  test('a presentation of an earlier attempt is refused without using the open one up', async () => {
    const { code, opened, path } = await accept();
    const bad = await makePresentation(phone, { opened, code: otherCode(code) });
    const second = await phone.call('POST', path, bad);
    expect(refusal(await phone.call('POST', path, bad))).toBe('409 attempt_used');
    const good = await makePresentation(phone, { opened, code });
    expect(refusal(await phone.call('POST', path, good))).toBe('409 attempt_used');
    // The nonce of the first attempt under the name of the second: consumed, and the proof does not hold.
    const renamed = { ...good, attempt: attemptOf(second).attempt };
    expect((await phone.call('POST', path, renamed)).json).toMatchObject({ attempt: { left: 1 } });
    expect(await reasons()).toEqual(['code', 'proof:pin']);
  });

  test('its jti goes with it: a used one is refused and the attempt stays open', async () => {
    const { code, opened, path } = await accept();
    const good = await makePresentation(phone, { opened, code });
    const jti = base64url.encode(randomBytes(16));
    await phone.call('GET', '/v1/requests', undefined, { jti });
    expect(refusal(await phone.call('POST', path, good, { jti }))).toBe('401 unauthorized');
    expect((await phone.call('POST', path, good)).json).toMatchObject({ verdict: 'passed' });
  });

  test('what ends the verification in the meantime wins', async () => {
    const ends = {
      cancelled: (id: string) =>
        send(world, 'POST', `/v1/verifications/${id}/cancel`, { token: bank.session }),
      declined: (id: string) => phone.call('POST', `/v1/requests/${id}/decline`),
      reported: (id: string) => phone.call('POST', `/v1/requests/${id}/report`),
    };
    for (const [verdict, end] of Object.entries(ends)) {
      const { verification, code, opened, path } = await accept();
      const good = await makePresentation(phone, { opened, code });
      await end(verification);
      expect(refusal(await phone.call('POST', path, good))).toBe('409 verification_over');
      expect(await desk(verification)).toMatchObject({ verdict });
    }
    const { verification, code, opened, path } = await accept();
    const good = await makePresentation(phone, { opened, code });
    world.clock.now += 120;
    expect(refusal(await phone.call('POST', path, good))).toBe('409 verification_over');
    expect(await desk(verification)).toMatchObject({ verdict: 'expired' });
  });

  test('a report that comes while the proof is being checked wins', async () => {
    const { verification, code, opened, path } = await accept();
    const good = await makePresentation(phone, { opened, code });
    const { consumeAttempt } = world.store;
    world.store.consumeAttempt = async (use, now) => {
      const consumed = await consumeAttempt(use, now);
      await world.store.report('bank', verification, phone.device, now);
      return consumed;
    };
    const answer = await phone.call('POST', path, good);
    expect(answer.json).toMatchObject({ state: 'done', verdict: 'reported' });
    expect(await desk(verification)).toMatchObject({ verdict: 'reported', factors: [] });
  });

  test('a fault while proofs are checked fails the attempt and opens the next: nobody is stuck', async () => {
    await world.close();
    const { check, close } = inlineChecker(await loadVerificationKeys(), randomBytes);
    let burning = true;
    const burn = () => Promise.reject(new Error('disk on fire'));
    world = await openWorld({
      checker: { check: (checks) => (burning ? burn() : check(checks)), waiting: () => 0, close },
    });
    bank = await openTenant(world, 'bank');
    phone = await enrolPhone(world, bank, 'customer-1', '8035174926');
    const { code, opened, path } = await accept();
    const failed = await phone.call('POST', path, await makePresentation(phone, { opened, code }));
    burning = false;
    expect(failed.json).toMatchObject({ state: 'accepted', attempt: { left: 2 } });
    expect(await reasons()).toEqual(['internal']);
    expect(world.log).toContainEqual({
      ...{ level: 'error', event: 'presentation.fault', fault: expect.stringMatching(/^Error at /) },
    });
    const again = await makePresentation(phone, { opened: failed, code });
    expect((await phone.call('POST', path, again)).json).toMatchObject({ verdict: 'passed' });
  });

  test('a fault before the attempt is used up leaves it good', async () => {
    const account = await issueAccount(world, bank, phone);
    const { code, opened, path } = await accept({ policy: 'owns-account' });
    const good = await makePresentation(phone, { opened, code, account });
    const { issuerKey } = world.store;
    world.store.issuerKey = () => Promise.reject(new Error('disk on fire'));
    expect(refusal(await phone.call('POST', path, good))).toBe('500 internal');
    world.store.issuerKey = issuerKey;
    expect((await phone.call('POST', path, good)).json).toMatchObject({ verdict: 'passed' });
    expect(await reasons()).toEqual([]);
  });

  test('a verifier with too much to check says so at once, and the attempt is good later', async () => {
    const { code, opened, path } = await accept();
    const good = await makePresentation(phone, { opened, code });
    const { consumeAttempt } = world.store;
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    world.store.consumeAttempt = async (use, now) => {
      await held;
      return consumeAttempt(use, now);
    };
    // 32 are held while they consume, 64 wait: one is too much, and the only one that is answered.
    const crowd = Array.from({ length: 97 }, () => phone.call('POST', path, good));
    const refused = await Promise.race(crowd);
    expect(refusal(refused)).toBe('503 busy');
    expect(refused.headers.get('retry-after')).toBe('2');
    release();
    const answers = await Promise.all(crowd);
    expect(answers.filter((answer) => answer.json.verdict === 'passed').length).toBe(1);
  });
});
