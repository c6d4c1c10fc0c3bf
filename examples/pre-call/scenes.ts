import type { Page } from 'playwright-core';
import type { Demo } from './demo.ts';
import { claimOnDesk, holding, readDigits, startOnDesk, tapDigits } from './drive.ts';

// What is played for the pictures of screens.ts, scene by scene. The order matters: a phone that was locked stays so.

const CUSTOMER = 'C-48201';
const PIN = '508362';
const WRONG = '508363';
const TRANSFER = { amount: '250000', payee: '山田商店' } as const;
/** As much as a transaction may say. */
const LARGE = {
  amount: '999999999999999',
  payee:
    '独立行政法人青葉地域振興整備機構・みどり川流域総合開発株式会社共同企業体（Aoba Regional Development Joint Venture）'.padEnd(
      120,
      '口',
    ),
} as const;

/** Where the pictures are taken. */
export interface Studio {
  readonly demo: Demo;
  readonly phone: Page;
  readonly desk: Page;
  /** Moves the clock of verifier and bank. */
  readonly pass: (seconds: number) => void;
  readonly shoot: (page: Page, name: string) => Promise<void>;
  /** As it looks on the smallest phones, or on a screen that is zoomed to 200 %. */
  readonly shootSmall: (page: Page, name: string) => Promise<void>;
}

export async function shootEnrolment({ demo, phone, shoot }: Studio): Promise<void> {
  await holding(phone, '**/api/customers', async () => {
    await phone.goto(demo.bank);
    await phone.locator('#title').waitFor();
    await shoot(phone, 'phone-opening');
  });
  await phone.locator('button.row').first().waitFor();
  await shoot(phone, 'phone-login');
  await phone.locator('button.row', { hasText: CUSTOMER }).tap();
  await phone.locator('.steps').waitFor();
  await shoot(phone, 'phone-welcome');
  await phone.locator('.actions .primary').tap();
  await tapDigits(phone, 'pin', '123');
  await shootProblem(phone, shoot, 'phone-pin-short');
  await tapDigits(phone, 'pin', '123456');
  await shootProblem(phone, shoot, 'phone-pin-weak');
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('.cells.pin:not(:has(.full))').waitFor();
  await tapDigits(phone, 'pin', WRONG);
  await shootProblem(phone, shoot, 'phone-pin-mismatch');
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

async function shootProblem(page: Page, shoot: Studio['shoot'], name: string): Promise<void> {
  await page.locator('.problem:not(:empty)').first().waitFor();
  await shoot(page, name);
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
  await holding(desk, '**/v1/sessions', async () => {
    await desk.locator('.sign-in .primary').click();
    await desk.locator('.opening').waitFor();
    await shoot(desk, 'desk-opening');
  });
  await desk.locator('[data-state="idle"]').waitFor();
  await shoot(desk, 'desk-idle');
  await desk.locator('#subject').fill('C-99999');
  await desk.locator('#start').click();
  await desk.locator('#start-problem:not(:empty)').waitFor();
  await shoot(desk, 'desk-no-device');
}

export async function shootCall({ phone, desk, shoot, shootSmall }: Studio): Promise<void> {
  const code = await startOnDesk(desk, CUSTOMER, { purpose: 'transfer transfer', transaction: TRANSFER });
  await shoot(desk, 'desk-waiting');
  await shootSmall(desk, 'desk-waiting');
  await phone.locator('#accept').waitFor();
  await shoot(phone, 'phone-request');
  await phone.locator('#back').tap();
  await phone.locator('.row.marked').waitFor();
  await shoot(phone, 'phone-home-waiting');
  await phone.locator('.row.marked').tap();
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
  await shootSmall(phone, 'phone-code');
  await phone.locator('#submit').tap();
  await shootProblem(phone, shoot, 'phone-code-short');
  await phone.locator('#back').tap();
  await phone.locator('.row.marked').waitFor();
  await shoot(phone, 'phone-home-continue');
  await phone.locator('.row.marked').tap();
  await tapDigits(phone, 'code', wrong);
  await phone.locator('input[name="pin"]').waitFor({ state: 'attached' });
  await shoot(phone, 'phone-pin');
  await shootSmall(phone, 'phone-pin');
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
  await shootSmall(phone, 'phone-attempt-failed');
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
  await shoot(phone, 'phone-agreed');
  await desk.locator('[data-state="passed"]').waitFor();
  await shoot(desk, 'desk-passed');
  await shootSmall(desk, 'desk-passed');
  await phone.locator('#done').tap();
  await phone.locator('#precall').waitFor();
  await shoot(phone, 'phone-home');
  await shootSmall(phone, 'phone-home');
}

/** Figures and names as long as they may be. */
export async function shootLarge({ phone, desk, shoot, shootSmall }: Studio): Promise<void> {
  await startOnDesk(desk, CUSTOMER, { purpose: 'transfer transfer', transaction: LARGE });
  await shoot(desk, 'desk-large');
  await shootSmall(desk, 'desk-large');
  await phone.locator('#accept').waitFor();
  await shoot(phone, 'phone-large');
  await shootSmall(phone, 'phone-large');
  await phone.locator('#decline').tap();
  await phone.locator('#done').tap();
}

/** The bank starts it with a bill of its own: the phone shows every figure, the desk none. */
export async function shootPayment({ phone, desk, shoot, shootSmall }: Studio): Promise<void> {
  await desk.locator('#subject').fill(CUSTOMER);
  await desk.locator('#start-purpose').selectOption('payment payment');
  await shoot(desk, 'desk-payment-form');
  const code = await startOnDesk(desk, CUSTOMER, { purpose: 'payment payment' });
  await shoot(desk, 'desk-payment-waiting');
  await phone.locator('#accept').waitFor();
  await shoot(phone, 'phone-payment');
  await shootSmall(phone, 'phone-payment');
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
  await shoot(phone, 'phone-request-outbound');
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

export async function shootPreCall({ phone, desk, shoot, shootSmall }: Studio): Promise<void> {
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
  await shootSmall(phone, 'phone-claim');
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
  await shoot(phone, 'phone-claimed');
  await phone.locator('#done').tap();
}
