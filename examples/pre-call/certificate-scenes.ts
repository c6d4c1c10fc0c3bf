import type { Browser, Page } from 'playwright-core';
import {
  enrol,
  enterCall,
  fetchCertificates,
  type Looks,
  phoneContext,
  startOnDesk,
  tapDigits,
} from './drive.ts';
import type { Studio } from './scenes.ts';

// The scenes about what others vouch for, and about policies that raise, choose and remember.

const CUSTOMER = 'C-48201';
const NEWCOMER = 'C-60938';
const PIN = '508362';

export async function shootCertificates({ phone, desk, shoot, shootSmall }: Studio): Promise<void> {
  await phone.locator('#settings').tap();
  await phone.locator('#certificates').tap();
  await phone.locator('#fetch-certificates').waitFor();
  await shoot(phone, 'phone-certificates-none');
  await phone.locator('#back').tap();
  await phone.locator('#back').tap();

  // Asked for what the phone does not have yet: got in the middle of it, and shown.
  const code = await startOnDesk(desk, CUSTOMER, { purpose: 'open open', number: 'known' });
  await shoot(desk, 'desk-open-waiting');
  await phone.locator('#accept').waitFor();
  await shoot(phone, 'phone-open');
  await shootSmall(phone, 'phone-open');
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', code);
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('[data-failure="claim_unknown"]').waitFor();
  await shoot(phone, 'phone-certificates-needed');
  await phone.locator('#fetch-certificates').tap();
  await tapDigits(phone, 'code', code);
  await pass(phone, desk);

  await phone.locator('#settings').tap();
  await phone.locator('#certificates').tap();
  await phone.locator('.certificate').nth(2).waitFor();
  await shoot(phone, 'phone-certificates');
  await shootSmall(phone, 'phone-certificates');
  await phone.locator('#fetch-certificates').tap();
  await phone.locator('.notice').waitFor();
  await shoot(phone, 'phone-certificates-fetched');
  await phone.locator('#back').tap();
  await phone.locator('#back').tap();
}

export async function shootPurposes({ phone, desk, shoot }: Studio): Promise<void> {
  const ask = async (purpose: string, number: 'known' | 'withheld'): Promise<string> => {
    const code = await startOnDesk(desk, CUSTOMER, { purpose, number });
    await phone.locator('#accept').waitFor();
    return code;
  };
  const limit = await ask('limit limit', 'known');
  await shoot(phone, 'phone-limit');
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', limit);
  await pass(phone, desk);

  // The same purpose with a number on file, and with a withheld one: the second asks for more.
  for (const number of ['known', 'withheld'] as const) {
    await ask('appointment visit', number);
    await shoot(phone, `phone-visit-${number}`);
    await phone.locator('#decline').tap();
    await phone.locator('#done').tap();
  }

  const balance = await ask('standard inquiry', 'known');
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', balance);
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('[data-ending="passed"]').waitFor();
  await shoot(phone, 'phone-passed');
  await desk.locator('[data-state="passed"]').waitFor();
  await shoot(desk, 'desk-passed-plain');
  await phone.locator('#done').tap();
  await enterCall(desk, CUSTOMER, { purpose: 'standard card' });
  await desk.locator('#start').click();
  await desk.locator('[data-reused]').waitFor();
  await shoot(desk, 'desk-reused');
}

/** A phone whose certificates do not meet what is asked: nothing is sent, and the desk hears nothing. */
export async function shootUnmet(
  browser: Browser,
  { demo, desk, shoot }: Studio,
  looks: Looks,
): Promise<void> {
  const context = await phoneContext(browser, looks);
  context.setDefaultTimeout(30_000);
  const phone = await context.newPage();
  await phone.goto(demo.bank);
  await enrol(phone, NEWCOMER, PIN);
  await fetchCertificates(phone);
  const code = await startOnDesk(desk, NEWCOMER, { purpose: 'open open', number: 'known' });
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', code);
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('[data-failure="claim_unmet"]').waitFor();
  await shoot(phone, 'phone-claim-unmet');
  await desk.locator('#cancel').click();
  await desk.locator('[data-state="cancelled"]').waitFor();
  await context.close();
}

async function pass(phone: Page, desk: Page): Promise<void> {
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('[data-ending="passed"]').waitFor();
  await desk.locator('[data-state="passed"]').waitFor();
  await phone.locator('#done').tap();
}
