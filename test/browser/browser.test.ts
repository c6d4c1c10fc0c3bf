import { fileURLToPath } from 'node:url';
import type { Verification } from '@akashi/circuits';
import type { Agent } from '@akashi/sdk/agent';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { newAccount, newPin, openWorld, startOf, type TestTenant, type World } from '../harness.ts';
import type { PhonePage } from './page.ts';
import { BROWSERS, type DrivenBrowser, type DrivenPage, type Profile, tellPage } from './page-driver.ts';
import { bundlePage, openPageSite, type PageSite } from './page-site.ts';

// The SDK in real browsers, under the content security policy of a careful bank: no inline script, no eval, no worker
// but the page's own.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Milliseconds after which nothing goes on any more. */
const LONG = 60_000;

/** A customer for each test: enrolments are limited. */
let subject: string;
let customers = 0;
let world: World;
let bank: TestTenant;
let desk: Agent;
let site: PageSite;
let profile: Profile;
let page: DrivenPage;

beforeAll(async () => {
  world = await openWorld();
  const scripts = await bundlePage({
    page: fileURLToPath(new URL('page.ts', import.meta.url)),
    worker: '@akashi/sdk/prover-worker',
    from: ROOT.replace(/\/$/, ''),
    conditions: ['akashi-source'],
  });
  site = await openPageSite({
    scripts,
    artifacts: fileURLToPath(new URL('../../circuits/artifacts/', import.meta.url)),
    verifier: world.origin,
    exchange: (receipt) => bank.issuer.issueAccounts({ receipt, subject, accounts }),
  });
  bank = await world.tenant('aoba', [site.origin]);
  desk = await bank.desk();
});

const accounts = [newAccount()];

afterAll(async () => {
  site.close();
  await world.close();
});

/** One call of what the page offers. */
function tell<Name extends keyof PhonePage>(
  name: Name,
  args: Parameters<PhonePage[Name]>,
  at: DrivenPage = page,
) {
  return tellPage(at, name, args);
}

/** A phone page that is enrolled, and its PIN. */
async function enrolled(): Promise<string> {
  const pin = newPin();
  expect(await tell('open', [world.origin])).toEqual({ device: null, storageLost: false });
  const { fragment } = await bank.issuer.requestEnrolment(subject);
  const { device } = await tell('enrol', [`${site.origin}/${fragment}`, pin]);
  expect(device).toMatch(/^[A-Za-z0-9_-]{22}$/);
  return pin;
}

async function started(): Promise<Verification & { readonly code: string }> {
  const verification = await desk.start(startOf(subject));
  return { ...verification, code: verification.code ?? '' };
}

/** A worker rests for a second; one that goes on computing does not come to rest. */
async function expectNoWorker(): Promise<void> {
  await vi.waitUntil(async () => (await tell('workers', [])) === 0, { timeout: 5_000 });
  // The browser's own word. Firefox lets go of what was ended when it collects its garbage.
  await vi.waitUntil(() => page.workers().length === 0, { timeout: 60_000 });
}

/** @param answers complaints that stand for an answer of the protocol which the test provokes */
async function expectNothingRefused(answers?: RegExp): Promise<void> {
  expect(await tell('violations', [])).toEqual([]);
  expect(page.complaints.filter((complaint) => answers?.test(complaint) !== true)).toEqual([]);
}

describe.each(BROWSERS)('a phone page in %s', (_, openBrowser) => {
  let browser: DrivenBrowser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    customers += 1;
    subject = `customer-${customers}`;
    profile = await browser.profile();
    page = await profile.page(site.origin);
  });
  afterEach(() => profile.close());

  test('enrols, proves in its worker, and the desk sees passed; the policy refuses nothing of it', async () => {
    const pin = await enrolled();
    const { verification, code } = await started();
    expect(await tell('requests', [])).toEqual([verification]);
    expect(await tell('present', [verification, code, pin])).toEqual({ verdict: 'passed' });
    expect(await desk.wait(verification)).toMatchObject({ verdict: 'passed' });
    expect(site.asked).toContain('/prover-worker.js');
    await expectNothingRefused();
  });

  test('the policy is in force: what the SDK does not do would be refused and noticed', async () => {
    const outcome = await page.evaluate(async () => {
      const script = URL.createObjectURL(new Blob(['postMessage(1)'], { type: 'text/javascript' }));
      const worker = new Worker(script);
      return new Promise<string>((resolve) => {
        worker.onmessage = () => resolve('ran');
        worker.onerror = () => resolve('refused');
      });
    }, null);
    expect(outcome).toBe('refused');
    await vi.waitUntil(async () => (await tell('violations', [])).includes('worker-src blob'), {
      timeout: 20_000,
    });
  });

  test('keys stay over a reload, and cannot be taken out', async () => {
    const pin = await enrolled();
    await page.reload();
    const { device } = await tell('open', [world.origin]);
    expect(device).not.toBeNull();
    const { verification, code } = await started();
    expect(await tell('present', [verification, code, pin])).toEqual({ verdict: 'passed' });
    expect(await tell('history', [])).toEqual(['passed']);
    expect(await keptKeys()).toEqual([
      { name: 'privateKey', type: 'private', extractable: false, exported: 'InvalidAccessError' },
      { name: 'storageKey', type: 'secret', extractable: false, exported: 'InvalidAccessError' },
    ]);
    await expectNothingRefused();
  });

  test.each(['loading', 'proving'] as const)(
    'stopped while %s it leaves no worker, and the next tap works',
    async (stage) => {
      const pin = await enrolled();
      const { verification, code } = await started();
      const stopped = await tell('presentAndAbort', [verification, code, pin, stage]);
      expect(stopped).toEqual({ error: 'aborted' });
      await expectNoWorker();
      expect(await desk.verification(verification)).toMatchObject({ state: 'accepted' });
      expect(await tell('present', [verification, code, pin])).toEqual({ verdict: 'passed' });
      await expectNothingRefused();
    },
  );

  test('stopped anywhere in a presentation from prepared proofs it leaves no worker, and the next tap works', async () => {
    const pin = await enrolled();
    expect(await tell('prepareAndAbort', [LONG])).toEqual({ verdict: null });
    // Prepared proofs are bound without a word of progress: the times find the moments between.
    for (const stop of ['pin', 'sending', 0, 10, 20, 35, 50, 70, 100]) {
      const { verification, code } = await started();
      const stopped = await tell('presentAndAbort', [verification, code, pin, stop]);
      if (typeof stop === 'string') expect(stopped).toEqual({ error: 'aborted' });
      // The verifier may have decided before the page gave up.
      const verdict = 'error' in stopped ? await tell('present', [verification, code, pin]) : stopped;
      expect(verdict, String(stop)).toEqual({ verdict: 'passed' });
      await expectNoWorker();
    }
    // What was given up on its way may have arrived: made again, it is answered with 409, a failure to load for Chromium.
    await expectNothingRefused(/status of 409/);
  });

  test('stopped in any phase of an enrolment it leaves no worker, and the next link works', async () => {
    await tell('open', [world.origin]);
    for (const phase of ['registering', 'protecting', 'exchanging', 'storing', 'preparing']) {
      const { fragment } = await bank.issuer.requestEnrolment(subject);
      const stopped = await tell('enrolAndAbort', [fragment, newPin(), phase]);
      // What is being stored is stored: the signal came too late.
      const isLate = phase === 'storing' || phase === 'preparing';
      expect(stopped, phase).toEqual(isLate ? { verdict: null } : { error: 'aborted' });
      await expectNoWorker();
    }
    const { fragment } = await bank.issuer.requestEnrolment(subject);
    const { device } = await tell('enrol', [fragment, newPin()]);
    expect(device).not.toBeNull();
    await expectNothingRefused();
  });

  test('stopped anywhere while it prepares it leaves no worker, and goes on the next time', async () => {
    await enrolled();
    for (const stop of [{ done: 0 }, 0, 30, 100, 200, { done: 1 }, 300]) {
      const stopped = await tell('prepareAndAbort', [stop]);
      if (typeof stop === 'object') expect(stopped).toEqual({ error: 'aborted' });
      await expectNoWorker();
    }
    expect(await tell('prepareAndAbort', [LONG])).toEqual({ verdict: null });
    await expectNoWorker();
    await expectNothingRefused();
  });

  test('offline before its code was loaded, it says so, and works when it is back', async () => {
    const pin = await enrolled();
    await page.reload();
    await tell('open', [world.origin, false]);
    const { verification, code } = await started();
    site.down = true;
    const offline = await tell('present', [verification, code, pin]);
    site.down = false;
    expect(offline).toEqual({ error: 'artifact_unavailable' });
    expect(await desk.verification(verification)).toMatchObject({ state: 'pending' });
    // Not every browser asks again for a script that once did not come.
    await page.reload();
    await tell('open', [world.origin]);
    expect(await tell('present', [verification, code, pin])).toEqual({ verdict: 'passed' });
  });

  test('its code is there before it is needed: prepared, it presents without the site', async () => {
    const pin = await enrolled();
    expect(await tell('prepareAndAbort', [LONG])).toEqual({ verdict: null });
    await page.reload();
    await tell('open', [world.origin]);
    await vi.waitUntil(() => tell('isBindingLoaded', []), { timeout: 20_000, interval: 100 });
    const { verification, code } = await started();
    site.down = true;
    const presented = await tell('present', [verification, code, pin]);
    site.down = false;
    expect(presented).toEqual({ verdict: 'passed' });
    expect(page.workers()).toEqual([]);
  });

  test('two tabs are one phone', async () => {
    const pin = await enrolled();
    const second = await profile.page(site.origin);
    const { device } = await tell('open', [world.origin], second);
    expect(device).not.toBeNull();
    const [one, two] = [await started(), await started()];
    const both = await Promise.all([
      tell('present', [one.verification, one.code, pin]),
      tell('present', [two.verification, two.code, pin], second),
    ]);
    expect(both).toEqual([{ verdict: 'passed' }, { verdict: 'passed' }]);
    for (const tab of [page, second]) expect(await tell('history', [], tab)).toEqual(['passed', 'passed']);
    await expectNothingRefused();
  });

  test('lost storage is told from a first visit', async () => {
    await enrolled();
    await page.evaluate(async () => {
      for (const { name = '' } of await indexedDB.databases()) {
        await new Promise<void>((resolve, reject) => {
          const request = indexedDB.deleteDatabase(name);
          request.onsuccess = () => resolve();
          request.onerror = () => reject(request.error);
        });
      }
    }, null);
    await page.reload();
    expect(await tell('open', [world.origin])).toEqual({ device: null, storageLost: true });
    // A new enrolment is the way on.
    const { fragment } = await bank.issuer.requestEnrolment(subject);
    expect(await tell('enrol', [fragment, newPin()])).toMatchObject({ storageLost: false });
  });

  test('a circuit with one bit changed is not used', async () => {
    const pin = await enrolled();
    const { verification, code } = await started();
    site.corrupt = true;
    const result = await tell('present', [verification, code, pin]);
    site.corrupt = false;
    expect(result).toEqual({ error: 'artifact_invalid' });
    expect(await tell('present', [verification, code, pin])).toEqual({ verdict: 'passed' });
  });
});

/** What lies in the page's database, as a script of the page could get at it. */
function keptKeys(): Promise<readonly object[]> {
  return page.evaluate(async () => {
    const settled = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const keys: object[] = [];
    for (const { name = '' } of await indexedDB.databases()) {
      const database = await settled(indexedDB.open(name));
      for (const store of database.objectStoreNames) {
        const values: unknown[] = await settled(database.transaction(store).objectStore(store).getAll());
        for (const [field, key] of values.flatMap((value) => Object.entries(value as object))) {
          if (!(key instanceof CryptoKey)) continue;
          const format = key.type === 'private' ? 'pkcs8' : 'raw';
          const exported = await crypto.subtle.exportKey(format, key).then(
            () => 'exported',
            (error: DOMException) => error.name,
          );
          keys.push({ name: field, type: key.type, extractable: key.extractable, exported });
        }
      }
      database.close();
    }
    return keys;
  }, null);
}
