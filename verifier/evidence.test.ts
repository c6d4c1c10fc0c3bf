import {
  type PublicJwk,
  parseEvidence,
  type Transaction,
  transactionHash,
  verifyJws,
} from '@akashi/circuits';
import { base64url, decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addOperator,
  auditOf,
  ORIGIN,
  openTenant,
  openWorld,
  PURPOSE,
  refusal,
  send,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { type EnrolledPhone, enrolPhone } from './phone-fixtures.ts';
import { makePresentation } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
  phone = await enrolPhone(world, bank, 'customer-1', '8035174926');
  for (const [policy, transaction] of [
    ['operators-pay', { from: 'operator', desk: 'hidden' }],
    ['desks-see', { from: 'operator', desk: 'figures' }],
    ['back-end-pays', { from: 'backend', desk: 'figures' }],
  ]) {
    const body = { policy, facts: ['pin'], purposes: [PURPOSE], transaction };
    expect((await send(world, 'POST', '/v1/policies', { token: bank.apiKey, body })).status).toBe(200);
  }
});
afterEach(() => world.close());
afterAll(endProver);

const ORDER: Transaction = {
  amount: '4350',
  currency: 'USD',
  payee: 'Night Owl Books',
  lines: [
    { text: 'Field notes', quantity: 2, amount: '3900' },
    { text: 'Delivery', quantity: 1, amount: '450' },
  ],
};

const start = (token: string, changes: Readonly<Record<string, unknown>> = {}) =>
  send(world, 'POST', '/v1/verifications', { token, body: startOf('customer-1', changes) });
const read = (token: string, id: string) => send(world, 'GET', `/v1/verifications/${id}`, { token });
const evidenceOf = (token: string, id: string) =>
  send(world, 'GET', `/v1/verifications/${id}/evidence`, { token });

/** What the phone was sent of a verification. */
async function requestOf(id: string) {
  return decodeJwt(textOf(await phone.call('GET', `/v1/requests/${id}`), 'request'));
}

/** Answers as the customer; `code` as the operator speaks it. */
async function pass(id: string, code?: string) {
  const opened = await phone.call('POST', `/v1/requests/${id}/accept`);
  const presentation = await makePresentation(phone, { opened, ...(code === undefined ? {} : { code }) });
  return phone.call('POST', `/v1/requests/${id}/presentation`, presentation);
}

/** Checked like a back end would: under the published keys. */
async function signedEvidence(id: string) {
  const { json, status } = await evidenceOf(bank.apiKey, id);
  expect(status).toBe(200);
  const keys = (await send(world, 'GET', '/v1/jwks')).json.keys as (PublicJwk & { kid: string })[];
  const jws = String(json.evidence);
  const content = await verifyJws('evidence', jws, (kid) => keys.find((key) => key.kid === kid));
  return { evidence: parseEvidence(content), salt: json.salt, jws };
}

describe('a start with a transaction', () => {
  test('is for the back end under every policy, and puts all of it into the signed request', async () => {
    const started = await start(bank.apiKey, { transaction: ORDER });
    expect(started.status).toBe(201);
    expect(await requestOf(textOf(started, 'verification'))).toMatchObject({ transaction: ORDER });
  });

  test('is for operators where the policy says so, and nowhere else', async () => {
    for (const policy of ['knows-pin', 'back-end-pays']) {
      expect(refusal(await start(bank.session, { policy, transaction: ORDER }))).toBe('403 forbidden');
      expect((await start(bank.session, { policy })).status).toBe(201);
      expect((await start(bank.apiKey, { policy, transaction: ORDER })).status).toBe(201);
    }
    for (const policy of ['operators-pay', 'desks-see']) {
      expect((await start(bank.session, { policy, transaction: ORDER })).status).toBe(201);
    }
  });

  test('whose lines do not add up, or whose currency is none, does not happen', async () => {
    for (const wrong of [
      { ...ORDER, amount: '4351' },
      { ...ORDER, currency: 'XXX' },
      { ...ORDER, lines: [] },
    ]) {
      expect(refusal(await start(bank.apiKey, { transaction: wrong }))).toBe('400 malformed');
    }
    expect((await phone.call('GET', '/v1/requests')).json).toEqual({ requests: [] });
  });

  test('a rule of transactions that is none is refused with its policy', async () => {
    for (const transaction of [{}, { from: 'operator' }, { from: 'phone', desk: 'hidden' }, 'hidden', null]) {
      const body = { policy: 'p', facts: ['pin'], purposes: [PURPOSE], transaction };
      const answer = await send(world, 'POST', '/v1/policies', { token: bank.apiKey, body });
      expect(refusal(answer)).toBe('400 malformed');
    }
  });
});

describe('what of a transaction is shown', () => {
  const figures = async (token: string, id: string) => {
    const { transaction } = (await read(token, id)).json as { transaction?: { figures?: unknown } };
    return transaction?.figures;
  };

  test('to the back end: the figures until the verdict, then the hash', async () => {
    const id = textOf(await start(bank.apiKey, { transaction: ORDER }), 'verification');
    const { transaction } = (await read(bank.apiKey, id)).json;
    expect(transaction).toEqual({ hash: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/), figures: ORDER });
    await phone.call('POST', `/v1/requests/${id}/decline`);
    const { hash } = transaction as { hash: string };
    expect((await read(bank.apiKey, id)).json).toMatchObject({ verdict: 'declined', transaction: { hash } });
    expect(await figures(bank.apiKey, id)).toBeUndefined();
  });

  test('to a desk: the hash, and the figures only under a policy that says so', async () => {
    const shown = textOf(
      await start(bank.session, { policy: 'desks-see', transaction: ORDER }),
      'verification',
    );
    const hidden = await start(bank.session, { policy: 'operators-pay', transaction: ORDER });
    expect(hidden.json.transaction).toEqual({ hash: expect.any(String) });
    expect(await figures(bank.session, shown)).toEqual(ORDER);
    expect(await figures(bank.session, textOf(hidden, 'verification'))).toBeUndefined();
    const list = await send(world, 'GET', '/v1/verifications', { token: bank.session });
    expect(list.text.split('Night Owl Books')).toHaveLength(2);
  });

  test('nothing, where there is none', async () => {
    expect((await start(bank.apiKey)).json).not.toHaveProperty('transaction');
  });

  test('by a hash that cannot be held against figures without the salt', async () => {
    const [one, two] = [
      await start(bank.apiKey, { transaction: ORDER }),
      await start(bank.apiKey, { transaction: ORDER }),
    ].map(({ json }) => (json.transaction as { hash: string }).hash);
    expect(one).not.toBe(two);
    const unsalted = transactionHash(ORDER, new Uint8Array(32));
    expect([one, two]).not.toContain(base64url.encode(unsalted));
  });
});

describe('a start by the back end for an operator', () => {
  test('names the operator on the phone and gives them the code; the back end gets none', async () => {
    const made = await start(bank.apiKey, { operator: bank.operator, transaction: ORDER });
    const id = textOf(made, 'verification');
    expect(made.json.code).toBeUndefined();
    expect(await requestOf(id)).toMatchObject({ operator: 'Sato', transaction: ORDER });
    const atDesk = (await read(bank.session, id)).json;
    expect(atDesk).toMatchObject({ verification: id, code: expect.stringMatching(/^[0-9]{6}$/) });
    // All but what is random, and could have these digits by chance.
    expect(atDesk.transaction).toEqual({ hash: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) });
    expect(JSON.stringify({ ...atDesk, verification: '', code: '', transaction: '' })).not.toContain('4350');
    const list = await send(world, 'GET', '/v1/verifications', { token: bank.session });
    expect(list.json.verifications).toMatchObject([{ verification: id }]);
    const other = await addOperator(world, 'bank', 'Suzuki');
    expect(refusal(await read(other, id))).toBe('404 not_found');
    expect((await pass(id, String(atDesk.code))).json).toMatchObject({ verdict: 'passed' });
    const [said] = (await auditOf(world, 'bank')).filter(({ event }) => event === 'verification.started');
    expect(said).toMatchObject({ actor: { kind: 'backend' }, operator: bank.operator });
  });

  test('is for nobody else, and for no operator of another tenant', async () => {
    const shop = await openTenant(world, 'shop');
    expect(refusal(await start(bank.apiKey, { operator: shop.operator }))).toBe('404 not_found');
    expect(refusal(await start(bank.session, { operator: bank.operator }))).toBe('403 forbidden');
    const inbound = { mode: 'precall', operator: bank.operator };
    expect(refusal(await start(bank.apiKey, inbound))).toBe('403 forbidden');
  });
});

describe('evidence', () => {
  const paid = async (changes = {}) => {
    const started = await start(bank.apiKey, { transaction: ORDER, ...changes });
    const id = textOf(started, 'verification');
    await pass(id, textOf(started, 'code'));
    return id;
  };

  test('of a pass says what was proven and agreed to, and nothing of who', async () => {
    const id = await paid({ policy: 'desks-see' });
    world.clock.now += 30;
    const { evidence, salt, jws } = await signedEvidence(id);
    const hash = transactionHash(ORDER, base64url.decode(String(salt)));
    expect(evidence).toEqual({
      iss: ORIGIN,
      jti: id,
      tenant: 'bank',
      purpose: 'transfer',
      policy: { id: 'desks-see', version: 1 },
      mode: 'call',
      direction: 'inbound',
      verdict: 'passed',
      transactionHash: base64url.encode(hash),
      facts: [{ fact: 'pin', version: 1 }],
      factors: ['knowledge', 'possession'],
      decidedAt: world.clock.now - 30,
      iat: world.clock.now,
    });
    expect(decodeProtectedHeader(jws)).toMatchObject({ alg: 'ES256', typ: 'akashi-evidence+jwt' });
    expect((await read(bank.apiKey, id)).json.transaction).toEqual({ hash: evidence.transactionHash });
    // Both were compared; they are random, and could have one of these by chance.
    const said = JSON.stringify({ ...decodeJwt(jws), jti: '', transactionHash: '' });
    for (const secret of ['customer-1', 'Sato', '4350', 'Owl', phone.thumbprint, 'call-1', String(salt)]) {
      expect(said).not.toContain(secret);
    }
  });

  test('names the version of the policy that was in force at the start', async () => {
    const started = await start(bank.apiKey);
    const body = { policy: 'knows-pin', facts: ['pin', 'account'], purposes: [PURPOSE] };
    await send(world, 'POST', '/v1/policies', { token: bank.apiKey, body });
    const id = textOf(started, 'verification');
    await pass(id, textOf(started, 'code'));
    expect((await signedEvidence(id)).evidence).toMatchObject({
      policy: { id: 'knows-pin', version: 1 },
      facts: [{ fact: 'pin', version: 1 }],
    });
  });

  test('without a transaction has no hash and no salt', async () => {
    const started = await start(bank.apiKey);
    const id = textOf(started, 'verification');
    await pass(id, textOf(started, 'code'));
    const { evidence, salt } = await signedEvidence(id);
    expect(evidence).not.toHaveProperty('transactionHash');
    expect(salt).toBeUndefined();
  });

  test('of a verdict that is no pass shows nothing proven', async () => {
    const id = textOf(await start(bank.session), 'verification');
    await phone.call('POST', `/v1/requests/${id}/decline`);
    const { evidence } = await signedEvidence(id);
    expect(evidence).toMatchObject({ verdict: 'declined', facts: [], factors: [] });
  });

  test('is not there before the verdict', async () => {
    const id = textOf(await start(bank.apiKey, { transaction: ORDER }), 'verification');
    expect(refusal(await evidenceOf(bank.apiKey, id))).toBe('409 no_verdict');
    await phone.call('POST', `/v1/requests/${id}/accept`);
    expect(refusal(await evidenceOf(bank.apiKey, id))).toBe('409 no_verdict');
  });

  test('of a pre-call pass is there once it is claimed; of one that was voided never', async () => {
    const precall = { mode: 'precall', transaction: ORDER };
    const [claimed, voided] = [
      textOf(await start(bank.apiKey, precall), 'verification'),
      textOf(await start(bank.apiKey, { ...precall, purpose: 'transfer' }), 'verification'),
    ];
    const { claim } = (await pass(claimed)).json as { claim?: { code: string } };
    await pass(voided);
    for (const id of [claimed, voided]) {
      expect(refusal(await evidenceOf(bank.apiKey, id))).toBe('409 no_verdict');
    }
    const body = {
      subject: 'customer-1',
      purpose: 'transfer',
      direction: 'inbound',
      call: 'call-1',
      code: claim?.code,
    };
    const answer = await send(world, 'POST', '/v1/claims', { token: bank.session, body });
    expect(answer.json).toMatchObject({ verdict: 'passed', transaction: { hash: expect.any(String) } });
    expect(answer.text).not.toContain('Night Owl');
    expect((await signedEvidence(claimed)).evidence).toMatchObject({ mode: 'precall', verdict: 'passed' });
    world.clock.now += 601;
    expect(refusal(await evidenceOf(bank.apiKey, voided))).toBe('409 no_verdict');
  });

  test('is for the tenant’s back end alone', async () => {
    const shop = await openTenant(world, 'shop');
    const id = await paid();
    expect(refusal(await evidenceOf(shop.apiKey, id))).toBe('404 not_found');
    expect(refusal(await evidenceOf(bank.session, id))).toBe('403 forbidden');
    expect(refusal(await evidenceOf('ak_unknown', id))).toBe('401 unauthorized');
    expect(refusal(await evidenceOf(bank.apiKey, 'A'.repeat(22)))).toBe('404 not_found');
    expect(refusal(await phone.call('GET', `/v1/verifications/${id}/evidence`))).toBe('401 unauthorized');
    const posted = await send(world, 'POST', `/v1/verifications/${id}/evidence`, { token: bank.apiKey });
    expect(refusal(posted)).toBe('405 method_not_allowed');
  });
});
