import { randomBytes } from 'node:crypto';
import { ristretto255_oprf } from '@noble/curves/ed25519.js';
import { base64url } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  openTenant,
  openWorld,
  refusal,
  send,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { enrolPhone, evaluateAnything } from './phone-fixtures.ts';
import { startAccepted } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';

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
describe('tries', () => {
  test('are five; the sixth is refused even with the right PIN', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    const { verification } = await startAccepted(world, bank, phone);
    for (let left = 4; left >= 0; left--) {
      const { json } = await evaluateAnything(phone, { use: 'verification', verification });
      expect(json.triesLeft).toBe(left);
    }
    const input = new TextEncoder().encode(PIN);
    const blinded = base64url.encode(ristretto255_oprf.oprf.blind(input).blinded);
    const right = { use: 'verification', verification, blinded };
    expect(refusal(await phone.call('POST', `${STATUS}/oprf`, right))).toBe('403 pin_locked');
    expect(refusal(await evaluateAnything(phone, { use: 'current' }))).toBe('403 pin_locked');
    expect((await phone.call('GET', STATUS)).json).toMatchObject({ state: 'active', triesLeft: 0 });
  });

  test('are five for twenty at once', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    const { verification } = await startAccepted(world, bank, phone);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => evaluateAnything(phone, { use: 'verification', verification })),
    );
    expect(answers.filter((answer) => answer.status === 200).length).toBe(5);
    expect(answers.filter((answer) => refusal(answer) === '403 pin_locked').length).toBe(15);
  });

  test('are not used up by the same element again in the same verification', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    const { verification } = await startAccepted(world, bank, phone);
    const { blinded } = ristretto255_oprf.oprf.blind(randomBytes(6));
    const body = { use: 'verification', verification, blinded: base64url.encode(blinded) };
    const first = await phone.call('POST', `${STATUS}/oprf`, body);
    expect(first.json.triesLeft).toBe(4);
    for (let i = 0; i < 6; i++)
      expect((await phone.call('POST', `${STATUS}/oprf`, body)).json).toEqual(first.json);
    const current = await phone.call('POST', `${STATUS}/oprf`, { use: 'current', blinded: body.blinded });
    expect(current.json.triesLeft).toBe(3);
  });

  test('go only in a verification that this device accepted and that is open', async () => {
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    const other = await enrolPhone(world, bank, 'customer-1', PIN);
    const body = startOf('customer-1');
    const started = await send(world, 'POST', '/v1/verifications', { token: bank.session, body });
    const verification = textOf(started, 'verification');
    const use = { use: 'verification', verification };
    expect(refusal(await evaluateAnything(phone, use))).toBe('403 evaluation_refused');
    await phone.call('POST', `/v1/requests/${verification}/accept`);
    expect(refusal(await evaluateAnything(other, use))).toBe('403 evaluation_refused');
    expect((await evaluateAnything(phone, use)).status).toBe(200);
    await phone.call('POST', `/v1/requests/${verification}/decline`);
    expect(refusal(await evaluateAnything(phone, use))).toBe('403 evaluation_refused');
    expect((await phone.call('GET', STATUS)).json).toMatchObject({ triesLeft: 4 });
    expect((await other.call('GET', STATUS)).json).toMatchObject({ triesLeft: 5 });
  });
});
