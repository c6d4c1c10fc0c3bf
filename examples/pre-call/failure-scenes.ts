import type { Browser, Page } from 'playwright-core';
import { TEXTS as DESK } from './desk/texts.ts';
import { enrol, type Looks, phoneContext, readDigits, startOnDesk, tapDigits } from './drive.ts';
import { TEXTS as PHONE } from './phone/texts.ts';
import type { Studio } from './scenes.ts';

// What the pages say when something does not work. Where that takes a broken machine or a day of waiting, the answer that leads
// to it is played in; all else is as it happens.

const CUSTOMER = 'C-48201';
const PIN = '508362';

/** The bank takes back what it vouched for: no verifier says so, and the phone offers the way on. */
export async function shootRenewal({ demo, phone, pass, shoot, shootSmall }: Studio): Promise<void> {
  await revokeCredentials(demo.bank, CUSTOMER);
  pass(60);
  await phone.locator('#precall').tap();
  await phone.locator('#start').tap();
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('#renew').waitFor();
  await shoot(phone, 'phone-attempt-failed-precall');
  await shootSmall(phone, 'phone-attempt-failed-precall');
  await phone.locator('#renew').tap();
  await tapDigits(phone, 'pin', PIN);
  await readDigits(phone, '#claim [aria-hidden]');
  await phone.locator('.actions .primary').tap();
}

/** As the bank's own people would. */
async function revokeCredentials(bank: string, customer: string): Promise<void> {
  const call = (path: string, init: RequestInit) => fetch(`${bank}/api${path}`, init);
  const login = await call('/sessions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ customer }),
  });
  const { session } = await login.json();
  const headers = { authorization: `Bearer ${session}` };
  const { revoked } = await (await call('/my/credentials', { method: 'DELETE', headers })).json();
  if (!(revoked > 0)) throw new Error('nothing was revoked');
}

/** Six digits that nobody said in time. */
export async function shootClaimEnded(browser: Browser, studio: Studio, looks: Looks): Promise<void> {
  const { demo, pass, shoot } = studio;
  const context = await phoneContext(browser, looks);
  context.setDefaultTimeout(30_000);
  const phone = await context.newPage();
  await phone.clock.install();
  await phone.goto(demo.bank);
  await enrol(phone, 'C-51764', PIN);
  await phone.locator('#precall').tap();
  await phone.locator('#start').tap();
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'pin', PIN);
  await readDigits(phone, '#claim [aria-hidden]');
  pass(590);
  await phone.clock.fastForward(590_000);
  await phone.locator('.countdown.ending').waitFor();
  await shoot(phone, 'phone-claim-ending');
  pass(20);
  await phone.clock.fastForward(20_000);
  await phone.locator('[data-ending="claim-ended"]').waitFor();
  await shoot(phone, 'phone-claim-ended');
  await context.close();
}

export async function shootPhoneFailures({ phone, shoot }: Studio): Promise<void> {
  const purposes = '**/api/my/purposes';
  await phone.route(purposes, (route) => route.fulfill({ json: { purposes: [] } }));
  await phone.locator('#precall').tap();
  await phone.locator('#back').waitFor();
  await shoot(phone, 'phone-precall-none');
  await phone.locator('#back').tap();
  await phone.unroute(purposes);
  for (const code of Object.keys(PHONE.en.failures)) {
    const answer = { status: 503, json: { code: code === 'other' ? 'internal' : code } };
    await phone.route(purposes, (route) => route.fulfill(answer));
    await phone.locator('#precall').tap();
    await phone.locator('[data-failure]').waitFor();
    await shoot(phone, `phone-failure-${code}`);
    await phone.locator('.actions .plain').tap();
    await phone.locator('#precall').waitFor();
    await phone.unroute(purposes);
  }
  await phone.evaluate(() => {
    location.hash = '#request=AAAAAAAAAAAAAAAAAAAAAA';
  });
  await phone.locator('[data-ending="over"]').waitFor();
  await shoot(phone, 'phone-over');
  await phone.locator('#done').tap();
  await phone.route(purposes, (route) => route.fulfill({ status: 401, json: { code: 'unauthorized' } }));
  await phone.locator('#precall').tap();
  await phone.locator('.notice.caution').waitFor();
  await shoot(phone, 'phone-login-ended');
  await phone.unroute(purposes);
  await phone.locator('button.row').tap();
  await phone.locator('#start').waitFor();
  await phone.locator('#back').tap();
  await phone.locator('#precall').waitFor();
}

export async function shootDeskFailures({ desk, phone, shoot, shootSmall }: Studio): Promise<void> {
  const verifications = '**/v1/verifications';
  await desk.locator('#subject').fill(CUSTOMER);
  await desk.locator('#start-purpose').selectOption('standard inquiry');
  const codes = Object.keys(DESK.en.failures).filter((code) => !['no_device', 'no_passkey'].includes(code));
  for (const code of codes) {
    await desk.route(verifications, async (route) => {
      if (route.request().method() !== 'POST') return route.fallback();
      await route.fulfill(problem(code === 'other' ? 'internal' : code));
    });
    await desk.locator('#start').click();
    await desk.locator('#start-problem:not(:empty)').waitFor();
    await shoot(desk, `desk-failure-${code}`);
    await desk.unroute(verifications);
  }
  await startOnDesk(desk, CUSTOMER, { purpose: 'standard inquiry' });
  await phone.locator('#accept').waitFor();
  await desk.context().setOffline(true);
  await desk.locator('.stage .problem:not(:empty)').waitFor();
  await shoot(desk, 'desk-connection-lost');
  await desk.context().setOffline(false);
  await desk.locator('.stage .problem:empty').waitFor({ state: 'attached' });
  await desk.locator('#cancel').click();
  await phone.locator('#done').tap();
  await shootUnreachable(desk, shoot);
  await shootSmall(desk, 'desk-idle');
}

async function shootUnreachable(desk: Page, shoot: Studio['shoot']): Promise<void> {
  await desk.route('**/v1/policies', (route) => route.abort());
  await desk.reload();
  await desk.locator('main [role="alert"]').waitFor();
  await shoot(desk, 'desk-unreachable');
  await desk.unroute('**/v1/policies');
  await desk.locator('main button').click();
  await desk.locator('#start').waitFor();
}

function problem(code: string) {
  return {
    status: 503,
    contentType: 'application/problem+json',
    headers: { 'access-control-allow-origin': '*' },
    body: JSON.stringify({ type: 'about:blank', title: code.replaceAll('_', ' '), status: 503, code }),
  };
}
