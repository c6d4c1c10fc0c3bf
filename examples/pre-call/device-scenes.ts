import type { Browser, BrowserContext, Page } from 'playwright-core';
import { beginEnrolment, enrol, holding, type Looks, phoneContext, startOnDesk, tapDigits } from './drive.ts';
import type { Studio } from './scenes.ts';

// The scenes about the phone itself: its settings, another one beside it, what it loses. A phone that was locked stays so.

const CUSTOMER = 'C-48201';
const OTHER = 'C-51764';
const PIN = '508362';
const NEXT_PIN = '274950';
const WRONG = '508363';

export async function shootSettings({ phone, shoot }: Studio, context: BrowserContext): Promise<void> {
  await phone.locator('#settings').tap();
  await shootSettingsList(phone, shoot, 'phone-settings');
  await phone.locator('#remove').scrollIntoViewIfNeeded();
  await shoot(phone, 'phone-settings-end');
  await phone.locator('#refresh-accounts').tap();
  await phone.locator('.notice').waitFor();
  await shootSettingsList(phone, shoot, 'phone-settings-refreshed');
  // Not offered where the browser keeps the data already, or does not say.
  if (await phone.locator('#ask-to-keep').isVisible()) {
    await phone.locator('#ask-to-keep').tap();
    await phone.locator('.notice').waitFor();
    await shootSettingsList(phone, shoot, 'phone-settings-storage');
  }
  await shootPinChange(phone, shoot);
  await phone.locator('#passkeys').tap();
  await phone.locator('#change-pin').waitFor({ state: 'detached' });
  await shoot(phone, 'phone-passkeys-impossible');
  await phone.locator('#back').tap();
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

/** With what is read from the verifier for it. */
async function shootSettingsList(phone: Page, shoot: Studio['shoot'], name: string): Promise<void> {
  // What the verifier and what the browser says, each of which draws the list anew.
  for (const row of [3, 5])
    await phone.locator(`.details > div:nth-child(${row}) dd:not(:text-is("–"))`).waitFor();
  await shoot(phone, name);
}

async function shootPinChange(phone: Page, shoot: Studio['shoot']): Promise<void> {
  await phone.locator('#change-pin').tap();
  await phone.locator('#digits').waitFor({ state: 'attached' });
  await shoot(phone, 'phone-change-pin');
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('.cells.pin:not(:has(.full))').waitFor();
  await shoot(phone, 'phone-change-pin-next');
  await tapDigits(phone, 'pin', NEXT_PIN);
  await phone.locator('.cells.pin:not(:has(.full))').waitFor();
  await holding(phone, '**/devices/current/pin', async () => {
    await tapDigits(phone, 'pin', NEXT_PIN);
    await phone.locator('progress').waitFor();
    await shoot(phone, 'phone-changing-pin');
  });
  await phone.locator('.notice').waitFor();
  await shootSettingsList(phone, shoot, 'phone-pin-changed');
}

/** A second phone of the same customer: the first is told, and stops it. */
export async function shootOtherDevice(
  browser: Browser,
  { demo, phone, desk, shoot }: Studio,
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
  await startOnDesk(desk, CUSTOMER, { purpose: 'standard inquiry' });
  await phone.locator('#accept').waitFor();
  await further.locator('#accept').tap();
  await phone.locator('[data-ending="elsewhere"]').waitFor();
  await shoot(phone, 'phone-elsewhere');
  await phone.locator('#done').tap();
  await desk.locator('#cancel').click();
  await phone.locator('.notice.caution button').tap();
  await phone.locator('.row .danger').waitFor();
  await shoot(phone, 'phone-devices-newer');
  await phone.locator('.row .danger').tap();
  await phone.locator('.notice').waitFor();
  await shoot(phone, 'phone-device-stopped');
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
