import type { ClaimsSchema } from '@akashi/circuits';
import { claimText, type Holder } from '@akashi/sdk/holder';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CUSTOMER,
  EVERY_FACT,
  listClaims,
  newClaims,
  openWorld,
  type Phone,
  PURPOSES,
  policyOf,
  startOf,
  type TestTenant,
  type World,
} from './harness.ts';

// Claims from the tenant's records to the desk's "passed", through the packages that people use.

let world: World;
let bank: TestTenant;
let phone: Phone;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  phone = await bank.phone('customer-1', { claims: newClaims() });
});

afterAll(() => world.close());

/** One call about these facts: what the phone says, and what comes of it. */
async function call(
  { holder, subject, pin }: Phone,
  policy: string,
): Promise<{
  readonly said: readonly string[];
  readonly verdict: string | null;
  readonly factors: readonly string[];
}> {
  const { verification, code = '' } = await bank.issuer.start(startOf(subject, { policy }));
  const { asked } = await holder.accept(verification);
  await holder.present(verification, { code, pin });
  const { verdict, factors } = await bank.issuer.verification(verification);
  const claims = asked?.claims ?? [];
  return {
    said: claims.flatMap((claim) => [claimText(claim, 'ja'), claimText(claim, 'en')]),
    verdict,
    factors,
  };
}

async function revouch(holder: Holder, subject: string, claims: ReturnType<typeof newClaims>): Promise<void> {
  await holder.refreshClaims(async (receipt) => [
    listClaims(await bank.issuer.issueClaims({ receipt, subject, schema: CUSTOMER, claims })),
  ]);
}

test('every fact in one presentation passes, and the phone says in both languages what is asked', async () => {
  const { said, verdict, factors } = await call(phone, EVERY_FACT);
  expect({ verdict, factors }).toEqual({ verdict: 'passed', factors: ['knowledge', 'possession'] });
  expect(said).toHaveLength(4);
  expect(said[0]).toMatch(/^生年月日：\d{4}年\d{1,2}月\d{1,2}日以降、\d{4}年\d{1,2}月\d{1,2}日以前$/);
  expect(said[1]).toMatch(/^Date of birth: between \w+ \d{1,2}, \d{4} and \w+ \d{1,2}, \d{4}$/);
  expect(said.slice(2)).toEqual([
    '都道府県：東京都、神奈川県のいずれか',
    'Prefecture: one of: Tokyo, Kanagawa',
  ]);
});

test('what was prepared while nobody asked is what is shown', async () => {
  await phone.holder.prepare();
  const progress: string[] = [];
  const { verification, code = '' } = await bank.issuer.start(
    startOf(phone.subject, { policy: policyOf('range') }),
  );
  await phone.holder.present(verification, { code, onProgress: ({ stage }) => progress.push(stage ?? '') });
  expect(await bank.issuer.verification(verification)).toMatchObject({ verdict: 'passed' });
  // Neither a key was loaded nor anything proven: it was only bound.
  expect(progress.filter((stage) => stage !== '')).toEqual([]);
});

describe('a customer who', () => {
  test('cannot show what is asked is told so, and the desk learns nothing', async () => {
    const young = await bank.phone('customer-2', {
      claims: newClaims({ born: '2020-01-01', prefecture: '27' }),
    });
    for (const fact of ['range', 'member'] as const) {
      const { verification, code = '' } = await bank.issuer.start(
        startOf(young.subject, { policy: policyOf(fact) }),
      );
      await expect(young.holder.present(verification, { code })).rejects.toMatchObject({
        code: 'claim_unmet',
      });
      expect(await bank.issuer.verification(verification)).toMatchObject({
        state: 'accepted',
        verdict: null,
      });
      await young.holder.decline(verification);
    }
  });

  test('has no claims, or claims under another version of the schema, is told to have them vouched for', async () => {
    const bare = await bank.phone('customer-3');
    await expect(call(bare, policyOf('range'))).rejects.toMatchObject({ code: 'claim_unknown' });
    const schema: ClaimsSchema = { ...structuredClone(CUSTOMER), version: 2, claims: [...CUSTOMER.claims] };
    await bare.holder.refreshClaims(async (receipt) => [
      await bank.issuer.issueClaims({ receipt, subject: bare.subject, schema, claims: newClaims() }),
    ]);
    await expect(call(bare, policyOf('range'))).rejects.toMatchObject({ code: 'claim_unknown' });
    await revouch(bare.holder, bare.subject, newClaims());
    expect(await call(bare, policyOf('range'))).toMatchObject({ verdict: 'passed', factors: ['possession'] });
  });

  test('moved is asked by what was vouched for last', async () => {
    const moving = await bank.phone('customer-4', { claims: newClaims({ prefecture: '27' }) });
    await expect(call(moving, policyOf('member'))).rejects.toMatchObject({ code: 'claim_unmet' });
    await revouch(moving.holder, moving.subject, newClaims({ prefecture: '14' }));
    expect(await call(moving, policyOf('member'))).toMatchObject({ verdict: 'passed' });
  });
});

test('the claims of another customer, of another tenant, or over another receipt are not taken over', async () => {
  const shop = await world.tenant('shop');
  const guest = await shop.phone('customer-1');
  const claims = newClaims();
  const wrong = { code: 'receipt_invalid' };
  await expect(
    phone.holder.refreshClaims(async (receipt) => [
      await bank.issuer.issueClaims({ receipt, subject: 'customer-2', schema: CUSTOMER, claims }),
    ]),
  ).rejects.toMatchObject(wrong);
  await expect(
    guest.holder.refreshClaims(async (receipt) => [
      await bank.issuer.issueClaims({ receipt, subject: 'customer-1', schema: CUSTOMER, claims }),
    ]),
  ).rejects.toMatchObject(wrong);
  let foreign: unknown[] = [];
  await guest.holder.refreshClaims(async (receipt) => {
    foreign = [await shop.issuer.issueClaims({ receipt, subject: 'customer-1', schema: CUSTOMER, claims })];
    return foreign;
  });
  const taking = phone.holder.refreshClaims(async () => foreign);
  await expect(taking).rejects.toMatchObject({ code: 'unexpected_answer' });
});

test('a policy about claims is the same for the desk that reads it', async () => {
  const desk = await bank.desk();
  const policies = await desk.policies();
  expect(policies.find(({ policy }) => policy === policyOf('member'))).toMatchObject({
    facts: [{ fact: 'member', schema: CUSTOMER, claim: 'prefecture', values: ['13', '14'] }],
    purposes: PURPOSES,
  });
});
