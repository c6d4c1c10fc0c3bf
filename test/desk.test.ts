import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  newAccount,
  openWorld,
  type Phone,
  policyOf,
  startOf,
  type TestTenant,
  type World,
} from './harness.ts';
import { refusal } from './refusal.ts';

// Operators who are curious, malicious, or simply too many: what a desk can see, what it can do, and how often.

let world: World;
let bank: TestTenant;
let phone: Phone;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  phone = await bank.phone('customer-1');
});

afterAll(() => world.close());

describe('a curious operator', () => {
  test('sees what this operator started, and nothing of a colleague’s', async () => {
    const [one, two] = [await bank.desk('Sato'), await bank.desk('Suzuki')];
    const { verification } = await one.start(startOf(phone.subject));
    expect(await refusal(two.verification(verification))).toMatchObject({ code: 'not_found' });
    expect(await refusal(two.cancel(verification))).toMatchObject({ code: 'not_found' });
    expect(await two.verifications()).toEqual([]);
    expect(await one.verifications()).toMatchObject([{ verification }]);
    await one.cancel(verification);
  });

  test('cannot do what only the tenant’s back end may', async () => {
    const { session } = await bank.desk();
    const jwk = { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) };
    const calls = [
      ['POST', '/v1/enrolments', { subject: phone.subject }],
      ['POST', '/v1/issuers', { jwk }],
      ['POST', '/v1/policies', { policy: 'none', facts: ['pin'], purposes: [] }],
      ['GET', `/v1/devices?subject=${phone.subject}`, undefined],
      ['DELETE', `/v1/devices/${phone.holder.enrolled?.device}`, undefined],
    ] as const;
    for (const [method, path, body] of calls) {
      const answer = await fetch(`${world.origin}${path}`, {
        method,
        headers: { Authorization: `Bearer ${session?.session}`, 'Content-Type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      expect([answer.status, (await answer.json()).code], path).toEqual([403, 'forbidden']);
    }
  });

  test('cannot pass anyone by hand: a verdict comes from a presentation and from nowhere else', async () => {
    const desk = await bank.desk();
    const { verification, code = '' } = await desk.start(startOf(phone.subject));
    const { session } = desk;
    const headers = { Authorization: `Bearer ${session?.session}`, 'Content-Type': 'application/json' };
    const tries = [
      ['PUT', `/v1/verifications/${verification}`],
      ['PATCH', `/v1/verifications/${verification}`],
      ['POST', `/v1/verifications/${verification}`],
      ['POST', `/v1/verifications/${verification}/pass`],
      ['POST', `/v1/requests/${verification}/accept`],
      ['POST', `/v1/requests/${verification}/presentation`],
    ] as const;
    for (const [method, path] of tries) {
      const body = JSON.stringify({ state: 'done', verdict: 'passed', code });
      const answer = await fetch(`${world.origin}${path}`, { method, headers, body });
      expect([401, 404, 405], path).toContain(answer.status);
    }
    const claim = {
      subject: phone.subject,
      purpose: 'identify',
      direction: 'inbound',
      call: 'c',
      code,
    } as const;
    expect(await refusal(desk.claim(claim))).toMatchObject({ code: 'claim_refused' });
    expect(await desk.cancel(verification)).toMatchObject({ verdict: 'cancelled' });
  });

  test('is logged in for fifteen minutes of doing nothing, watching included', async () => {
    const desk = await bank.desk();
    const { verification } = await desk.start(startOf(phone.subject));
    for (let minute = 0; minute < 14; minute++) {
      world.advance(60);
      await desk.verification(verification);
    }
    world.advance(61);
    expect(await refusal(desk.verification(verification))).toMatchObject({ code: 'unauthorized' });
    expect(desk.session).toBeNull();
  });
});

describe('too many', () => {
  test('starts: sixty a minute for one operator, whoever they are about; colleagues go on', async () => {
    const [busy, colleague] = [await bank.desk(), await bank.desk()];
    for (let i = 0; i < 60; i++) {
      const subject = i % 2 === 0 ? phone.subject : `unknown-${i}`;
      await busy.start(startOf(subject)).catch(() => undefined);
    }
    for (const subject of [phone.subject, 'unknown-60']) {
      const refused = await refusal(busy.start(startOf(subject)));
      expect(refused).toMatchObject({ code: 'rate_limited', status: 429 });
      expect(refused.retryAfter).toBeGreaterThan(0);
    }
    const { verification } = await colleague.start(startOf(phone.subject));
    await colleague.cancel(verification);
    world.advance(60);
    await busy.cancel((await busy.start(startOf(phone.subject))).verification);
  });

  test('notices: the sixth in ten minutes stays away, the request does not', async () => {
    const pestered = await bank.phone('pestered');
    const desk = await bank.desk();
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push((await desk.start(startOf('pestered'))).verification);
    const told = world.notices.filter(({ subject }) => subject === 'pestered');
    expect(told.map(({ verification }) => verification)).toEqual(ids.slice(0, 5));
    expect((await pestered.holder.requests()).map(({ id }) => id).sort()).toEqual([...ids].sort());
  });

  test('enrolments: ten an hour for one customer', async () => {
    for (let i = 0; i < 10; i++) await bank.issuer.requestEnrolment('eager');
    expect(await refusal(bank.issuer.requestEnrolment('eager'))).toMatchObject({ code: 'rate_limited' });
    await bank.issuer.requestEnrolment('somebody-else');
    world.advance(3_600);
    await bank.issuer.requestEnrolment('eager');
  });
});

test('what was asked is what is proven: the phone shows it, and another account does not do', async () => {
  const asked = newAccount('Asked for');
  const owner = await bank.phone('owner', { accounts: [asked] });
  const other = await bank.phone('not-owner');
  const desk = await bank.desk();
  const accountRef = await bank.issuer.accountReference(asked.number);
  const rest = { policy: policyOf('account'), accountRef };
  const shown = await desk.start(startOf(owner.subject, rest));
  const code = shown.code ?? '';
  expect(await owner.holder.present(shown.verification, { code })).toMatchObject({ verdict: 'passed' });
  const wrong = await desk.start(startOf(other.subject, rest));
  const refused = await refusal(other.holder.present(wrong.verification, { code: wrong.code ?? '' }));
  expect(refused).toMatchObject({ code: 'account_unknown' });
});
