import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Demo } from './demo.ts';
import {
  beginEnrolment,
  claimOnDesk,
  enrol,
  holding,
  type Looks,
  phoneContext,
  readDigits,
  startOnDesk,
  tapDigits,
} from './drive.ts';

// What is played for the pictures of screens.ts, scene by scene. The order matters: a phone that was locked stays so.

const CUSTOMER = 'C-48201';
const OTHER = 'C-51764';
const PIN = '508362';
const WRONG = '508363';
const TRANSFER = { amount: '250000', payee: '山田商店' } as const;

/** Where the pictures are taken. */
export interface Studio {
  readonly demo: Demo;
  readonly phone: Page;
  readonly desk: Page;
  /** Moves the clock of verifier and bank. */
  readonly pass: (seconds: number) => void;
  readonly shoot: (page: Page, name: string) => Promise<void>;
}

export async function shootSideBySide(
  browser: Browser,
  { demo, shoot }: Studio,
  looks: Looks,
): Promise<void> {
  for (const [name, viewport] of [
    ['side', { width: 1440, height: 900 }],
    ['side-narrow', { width: 600, height: 900 }],
  ] as const) {
    const page = await browser.newPage({ ...looks, viewport, hasTouch: true });
    await page.goto(demo.desk);
    const phone = page.frameLocator('.phone iframe');
    const desk = page.frameLocator('.desk iframe');
    await phone.locator('button.row').first().waitFor();
    await desk.locator('#start').waitFor();
    await shoot(page, name);
    if (name === 'side') {
      await enrol(phone, OTHER, PIN);
      await startOnDesk(desk, OTHER, { purpose: 'limit limit' });
      await phone.locator('#accept').waitFor();
      await shoot(page, 'side-call');
    }
    await page.close();
  }
}

export async function shootEnrolment({ demo, phone, shoot }: Studio): Promise<void> {
  await phone.goto(demo.bank);
  await phone.locator('button.row').first().waitFor();
  await shoot(phone, 'phone-login');
  await phone.locator('button.row', { hasText: CUSTOMER }).tap();
  await phone.locator('.steps').waitFor();
  await shoot(phone, 'phone-welcome');
  await phone.locator('.actions .primary').tap();
  await tapDigits(phone, 'pin', '123456');
  await phone.locator('.problem:not(:empty)').waitFor();
  await shoot(phone, 'phone-pin-weak');
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('.cells.pin:not(:has(.full))').waitFor();
  for (const digit of PIN.slice(0, 4)) await phone.locator('.keypad button', { hasText: digit }).tap();
  await shoot(phone, 'phone-pin-repeat');
  await holding(phone, '**/v1/devices', async () => {
    await tapDigits(phone, 'pin', PIN.slice(4));
    await phone.locator('progress').waitFor();
    await shoot(phone, 'phone-enrolling');
  });
  await phone.locator('#precall').waitFor();
  await shoot(phone, 'phone-enrolled');
}

export async function shootDeskSignIn({ demo, desk, shoot }: Studio): Promise<void> {
  await desk.goto(`${demo.desk}/desk`);
  await desk.locator('#link').waitFor();
  await shoot(desk, 'desk-sign-in');
  await desk.locator('#link').fill('#signin=AAAAAAAAAAAAAAAAAAAAAA');
  await desk.locator('.sign-in .primary').click();
  await desk.locator('[role="alert"]').waitFor();
  await shoot(desk, 'desk-sign-in-refused');
  await desk.locator('#link').fill(await demo.signInFragment());
  await desk.locator('.sign-in .primary').click();
  await desk.locator('[data-state="idle"]').waitFor();
  await shoot(desk, 'desk-idle');
  await desk.locator('#subject').fill('C-99999');
  await desk.locator('#start').click();
  await desk.locator('#start-problem:not(:empty)').waitFor();
  await shoot(desk, 'desk-no-device');
}

export async function shootCall({ phone, desk, shoot }: Studio): Promise<void> {
  const code = await startOnDesk(desk, CUSTOMER, { purpose: 'transfer transfer', transaction: TRANSFER });
  await shoot(desk, 'desk-waiting');
  await phone.locator('#accept').waitFor();
  await shoot(phone, 'phone-request');
  await phone.locator('#later').tap();
  await phone.locator('.row.marked').waitFor();
  await shoot(phone, 'phone-home-later');
  await desk.locator('.now').waitFor();
  await shoot(desk, 'desk-later');
  await phone.locator('.row.marked').tap();
  await phone.locator('#accept').tap();
  const wrong = code === '111111' ? '222222' : '111111';
  await phone.locator('input[name="code"]').waitFor({ state: 'attached' });
  for (const digit of code.slice(0, 3)) await phone.locator('.keypad button', { hasText: digit }).tap();
  await shoot(phone, 'phone-code');
  for (let i = 0; i < 3; i += 1) await phone.keyboard.press('Backspace');
  await tapDigits(phone, 'code', wrong);
  await phone.locator('input[name="pin"]').waitFor({ state: 'attached' });
  await shoot(phone, 'phone-pin');
  await tapDigits(phone, 'pin', WRONG);
  await phone.locator('.problem:not(:empty)').waitFor();
  await shoot(phone, 'phone-pin-wrong');
  await holding(phone, '**/devices/current/oprf', async () => {
    await tapDigits(phone, 'pin', PIN);
    await phone.locator('.step:not(:empty)').waitFor();
    await shoot(phone, 'phone-checking-pin');
  });
  await phone.locator('#again').waitFor();
  await shoot(phone, 'phone-attempt-failed');
  await desk.locator('[data-state="accepted"]').waitFor();
  await shoot(desk, 'desk-accepted');
  await phone.locator('#again').tap();
  await holding(phone, '**/presentation', async () => {
    await tapDigits(phone, 'code', code);
    await phone.locator('progress[value="0.95"]').waitFor();
    await shoot(phone, 'phone-proving');
    await phone.locator('.connection:not(:empty)').waitFor();
    await shoot(phone, 'phone-slow');
  });
  await phone.locator('[data-ending="passed"]').waitFor();
  await shoot(phone, 'phone-passed');
  await desk.locator('[data-state="passed"]').waitFor();
  await shoot(desk, 'desk-passed');
  await phone.locator('#done').tap();
}

/** The bank starts it with a bill of its own: the phone shows every figure, the desk none. */
export async function shootPayment({ phone, desk, shoot }: Studio): Promise<void> {
  await desk.locator('#subject').fill(CUSTOMER);
  await desk.locator('#start-purpose').selectOption('payment payment');
  await shoot(desk, 'desk-payment-form');
  const code = await startOnDesk(desk, CUSTOMER, { purpose: 'payment payment' });
  await shoot(desk, 'desk-payment-waiting');
  await phone.locator('#accept').waitFor();
  await shoot(phone, 'phone-payment');
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', code);
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('[data-ending="passed"]').waitFor();
  await shoot(phone, 'phone-payment-agreed');
  await desk.locator('[data-state="passed"]').waitFor();
  await shoot(desk, 'desk-payment-confirmed');
  await phone.locator('#done').tap();
  await startAgain(desk);
  await shoot(desk, 'desk-payment-none');
}

async function startAgain(desk: Page): Promise<void> {
  // Booked by the bank a moment after the verdict, on the evidence.
  await desk.locator('#start').click();
  await desk.locator('#start-problem:not(:empty)').waitFor();
}

export async function shootEndings({ phone, desk, pass, shoot }: Studio): Promise<void> {
  const begin = async (): Promise<void> => {
    await startOnDesk(desk, CUSTOMER, { purpose: 'standard address', direction: 'outbound' });
    await phone.locator('#accept').waitFor();
  };
  const end = async (verdict: string): Promise<void> => {
    await phone.locator(`[data-ending="${verdict}"]`).waitFor();
    await shoot(phone, `phone-${verdict}`);
    await desk.locator(`[data-state="${verdict}"]`).waitFor();
    await shoot(desk, `desk-${verdict}`);
    await phone.locator('#done').tap();
  };
  await begin();
  await phone.locator('#decline').tap();
  await end('declined');
  await begin();
  await phone.locator('#report').tap();
  await phone.locator('#confirm-report').waitFor();
  await shoot(phone, 'phone-report-confirm');
  await phone.locator('#confirm-report').tap();
  await end('reported');
  await begin();
  await desk.locator('#cancel').click();
  await end('cancelled');
  await begin();
  pass(130);
  await end('expired');
  await begin();
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', '000000');
  await tapDigits(phone, 'pin', PIN);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await phone.locator('#again').tap();
    await tapDigits(phone, 'code', '000000');
  }
  await end('failed');
}

export async function shootPreCall({ phone, desk, shoot }: Studio): Promise<void> {
  await phone.locator('#precall').tap();
  await phone.locator('#start').waitFor();
  await shoot(phone, 'phone-precall');
  await phone.locator('#start').tap();
  await phone.locator('#accept').waitFor();
  await shoot(phone, 'phone-precall-request');
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'pin', PIN);
  const code = await readDigits(phone, '#claim [aria-hidden]');
  await shoot(phone, 'phone-claim');
  await phone.locator('.actions .primary').tap();
  await phone.locator('.row.marked').waitFor();
  await shoot(phone, 'phone-home-claim');
  await phone.locator('.row.marked').tap();
  const wrong = code === '111111' ? '222222' : '111111';
  await claimOnDesk(desk, CUSTOMER, { purpose: 'standard inquiry' }, wrong);
  await desk.locator('#claim-problem:not(:empty)').waitFor();
  await shoot(desk, 'desk-claim-refused');
  await claimOnDesk(desk, CUSTOMER, { purpose: 'standard inquiry' }, code);
  await desk.locator('[data-state="passed"]').waitFor();
  await shoot(desk, 'desk-claimed');
  await phone.locator('[data-ending="claimed"]').waitFor();
  await phone.locator('#done').tap();
}

export async function shootSettings({ phone, shoot }: Studio, context: BrowserContext): Promise<void> {
  await phone.locator('#settings').tap();
  await phone.locator('#change-pin').waitFor();
  await phone.waitForLoadState('networkidle');
  await shoot(phone, 'phone-settings');
  await phone.locator('#history').tap();
  await phone.locator('.outcome').first().waitFor();
  await shoot(phone, 'phone-history');
  await phone.locator('#back').tap();
  await phone.locator('#devices').tap();
  await phone.locator('#change-pin').waitFor({ state: 'detached' });
  await shoot(phone, 'phone-devices');
  await phone.locator('#back').tap();
  await phone.locator('#forgot').tap();
  await shoot(phone, 'phone-forgot');
  await phone.locator('.actions .plain').tap();
  await phone.locator('#settings').tap();
  await phone.locator('#remove').tap();
  await phone.locator('#confirm-remove').waitFor();
  await shoot(phone, 'phone-remove');
  await context.setOffline(true);
  await phone.locator('#confirm-remove').tap();
  await phone.locator('[data-failure="network"]').waitFor();
  await shoot(phone, 'phone-offline');
  await context.setOffline(false);
  await phone.reload();
  await phone.locator('#precall').waitFor();
}

/** A second phone of the same customer: the first is told, and stops it. */
export async function shootOtherDevice(
  browser: Browser,
  { demo, phone, shoot }: Studio,
  looks: Looks,
): Promise<void> {
  const context = await phoneContext(browser, looks);
  const second = await context.newPage();
  await second.goto(demo.bank);
  await beginEnrolment(second, OTHER);
  await second.close();
  const further = await context.newPage();
  await further.goto(demo.bank);
  await further.evaluate(() => localStorage.clear());
  await further.goto(demo.bank);
  await further.locator('button.row', { hasText: CUSTOMER }).tap();
  await further.locator('.notice').waitFor();
  await shoot(further, 'phone-welcome-further');
  await further.evaluate(() => localStorage.clear());
  await further.goto(demo.bank);
  await enrol(further, CUSTOMER, PIN);
  await phone.reload();
  await phone.locator('.notice.caution').waitFor();
  await shoot(phone, 'phone-home-newer');
  await phone.locator('.notice.caution button').tap();
  await phone.locator('.row .danger').waitFor();
  await shoot(phone, 'phone-devices-newer');
  await phone.locator('.row .danger').tap();
  await further.locator('.mark-bad').waitFor();
  await shoot(further, 'phone-revoked');
  await further.locator('.actions .primary').tap();
  await further.locator('button.row').waitFor();
  await shoot(further, 'phone-login-identify');
  await context.close();
}

/** Five wrong PINs; a database that the browser threw away; a desk that nobody used for a while. */
export async function shootLocked({ demo, phone, desk, pass, shoot }: Studio): Promise<void> {
  await phone.goto(demo.bank);
  await phone.locator('#precall').waitFor();
  await phone.locator('#precall').tap();
  await phone.locator('#start').tap();
  await phone.locator('#accept').tap();
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await phone.locator('.cells.pin:not(:has(.full))').waitFor();
    await tapDigits(phone, 'pin', String(Number(WRONG) + attempt));
    await phone.locator('progress').waitFor({ state: 'detached' });
  }
  await phone.locator('.mark-bad').waitFor();
  await shoot(phone, 'phone-locked');
  await phone.goto('about:blank');
  await phone.goto(`${demo.bank}/icon.svg`);
  await phone.evaluate(async (name) => {
    await new Promise((resolve) => {
      indexedDB.deleteDatabase(name).onsuccess = resolve;
    });
  }, `akashi:aoba-bank-${CUSTOMER}`);
  await phone.goto(demo.bank);
  await phone.locator('.mark-bad').waitFor();
  await shoot(phone, 'phone-lost');
  pass(16 * 60);
  await desk.locator('#start').click();
  await desk.locator('#link').waitFor();
  await shoot(desk, 'desk-session-ended');
}
