import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Verification } from '@akashi/circuits';
import type { Agent } from '@akashi/sdk/agent';
import { openHolder } from '@akashi/sdk/holder';
import {
  generateIssuerKeys,
  type Issuer,
  type IssuerKeys,
  memoryCredentials,
  openIssuer,
  rotateIssuerKeys,
} from '@akashi/sdk/issuer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  enrolPhone,
  openWorld,
  type Phone,
  policyOf,
  startOf,
  type TestTenant,
  type World,
} from './harness.ts';
import { prover } from './proofs.ts';

// A bank publishes its keys and its status list over HTTP, the verifier fetches them: revocation, rotation and outages as
// customers meet them.

let world: World;
let bank: TestTenant;
let desk: Agent;
let server: Server;
let url: string;
let issuer: Issuer;
let keys: IssuerKeys;
const credentials = memoryCredentials();
let up = true;
/** Paths that the verifier asked for. */
const asked: string[] = [];

/** The bank's back end, as it comes up after a change of its keys. */
async function restart(next: IssuerKeys): Promise<void> {
  keys = next;
  issuer = await openIssuer({
    ...{ verifier: world.origin, tenant: bank.id, apiKey: bank.apiKey, ...keys },
    now: () => world.now() * 1000,
    publication: { url, credentials },
  });
  await issuer.register();
}

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  // From here on only what is published counts.
  await bank.issuer.unregister(bank.issuer.issuer);
  desk = await bank.desk();
  server = createServer(async (request, response) => {
    asked.push(request.url ?? '');
    if (!up) return void response.destroy();
    const answer = await issuer.answer(request.url ?? '/');
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  url = `http://localhost:${(server.address() as AddressInfo).port}/akashi/`;
  await restart(await generateIssuerKeys());
});

afterAll(async () => {
  await world.close();
  await new Promise((resolve) => server.close(resolve));
});

const phoneOf = (subject: string) => enrolPhone(world.origin, issuer, subject);

function spoken({ code }: Verification): string {
  if (code === undefined) throw new Error('the desk shows no code');
  return code;
}

/** A verification of an account: its verdict, or why the first attempt failed. */
async function verdictOf({ holder, subject }: Phone): Promise<unknown> {
  const started = await desk.start(startOf(subject, { policy: policyOf('account') }));
  const { verdict } = await holder.present(started.verification, { code: spoken(started) });
  if (verdict !== null) return verdict;
  await desk.cancel(started.verification);
  const failed = (await world.audit(bank.id)).filter(({ reason }) => reason !== undefined);
  return failed.at(-1)?.reason;
}

describe('a customer whose credential was revoked', () => {
  test('does not pass once the list’s stated lifetime is over; others do, and so does a new credential', async () => {
    const [stolen, other] = [await phoneOf('stolen'), await phoneOf('other')];
    expect([await verdictOf(stolen), await verdictOf(other)]).toEqual(['passed', 'passed']);
    expect(await issuer.revoke({ subject: 'stolen' })).toBe(1);
    world.advance(60);
    expect(await verdictOf(stolen)).toBe('credential:account:revoked');
    expect(await verdictOf(other)).toBe('passed');
    await stolen.holder.refreshAccounts((receipt) =>
      issuer.issueAccounts({ receipt, subject: 'stolen', accounts: stolen.accounts }),
    );
    expect(await verdictOf(stolen)).toBe('passed');
  });

  test('cannot use what the device was issued before', async () => {
    const phone = await phoneOf('kept');
    const kept = await phone.storage.read('holder');
    await phone.holder.refreshAccounts((receipt) =>
      issuer.issueAccounts({ receipt, subject: 'kept', accounts: phone.accounts }),
    );
    expect(await verdictOf(phone)).toBe('passed');
    await phone.storage.write('holder', kept);
    world.advance(60);
    const copy = {
      ...phone,
      holder: await openHolder({ verifier: world.origin, storage: phone.storage, prover }),
    };
    expect(await verdictOf(copy)).toBe('credential:account:revoked');
  });
});

test('a key that rotates while customers call loses none of them', async () => {
  const before = await phoneOf('before-rotation');
  const verdicts: unknown[] = [await verdictOf(before)];
  const started = await desk.start(startOf(before.subject, { policy: policyOf('account') }));
  await before.holder.accept(started.verification);
  await restart(await rotateIssuerKeys(keys));
  const { verdict } = await before.holder.present(started.verification, { code: spoken(started) });
  verdicts.push(verdict);
  const after = await phoneOf('after-rotation');
  for (const phone of [after, before, after]) verdicts.push(await verdictOf(phone));
  world.advance(61);
  for (const phone of [before, after]) verdicts.push(await verdictOf(phone));
  expect(new Set(verdicts)).toEqual(new Set(['passed']));
  expect(verdicts).toHaveLength(7);
});

test('a key that was dropped vouches for nobody after five minutes', async () => {
  const phone = await phoneOf('dropped-key');
  expect(await verdictOf(phone)).toBe('passed');
  await restart({ ...(await rotateIssuerKeys(keys)), retiredKeys: [] });
  world.advance(300);
  expect(await verdictOf(phone)).toBe('credential:account:issuer');
});

test('a list in use is fetched ahead of need: the presentation after it asks nobody', async () => {
  const phone = await phoneOf('ahead');
  expect(await verdictOf(phone)).toBe('passed');
  const before = asked.length;
  world.advance(50);
  await expect.poll(() => asked.slice(before), { timeout: 30_000 }).toContain('/akashi/status/0');
  up = false;
  world.advance(40);
  expect(await verdictOf(phone)).toBe('passed');
  up = true;
});

test('a bank that cannot be reached: no account is believed when its list is not fresh any more', async () => {
  const phone = await phoneOf('outage');
  expect(await verdictOf(phone)).toBe('passed');
  up = false;
  expect(await verdictOf(phone)).toBe('passed');
  world.advance(60);
  expect(await verdictOf(phone)).toBe('credential:account:status_unavailable');
  up = true;
  world.advance(5);
  expect(await verdictOf(phone)).toBe('passed');
});
