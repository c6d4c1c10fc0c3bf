import type { Verification } from '@akashi/circuits';
import type { Agent } from '@akashi/sdk/agent';
import { memoryStorage, openHolder } from '@akashi/sdk/holder';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  listingFetch,
  newAccount,
  newPin,
  openWorld,
  type Phone,
  policyOf,
  startOf,
  type TestTenant,
  type World,
} from './harness.ts';
import { prover } from './proofs.ts';
import { refusal } from './refusal.ts';

// What belongs to a device: its PIN, its accounts, its end, and other devices of the same customer.

let world: World;
let bank: TestTenant;
let desk: Agent;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  desk = await bank.desk();
});

afterAll(() => world.close());

const PIN_ONLY = { policy: policyOf('pin') } as const;
const ACCOUNT_ONLY = { policy: policyOf('account') } as const;

function spoken({ code }: Verification): string {
  if (code === undefined) throw new Error('the desk shows no code');
  return code;
}

/** One verification from start to verdict. */
async function verify({ holder, subject }: Phone, pin: string, rest: object = PIN_ONLY) {
  const started = await desk.start(startOf(subject, rest));
  return holder.present(started.verification, { code: spoken(started), pin });
}

describe('PIN', () => {
  test('a wrong one costs a try and no attempt; the phone says how many are left', async () => {
    const phone = await bank.phone('wrong-pin');
    const started = await desk.start(startOf(phone.subject, PIN_ONLY));
    const options = { code: spoken(started), pin: newPin() };
    const wrong = await refusal(phone.holder.present(started.verification, options));
    expect(wrong).toMatchObject({ code: 'pin_wrong', triesLeft: 4 });
    // Typed again it is the same guess.
    const again = await refusal(phone.holder.present(started.verification, options));
    expect(again).toMatchObject({ code: 'pin_wrong', triesLeft: 4 });
    const right = { ...options, pin: phone.pin };
    expect(await phone.holder.present(started.verification, right)).toMatchObject({ verdict: 'passed' });
    expect(await phone.holder.status()).toMatchObject({ triesLeft: 5 });
  });

  test('five wrong ones lock it, and the right one is refused from then on', async () => {
    const phone = await bank.phone('locked');
    const started = await desk.start(startOf(phone.subject, PIN_ONLY));
    for (const triesLeft of [4, 3, 2, 1, 0]) {
      const options = { code: spoken(started), pin: newPin() };
      const wrong = await refusal(phone.holder.present(started.verification, options));
      expect(wrong).toMatchObject({ code: 'pin_wrong', triesLeft });
    }
    const right = { code: spoken(started), pin: phone.pin };
    expect(await refusal(phone.holder.present(started.verification, right))).toMatchObject({
      code: 'pin_locked',
    });
    expect(await refusal(verify(phone, phone.pin))).toMatchObject({ code: 'pin_locked' });
    const change = phone.holder.changePin({ current: phone.pin, next: newPin() });
    expect(await refusal(change)).toMatchObject({ code: 'pin_locked' });
    // What the device holds besides still works: the lock is the fact's.
    expect(await verify(phone, phone.pin, ACCOUNT_ONLY)).toMatchObject({ verdict: 'passed' });
    expect(await phone.holder.status()).toMatchObject({ triesLeft: 0 });
    // A new enrolment is the way out.
    const again = await bank.phone('locked');
    expect(await verify(again, again.pin)).toMatchObject({ verdict: 'passed' });
  });

  test('the lock refuses evaluations, not the proof made from the last counted one', async () => {
    const phone = await bank.phone('last-try');
    const started = await desk.start(startOf(phone.subject, PIN_ONLY));
    for (let i = 0; i < 4; i++) {
      await refusal(phone.holder.present(started.verification, { code: spoken(started), pin: newPin() }));
    }
    const last = await phone.holder.present(started.verification, { code: spoken(started), pin: phone.pin });
    expect(last).toMatchObject({ verdict: 'passed' });
    expect(await phone.holder.status()).toMatchObject({ triesLeft: 5 });
  });

  test('it is changed by who knows the old one; afterwards only the new one holds', async () => {
    const phone = await bank.phone('change');
    const next = newPin();
    const wrong = await refusal(phone.holder.changePin({ current: newPin(), next }));
    expect(wrong).toMatchObject({ code: 'pin_wrong', triesLeft: 4 });
    await phone.holder.changePin({ current: phone.pin, next });
    expect(await phone.holder.status()).toMatchObject({ triesLeft: 5 });
    expect(await refusal(verify(phone, phone.pin))).toMatchObject({ code: 'pin_wrong' });
    expect(await verify(phone, next)).toMatchObject({ verdict: 'passed' });
    expect(await refusal(phone.holder.changePin({ current: next, next: '123456' }))).toMatchObject({
      code: 'pin_weak',
    });
  });
});

describe('accounts', () => {
  test('one may stay hidden, one may be asked for, and one of somebody else is not shown', async () => {
    const [first, second] = [newAccount('First'), newAccount('Second')];
    const phone = await bank.phone('accounts', { accounts: [first, second] });
    const somebody = await bank.phone('somebody');
    expect(await verify(phone, phone.pin, ACCOUNT_ONLY)).toMatchObject({ verdict: 'passed' });
    for (const { number } of [first, second]) {
      const accountRef = await bank.issuer.accountReference(number);
      const shown = await verify(phone, phone.pin, { ...ACCOUNT_ONLY, accountRef });
      expect(shown).toMatchObject({ verdict: 'passed' });
    }
    const [other] = somebody.accounts;
    const accountRef = await bank.issuer.accountReference(other?.number ?? '');
    const refused = await refusal(verify(phone, phone.pin, { ...ACCOUNT_ONLY, accountRef }));
    expect(refused).toMatchObject({ code: 'account_unknown' });
  });

  test('they are issued anew, and the new ones are shown', async () => {
    const phone = await bank.phone('refresh');
    const added = newAccount('Added');
    const accounts = [...phone.accounts, added];
    const enrolled = await phone.holder.refreshAccounts((receipt) =>
      bank.issuer.issueAccounts({ receipt, subject: phone.subject, accounts }),
    );
    expect(enrolled.accounts).toEqual([{ label: 'Ordinary' }, { label: 'Added' }]);
    const accountRef = await bank.issuer.accountReference(added.number);
    const shown = await verify(phone, phone.pin, { ...ACCOUNT_ONLY, accountRef });
    expect(shown).toMatchObject({ verdict: 'passed' });
  });

  test('an expired credential is not even sent; a fresh one helps', async () => {
    const phone = await bank.phone('expired-accounts');
    const issue = (lifetimeSeconds: number) =>
      phone.holder.refreshAccounts((receipt) =>
        bank.issuer.issueAccounts({
          receipt,
          subject: phone.subject,
          accounts: phone.accounts,
          lifetimeSeconds,
        }),
      );
    await issue(60);
    world.advance(61);
    expect(await refusal(verify(phone, phone.pin, ACCOUNT_ONLY))).toMatchObject({
      code: 'credential_expired',
    });
    await issue(60);
    expect(await verify(phone, phone.pin, ACCOUNT_ONLY)).toMatchObject({ verdict: 'passed' });
  });

  test('what another customer was issued is not taken over', async () => {
    const somebody = await bank.phone('issued-to');
    const phone = await bank.phone('not-issued-to');
    const receipts: string[] = [];
    await somebody.holder.refreshAccounts((receipt) => {
      receipts.push(receipt);
      return bank.issuer.issueAccounts({ receipt, subject: somebody.subject, accounts: somebody.accounts });
    });
    const [receipt = ''] = receipts;
    // The back end refuses a receipt that is not of the customer who is logged in.
    const asked = bank.issuer.issueAccounts({ receipt, subject: phone.subject, accounts: phone.accounts });
    expect(await refusal(asked)).toMatchObject({ code: 'receipt_invalid' });
    // And the phone refuses what was issued over another receipt.
    const { accounts, subject } = somebody;
    const taken = phone.holder.refreshAccounts(() =>
      bank.issuer.issueAccounts({ receipt, subject, accounts }),
    );
    expect(await refusal(taken)).toMatchObject({ code: 'unexpected_answer' });
  });
});

describe('devices', () => {
  test('of two phones of one customer the first to accept owns the verification', async () => {
    const one = await bank.phone('two-phones');
    const two = await bank.phone('two-phones');
    const started = await desk.start(startOf(one.subject, PIN_ONLY));
    const id = started.verification;
    expect((await one.holder.requests()).length).toBe(1);
    expect((await two.holder.requests()).length).toBe(1);
    await one.holder.accept(id);
    const options = { code: spoken(started), pin: two.pin };
    expect(await refusal(two.holder.present(id, options))).toMatchObject({ code: 'accepted_elsewhere' });
    expect(await refusal(two.holder.decline(id))).toMatchObject({ code: 'accepted_elsewhere' });
    expect(await two.holder.requests()).toEqual([]);
    const passed = await one.holder.present(id, { code: spoken(started), pin: one.pin });
    expect(passed).toMatchObject({ verdict: 'passed' });
  });

  test('an older device hears of a newer one and stops it; not the other way round', async () => {
    const old = await bank.phone('stolen-mail');
    world.advance(2);
    const fresh = await bank.phone('stolen-mail');
    const { newer } = await old.holder.status();
    expect(newer.map(({ device }) => device)).toEqual([fresh.holder.enrolled?.device]);
    expect((await fresh.holder.status()).newer).toEqual([]);
    const backwards = fresh.holder.stopDevice(old.holder.enrolled?.device ?? '');
    expect(await refusal(backwards)).toMatchObject({ code: 'not_found' });
    await old.holder.stopDevice(fresh.holder.enrolled?.device ?? '');
    expect(await refusal(fresh.holder.status())).toMatchObject({ code: 'device_revoked' });
    expect(await verify(old, old.pin)).toMatchObject({ verdict: 'passed' });
  });

  test('a day later the newer device is no news any more', async () => {
    const old = await bank.phone('day-later');
    world.advance(2);
    const fresh = await bank.phone('day-later');
    world.advance(86_401);
    expect((await old.holder.status()).newer).toEqual([]);
    const late = old.holder.stopDevice(fresh.holder.enrolled?.device ?? '');
    expect(await refusal(late)).toMatchObject({ code: 'not_found' });
    // No session outlives a night.
    expect(await refusal(desk.policies())).toMatchObject({ code: 'unauthorized' });
    desk = await bank.desk();
  });

  test('a removed device is forgotten on both sides', async () => {
    const phone = await bank.phone('removed');
    await phone.holder.remove();
    expect(phone.holder.enrolled).toBeNull();
    expect(phone.holder.storageLost).toBe(false);
    expect(await refusal(desk.start(startOf(phone.subject)))).toMatchObject({ code: 'no_device' });
    const devices = await bank.issuer.devices(phone.subject);
    expect(devices.map(({ state }) => state)).toEqual(['revoked']);
  });

  test('a device that the tenant revokes has no say any more, in open verifications neither', async () => {
    const phone = await bank.phone('revoked');
    const started = await desk.start(startOf(phone.subject, PIN_ONLY));
    await phone.holder.accept(started.verification);
    await bank.issuer.revokeDevice(phone.holder.enrolled?.device ?? '');
    const options = { code: spoken(started), pin: phone.pin };
    const refused = await refusal(phone.holder.present(started.verification, options));
    expect(refused).toMatchObject({ code: 'device_revoked' });
    expect(await desk.verification(started.verification)).toMatchObject({ verdict: null });
  });

  test('an enrolment link is good once, for ten minutes, and an interrupted one leaves nothing', async () => {
    const { issuer } = bank;
    const storage = memoryStorage();
    const holder = await openHolder({ verifier: world.origin, storage, prover, fetch: listingFetch });
    const exchange = (receipt: string) =>
      issuer.issueAccounts({ receipt, subject: 'links', accounts: [newAccount()] });
    const { fragment } = await issuer.requestEnrolment('links');
    const interrupted = holder.enrol({
      link: fragment,
      pin: newPin(),
      exchange: () => Promise.reject(new Error('the bank does not answer')),
    });
    await expect(interrupted).rejects.toThrow('the bank does not answer');
    expect(holder.enrolled).toBeNull();
    expect(await refusal(desk.start(startOf('links')))).toMatchObject({ code: 'no_device' });
    const used = holder.enrol({ link: fragment, pin: newPin(), exchange });
    expect(await refusal(used)).toMatchObject({ code: 'enrolment_refused' });
    const late = await issuer.requestEnrolment('links');
    world.advance(601);
    const expired = holder.enrol({ link: late.fragment, pin: newPin(), exchange });
    expect(await refusal(expired)).toMatchObject({ code: 'enrolment_refused' });
  });
});
