import { fileURLToPath } from 'node:url';
import type { Agent } from '@akashi/sdk/agent';
import { setPasskeySettings } from '@akashi/verifier';
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { newAccount, newPin, openWorld, PURPOSES, startOf, type TestTenant, type World } from '../harness.ts';
import { launchedChromium } from './chromium.ts';
import type { PhonePage } from './page.ts';
import { tellPage } from './page-driver.ts';
import { bundlePage, openPageSite, type PageSite } from './page-site.ts';

// Passkeys in a real browser, with Chromium's virtual authenticator as the phone's sensor.

const SUBJECT = 'customer-1';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const POLICY = 'pin-passkey';

let world: World;
let bank: TestTenant;
let desk: Agent;
let site: PageSite;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let sensor: Sensor;

beforeAll(async () => {
  world = await openWorld();
  const accounts = [newAccount()];
  site = await openPageSite({
    scripts: await bundlePage({
      page: fileURLToPath(new URL('page.ts', import.meta.url)),
      worker: '@akashi/sdk/prover-worker',
      from: ROOT.replace(/\/$/, ''),
      conditions: ['akashi-source'],
    }),
    artifacts: fileURLToPath(new URL('../../circuits/artifacts/', import.meta.url)),
    verifier: world.origin,
    exchange: (receipt) => bank.issuer.issueAccounts({ receipt, subject: SUBJECT, accounts }),
  });
  bank = await world.tenant('aoba', [site.origin]);
  const settings = { rpId: 'localhost', acceptScreenLock: true };
  await setPasskeySettings(world.store, 'aoba', settings, world.now());
  await bank.issuer.putPolicy({ policy: POLICY, facts: ['pin', 'passkey'], purposes: [...PURPOSES] });
  desk = await bank.desk();
  browser = await launchedChromium();
});

afterAll(async () => {
  await browser.close();
  site.close();
  await world.close();
});

beforeEach(async () => {
  context = await browser.newContext();
  page = await context.newPage();
  sensor = await addSensor(page);
  await page.goto(site.origin);
  await tell('open', [world.origin]);
});

afterEach(() => context.close());

interface Sensor {
  readonly session: CDPSession;
  readonly authenticatorId: string;
}

/** A phone's own sensor: counts, knows its user, and confirms by itself. */
async function addSensor(at: Page, hasPrf = false): Promise<Sensor> {
  const session = await at.context().newCDPSession(at);
  await session.send('WebAuthn.enable');
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      ...{ protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal' },
      ...{ hasResidentKey: true, hasUserVerification: true, isUserVerified: true },
      automaticPresenceSimulation: true,
      hasPrf,
    },
  });
  return { session, authenticatorId };
}

/** The counter of the one passkey that there is. */
async function timesUsed(): Promise<number> {
  const { session, authenticatorId } = sensor;
  const { credentials } = await session.send('WebAuthn.getCredentials', { authenticatorId });
  return credentials[0]?.signCount ?? Number.NaN;
}

/** Whether face or finger are recognised from now on. */
async function recognise(isUserVerified: boolean): Promise<void> {
  const { session, authenticatorId } = sensor;
  await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
}

function tell<Name extends keyof PhonePage>(name: Name, args: Parameters<PhonePage[Name]>) {
  return tellPage(page, name, args);
}

async function enrolled(): Promise<string> {
  const pin = newPin();
  const { fragment } = await bank.issuer.requestEnrolment(SUBJECT);
  await tell('enrol', [`${site.origin}/${fragment}`, pin]);
  return pin;
}

async function started(): Promise<{ readonly verification: string; readonly code: string }> {
  const { verification, code = '' } = await desk.start(startOf(SUBJECT, { policy: POLICY }));
  return { verification, code };
}

test('a passkey is added, confirms a request, and the desk sees three factors', async () => {
  const pin = await enrolled();
  expect(await tell('canMakePasskeys', [])).toBe(true);
  expect(await tell('addPasskey', [pin])).toEqual({ usable: [true] });
  for (let i = 0; i < 2; i++) {
    const { verification, code } = await started();
    expect(await tell('present', [verification, code, pin])).toEqual({ verdict: 'passed' });
    const { factors } = await desk.wait(verification);
    expect([...factors].sort()).toEqual(['inherence', 'knowledge', 'possession']);
  }
  // Chromium's authenticator counts; so did the verifier.
  const [device] = await world.store.devicesOfSubject('aoba', SUBJECT, world.now());
  const [kept] = await world.store.passkeys('aoba', device?.device ?? '');
  expect(kept).toMatchObject({ rpId: 'localhost', counter: await timesUsed() });
  expect(kept?.counter).toBeGreaterThan(1);
  expect(await tell('violations', [])).toEqual([]);
});

test('a face that is not recognised confirms nothing and costs no attempt', async () => {
  const pin = await enrolled();
  await tell('addPasskey', [pin]);
  const { verification, code } = await started();
  await recognise(false);
  expect(await tell('present', [verification, code, pin])).toEqual({ error: 'passkey_cancelled' });
  expect(await desk.verification(verification)).toMatchObject({ state: 'accepted' });
  await recognise(true);
  expect(await tell('present', [verification, code, pin])).toEqual({ verdict: 'passed' });
});

test('a passkey that the phone has lost is told, and a new one takes its place', async () => {
  const pin = await enrolled();
  await tell('addPasskey', [pin]);
  const { session, authenticatorId } = sensor;
  await session.send('WebAuthn.clearCredentials', { authenticatorId });
  const { verification, code } = await started();
  expect(await tell('present', [verification, code, pin])).toEqual({ error: 'passkey_cancelled' });
  expect(await tell('removePasskeys', [])).toEqual({ usable: [] });
  expect(await tell('addPasskey', [pin])).toEqual({ usable: [true] });
  expect(await tell('present', [verification, code, pin])).toEqual({ verdict: 'passed' });
});

test('a phone without a sensor says so', async () => {
  const { session, authenticatorId } = sensor;
  await session.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
  expect(await tell('canMakePasskeys', [])).toBe(false);
});

test('a passkey with a PRF keeps the secrets of the phone: nothing opens them but the gesture', async () => {
  const { session, authenticatorId } = sensor;
  await session.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
  sensor = await addSensor(page, true);
  const pin = await enrolled();
  const before = await tell('kept', []);
  const [{ holderSecret, issued }] = JSON.parse(before.text);
  const [{ accountKey }] = issued.accounts;
  expect(await tell('addPasskey', [pin, true])).toEqual({ usable: [true] });
  const expectWrapped = async () => {
    const { wrapped, text } = await tell('kept', []);
    expect(wrapped).toBe(true);
    expect([text.includes(holderSecret), text.includes(accountKey)]).toEqual([false, false]);
  };
  await expectWrapped();

  // By the request's own assertion, then, for a policy without a passkey, by a gesture for the secrets alone.
  const first = await started();
  expect(await tell('present', [first.verification, first.code, pin])).toEqual({ verdict: 'passed' });
  await page.reload();
  await tell('open', [world.origin]);
  const { verification, code = '' } = await desk.start(startOf(SUBJECT));
  const used = await timesUsed();
  expect(await tell('present', [verification, code, pin])).toEqual({ verdict: 'passed' });
  expect(await timesUsed()).toBe(used + 1);
  await expectWrapped();

  // Removing the passkey unwraps them first.
  expect(await tell('removePasskeys', [])).toEqual({ usable: [] });
  expect(await tell('kept', [])).toMatchObject({ wrapped: false });
  const last = await desk.start(startOf(SUBJECT));
  expect(await tell('present', [last.verification, last.code ?? '', pin])).toEqual({ verdict: 'passed' });
});
