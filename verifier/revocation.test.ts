import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  openTenant,
  openWorld,
  reasonsOf,
  send,
  signCredential,
  type TenantFixture,
  type World,
} from './app-fixtures.ts';
import { newIssuerKey, Publisher } from './issuer-fixtures.ts';
import { type EnrolledPhone, enrolPhone, type IssuedAccount, issueAccount } from './phone-fixtures.ts';
import { makePresentation, startAccepted } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';

// What became of a credential after it was issued, as presentations meet it.

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;
let publisher: Publisher;
let account: IssuedAccount;

beforeEach(async () => {
  publisher = await Publisher.open('https://bank.example/akashi/', () => world.clock.now);
  world = await openWorld({ read: (document, signal) => publisher.answer(document, signal) });
  bank = await openTenant(world, 'bank');
  publisher.keys = [{ ...bank.issuer }];
  publisher.signer = bank.issuer;
  const { jwks, statusLists } = publisher;
  await send(world, 'PUT', '/v1/issuers/source', { token: bank.apiKey, body: { jwks, statusLists } });
  await send(world, 'DELETE', `/v1/issuers/${bank.issuer.kid}`, { token: bank.apiKey });
  phone = await enrolPhone(world, bank, 'customer-1', '8035174926');
  account = await issueAccount(world, bank, phone);
});
afterEach(() => world.close());
afterAll(endProver);

const signed = (key = bank.issuer, claims: object = { status: publisher.place(7) }) =>
  signCredential(world, bank, { ...account.claims, iss: key.kid, ...claims }, key);

/** One whole verification with this credential: its verdict, or why its first attempt failed. */
async function verdictOf(credential: string, beforePost = async () => {}): Promise<unknown> {
  const seen = (await reasonsOf(world, 'bank')).length;
  // A fresh nonce, however long ago the last call was.
  await phone.call('GET', '/v1/devices/current');
  const { code, opened, path } = await startAccepted(world, bank, phone, { policy: 'owns-account' });
  const presentation = await makePresentation(phone, { opened, code, account: { ...account, credential } });
  await beforePost();
  const { json } = await phone.call('POST', path, presentation);
  return (await reasonsOf(world, 'bank'))[seen] ?? json.verdict;
}

describe('a credential with a place in a status list', () => {
  test('passes until it is revoked, and not after the list’s stated lifetime', async () => {
    const credential = await signed();
    expect(await verdictOf(credential)).toBe('passed');
    publisher.revoked.add(7);
    world.clock.now += 60;
    expect(await verdictOf(credential)).toBe('credential:account:revoked');
    expect(await verdictOf(await signed(bank.issuer, { status: publisher.place(8) }))).toBe('passed');
  });

  test('is refused while its list cannot be had, and passes when it can again', async () => {
    publisher.state = 'down';
    const credential = await signed();
    await world.store.addIssuer('bank', bank.issuer.kid, bank.issuer.jwk, { kind: 'cli' }, world.clock.now);
    expect(await verdictOf(credential)).toBe('credential:account:status_unavailable');
    publisher.state = 'up';
    world.clock.now += 5;
    expect(await verdictOf(credential)).toBe('passed');
  });

  test('is refused without one', async () => {
    expect(await verdictOf(await signed(bank.issuer, {}))).toBe('credential:account:status');
  });

  test('that is revoked while its proofs are checked does not pass', async () => {
    const credential = await signed();
    const { consumeAttempt } = world.store;
    world.store.consumeAttempt = async (use, now) => {
      publisher.revoked.add(7);
      world.clock.now += 45;
      // As the verifier does every second.
      world.issuers.refresh();
      const isKnown = () => world.issuers.knownRevoked('bank', publisher.place(7));
      await expect.poll(isKnown, { timeout: 30_000 }).toBe(true);
      return consumeAttempt(use, now);
    };
    expect(await verdictOf(credential)).toBe('credential:account:revoked');
  });

  test('that ends while its proofs are checked does not pass', async () => {
    const exp = world.clock.now + 30;
    const credential = await signed(bank.issuer, { status: publisher.place(7), exp });
    const { consumeAttempt } = world.store;
    world.store.consumeAttempt = async (use, now) => {
      world.clock.now = exp;
      return consumeAttempt(use, now);
    };
    expect(await verdictOf(credential)).toBe('credential:account:expired');
  });
});

describe('an issuer whose key rotates', () => {
  test('loses no customer: old credentials and new ones pass from the first moment', async () => {
    const old = await signed();
    expect(await verdictOf(old)).toBe('passed');
    const next = await newIssuerKey();
    publisher.keys = [next, ...publisher.keys];
    publisher.signer = next;
    expect(await verdictOf(await signed(next))).toBe('passed');
    expect(await verdictOf(old)).toBe('passed');
    world.clock.now += 61;
    expect(await verdictOf(old)).toBe('passed');
  });

  test('whose old key was stolen is not believed under it any more', async () => {
    const stolen = await signed();
    expect(await verdictOf(stolen)).toBe('passed');
    const next = await newIssuerKey();
    publisher.keys = [next];
    publisher.signer = next;
    world.clock.now += 300;
    expect(await verdictOf(stolen)).toBe('credential:account:issuer');
    expect(await verdictOf(await signed(next))).toBe('passed');
  });

  test('whose keys cannot be had is not believed', async () => {
    const jwks = `${publisher.base}keys-elsewhere`;
    publisher.state = 'down';
    await send(world, 'PUT', '/v1/issuers/source', { token: bank.apiKey, body: { jwks } });
    expect(await verdictOf(await signed(bank.issuer, {}))).toBe('credential:account:issuer_unavailable');
  });
});

test('everything is at hand when the presentation comes: it was fetched while the customer typed', async () => {
  const credential = await signed();
  await verdictOf(credential);
  world.clock.now += 600;
  const asked = () => publisher.asked.length;
  let before = 0;
  const verdict = await verdictOf(credential, async () => {
    await expect.poll(asked).toBe(4);
    before = asked();
  });
  expect(verdict).toBe('passed');
  expect(asked()).toBe(before);
});
