import { randomBytes } from 'node:crypto';
import { parseReceipt, verifyJws } from '@akashi/circuits';
import { pinCommitment } from '@akashi/circuits/poseidon';
import { base64url } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ORIGIN,
  openTenant,
  openWorld,
  refusal,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import {
  enrolmentToken,
  enrolPhone,
  evaluateAnything,
  evaluatePin,
  newPhone,
  type Phone,
} from './phone-fixtures.ts';
import { proveChange, provePin } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';
import { BOUNDS } from './store.ts';

let world: World;
let bank: TenantFixture;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
});
afterEach(() => world.close());
afterAll(endProver);

const PIN = '8035174926';
const STATUS = '/v1/devices/current';
const PIN_PATH = '/v1/devices/current/pin';

const registration = (phone: Phone, pinKey = 5n) => ({
  holder: phone.holder.toString(),
  commitment: pinCommitment(pinKey, phone.holderSecret).toString(),
});

describe('enrolment', () => {
  test('makes a device, evaluates a PIN, registers it, and gives a receipt that the issuer can check', async () => {
    const phone = await newPhone(world);
    const token = await enrolmentToken(world, bank, 'customer-1');
    const made = await phone.call('POST', '/v1/devices', { token });
    expect(made.status).toBe(201);
    expect(made.json).toEqual({
      device: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      tenant: { id: 'bank', name: 'The bank' },
    });
    expect((await phone.call('GET', STATUS)).json).toMatchObject({
      state: 'enrolling',
      pinChangedAt: null,
      newer: [],
    });
    const { pinKey, answer } = await evaluatePin(phone, PIN, { use: 'enrol' });
    expect(Object.keys(answer.json)).toEqual(['evaluated']);
    const { json } = await phone.call('PUT', PIN_PATH, registration(phone, pinKey));
    const { receipt, ...status } = json;
    expect(status).toEqual({
      ...{ device: made.json.device, tenant: { id: 'bank', name: 'The bank' }, state: 'active' },
      ...{
        enrolledAt: world.clock.now,
        pinChangedAt: world.clock.now,
        triesLeft: 5,
        newer: [],
        passkeys: [],
      },
    });
    const [key] = world.keys.signing;
    const said = await verifyJws('receipt', String(receipt), (kid) =>
      kid === key?.kid ? key.jwk : undefined,
    );
    expect(parseReceipt(said)).toEqual({
      ...{
        iss: ORIGIN,
        tenant: 'bank',
        sub: 'customer-1',
        jkt: phone.thumbprint,
        holder: phone.holder.toString(),
      },
      ...{ iat: world.clock.now, exp: world.clock.now + 600 },
    });
  });

  test('the same PIN gives the same key on the same device, and another on another', async () => {
    const one = await enrolPhone(world, bank, 'customer-1', PIN);
    const two = await enrolPhone(world, bank, 'customer-1', PIN);
    const again = await evaluatePin(one, PIN, { use: 'current' });
    expect(again.pinKey).toBe(one.pinKey);
    expect(two.pinKey).not.toBe(one.pinKey);
  });

  test('wrong, used and expired tokens answer alike', async () => {
    const used = await enrolmentToken(world, bank, 'customer-1');
    await (await newPhone(world)).call('POST', '/v1/devices', { token: used });
    const expired = await enrolmentToken(world, bank, 'customer-1');
    world.clock.now += 600;
    const answers = [];
    for (const token of [base64url.encode(randomBytes(16)), used, expired]) {
      const answer = await (await newPhone(world)).call('POST', '/v1/devices', { token });
      answers.push([answer.status, answer.text, [...answer.headers.keys()].sort()]);
    }
    expect(answers[0]?.[0]).toBe(403);
    expect(answers[0]?.[1]).toContain('enrolment_refused');
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  test('a key is enrolled once', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    const token = await enrolmentToken(world, bank, 'customer-1');
    expect(refusal(await phone.call('POST', '/v1/devices', { token }))).toBe('409 device_exists');
    expect((await (await newPhone(world)).call('POST', '/v1/devices', { token })).status).toBe(201);
  });

  test('evaluates ten times at most, and not at all once the PIN is registered', async () => {
    const phone = await newPhone(world);
    await phone.call('POST', '/v1/devices', { token: await enrolmentToken(world, bank, 'customer-1') });
    for (let i = 0; i < BOUNDS.enrolEvaluations; i++) {
      expect((await evaluateAnything(phone, { use: 'enrol' })).status).toBe(200);
    }
    expect(refusal(await evaluateAnything(phone, { use: 'enrol' }))).toBe('403 evaluation_refused');
    for (const use of ['current', 'new']) {
      expect(refusal(await evaluateAnything(phone, { use }))).toBe('403 evaluation_refused');
    }
    await phone.call('PUT', PIN_PATH, registration(phone));
    expect(refusal(await evaluateAnything(phone, { use: 'enrol' }))).toBe('403 evaluation_refused');
  });

  test('that is not finished in ten minutes is gone', async () => {
    const phone = await newPhone(world);
    await phone.call('POST', '/v1/devices', { token: await enrolmentToken(world, bank, 'customer-1') });
    world.clock.now += BOUNDS.enrolSeconds;
    expect(refusal(await phone.call('GET', STATUS, undefined, { nonce: undefined }))).toBe(
      '401 use_dpop_nonce',
    );
    expect(refusal(await phone.call('PUT', PIN_PATH, registration(phone)))).toBe('401 unauthorized');
  });

  test('is finished once: the same registration again is answered, another one is not taken', async () => {
    const phone = await newPhone(world);
    await phone.call('POST', '/v1/devices', { token: await enrolmentToken(world, bank, 'customer-1') });
    expect((await phone.call('PUT', PIN_PATH, registration(phone))).status).toBe(200);
    expect((await phone.call('PUT', PIN_PATH, registration(phone))).status).toBe(200);
    expect(refusal(await phone.call('PUT', PIN_PATH, registration(phone, 6n)))).toBe('403 pin_refused');
  });

  test('elements that are none are malformed and use nothing up', async () => {
    const phone = await newPhone(world);
    await phone.call('POST', '/v1/devices', { token: await enrolmentToken(world, bank, 'customer-1') });
    for (const blinded of [
      base64url.encode(new Uint8Array(32)),
      base64url.encode(randomBytes(32).fill(255)),
      'x',
      5,
    ]) {
      const body = { use: 'enrol', blinded };
      for (let i = 0; i < BOUNDS.enrolEvaluations; i++) {
        expect(refusal(await phone.call('POST', `${STATUS}/oprf`, body))).toBe('400 malformed');
      }
    }
    expect((await evaluateAnything(phone, { use: 'enrol' })).status).toBe(200);
  });
});

describe('a change of PIN', () => {
  test('takes a proof of the old one, and leaves the old one worth nothing', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    const old = await evaluatePin(phone, PIN, { use: 'current' });
    expect(old.answer.json.triesLeft).toBe(4);
    const fresh = await evaluatePin(phone, '1928374650', { use: 'new' });
    const nonce = textOf(fresh.answer, 'nonce');
    expect(fresh.answer.json.triesLeft).toBeUndefined();
    const commitment = pinCommitment(fresh.pinKey, phone.holderSecret);
    const proof = await proveChange(phone, nonce, commitment);
    world.clock.now += 10;
    const body = { commitment: commitment.toString(), proof };
    const changed = await phone.call('PUT', PIN_PATH, body);
    expect(changed.json).toMatchObject({ state: 'active', triesLeft: 5, pinChangedAt: world.clock.now });
    // The answer was lost: the same again is answered.
    expect((await phone.call('PUT', PIN_PATH, body)).status).toBe(200);
    expect((await evaluatePin(phone, PIN, { use: 'current' })).pinKey).not.toBe(phone.pinKey);
    expect((await evaluatePin(phone, '1928374650', { use: 'current' })).pinKey).toBe(fresh.pinKey);
  });

  test('with a proof that does not hold is refused, and its nonce is used up', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    const fresh = await evaluatePin(phone, '1928374650', { use: 'new' });
    const commitment = pinCommitment(fresh.pinKey, phone.holderSecret);
    const good = await proveChange(phone, textOf(fresh.answer, 'nonce'), commitment);
    const change = (proof: unknown, to = commitment) =>
      phone.call('PUT', PIN_PATH, { commitment: to.toString(), proof });
    const wrong = await provePin(phone, 12345n);
    expect(refusal(await change(wrong))).toBe('403 pin_refused');
    expect(refusal(await change(good))).toBe('403 pin_refused');
    const second = await evaluatePin(phone, '1928374650', { use: 'new' });
    const next = pinCommitment(second.pinKey, phone.holderSecret);
    const proof = await proveChange(phone, textOf(second.answer, 'nonce'), next);
    expect(refusal(await change(proof, next + 1n))).toBe('403 pin_refused');
    expect((await phone.call('GET', STATUS)).json).toMatchObject({ state: 'active' });
    expect((await evaluatePin(phone, PIN, { use: 'current' })).pinKey).toBe(phone.pinKey);
  });

  test('points that are none are malformed and leave the nonce good', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    const fresh = await evaluatePin(phone, '1928374650', { use: 'new' });
    const commitment = pinCommitment(fresh.pinKey, phone.holderSecret);
    const proof = await proveChange(phone, textOf(fresh.answer, 'nonce'), commitment);
    const body = { commitment: commitment.toString(), proof };
    const broken = { ...body, proof: { ...proof, c: ['1', '1'] } };
    expect(refusal(await phone.call('PUT', PIN_PATH, broken))).toBe('400 malformed');
    expect((await phone.call('PUT', PIN_PATH, body)).status).toBe(200);
  });

  test('evaluates the new PIN under a fresh key each time, ten times an hour', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    const keys = new Set<bigint>([phone.pinKey]);
    for (let i = 0; i < 10; i++) keys.add((await evaluatePin(phone, PIN, { use: 'new' })).pinKey);
    expect(keys.size).toBe(11);
    const refused = await evaluateAnything(phone, { use: 'new' });
    expect(refusal(refused)).toBe('429 rate_limited');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('devices of one subject', () => {
  test('see a newer one for a day, and can stop it', async () => {
    const first = await enrolPhone(world, bank, 'customer-1', PIN);
    world.clock.now += 60;
    const second = await enrolPhone(world, bank, 'customer-1', PIN);
    const newer = { device: second.device, enrolledAt: world.clock.now };
    expect((await first.call('GET', STATUS)).json).toMatchObject({ newer: [newer] });
    expect((await second.call('GET', STATUS)).json).toMatchObject({ newer: [] });
    expect(refusal(await second.call('POST', `/v1/devices/${first.device}/stop`))).toBe('404 not_found');
    expect((await first.call('POST', `/v1/devices/${second.device}/stop`)).status).toBe(204);
    expect(refusal(await second.call('GET', STATUS))).toBe('403 device_revoked');
    expect((await first.call('GET', STATUS)).json).toMatchObject({ newer: [] });
  });

  test('cannot stop it after a day, nor one of another subject or tenant', async () => {
    const first = await enrolPhone(world, bank, 'customer-1', PIN);
    world.clock.now += 60;
    const second = await enrolPhone(world, bank, 'customer-1', PIN);
    const stranger = await enrolPhone(world, bank, 'customer-2', PIN);
    const foreign = await enrolPhone(world, await openTenant(world, 'shop'), 'customer-1', PIN);
    for (const { device } of [stranger, foreign, first]) {
      expect(refusal(await first.call('POST', `/v1/devices/${device}/stop`))).toBe('404 not_found');
    }
    world.clock.now += BOUNDS.newDeviceSeconds;
    expect(refusal(await first.call('GET', STATUS))).toBe('401 use_dpop_nonce');
    expect((await first.call('GET', STATUS)).json).toMatchObject({ newer: [] });
    expect(refusal(await first.call('POST', `/v1/devices/${second.device}/stop`))).toBe('404 not_found');
  });

  test('revoke only themselves', async () => {
    const first = await enrolPhone(world, bank, 'customer-1', PIN);
    const second = await enrolPhone(world, bank, 'customer-1', PIN);
    expect((await first.call('DELETE', STATUS)).status).toBe(204);
    expect(refusal(await first.call('GET', STATUS))).toBe('403 device_revoked');
    expect((await second.call('GET', STATUS)).status).toBe(200);
  });
});
