import type { Browser, BrowserContext, Page, Route } from 'playwright-core';

// Hands on the pages: what a customer and an operator do, as taps and keys. Nothing here reaches into the pages'
// programs; what one side learns from the other, it learns by reading a screen.

/** A page, or a frame of one. */
export type Screen = Pick<Page, 'locator'>;

export interface Looks {
  readonly locale: 'ja-JP' | 'en-GB';
  readonly colorScheme: 'light' | 'dark';
}

export const PHONE_SIZE = { width: 390, height: 844 } as const;
export const DESK_SIZE = { width: 1280, height: 800 } as const;

export function phoneContext(browser: Browser, looks: Looks): Promise<BrowserContext> {
  return browser.newContext({
    ...looks,
    viewport: PHONE_SIZE,
    deviceScaleFactor: 2,
    hasTouch: true,
    isMobile: true,
  });
}

export function deskContext(browser: Browser, looks: Looks): Promise<BrowserContext> {
  return browser.newContext({ ...looks, viewport: DESK_SIZE });
}

/** Taps digits on the page's own keys, as a thumb would, and then the button below them. */
export async function tapDigits(phone: Screen, kind: 'pin' | 'code', digits: string): Promise<void> {
  await phone.locator(`input[name="${kind}"]`).waitFor({ state: 'attached' });
  for (const digit of digits) await phone.locator('.keypad button', { hasText: digit }).tap();
  await phone.locator('#submit').tap();
}

/** Keeps calls to this address on the way while something is looked at: how fast the machine is does not matter. */
export async function holding(page: Page, address: string, look: () => Promise<void>): Promise<void> {
  const held: Route[] = [];
  let looking = true;
  const hold = async (route: Route): Promise<void> => {
    if (looking) held.push(route);
    else await route.continue();
  };
  await page.route(address, hold);
  await look();
  looking = false;
  await Promise.all(held.map((route) => route.continue()));
  await page.unroute(address, hold);
}

/** Logs in as a customer on a page that nobody used before, and goes as far as the choice of a PIN. */
export async function beginEnrolment(phone: Screen, customer: string): Promise<void> {
  await phone.locator('button.row', { hasText: customer }).tap();
  await phone.locator('.steps').waitFor();
  await phone.locator('.actions .primary').tap();
}

/** A new phone of this customer, through its page, up to the home screen. */
export async function enrol(phone: Screen, customer: string, pin: string): Promise<void> {
  await beginEnrolment(phone, customer);
  await tapDigits(phone, 'pin', pin);
  // The second screen for it: the first one's cells are full.
  await phone.locator('.cells.pin:not(:has(.full))').waitFor();
  await tapDigits(phone, 'pin', pin);
  await phone.locator('#precall, #no-passkey').waitFor();
  // On a machine with a sensor of its own the page offers a passkey.
  if (await phone.locator('#no-passkey').isVisible()) await phone.locator('#no-passkey').tap();
  await phone.locator('#precall').waitFor();
}

/** What others vouch for, from the settings, and back to the home screen. */
export async function fetchCertificates(phone: Screen): Promise<void> {
  await phone.locator('#settings').tap();
  await phone.locator('#certificates').tap();
  await phone.locator('#fetch-certificates').tap();
  await phone.locator('.certificate').nth(2).waitFor();
  await phone.locator('#back').tap();
  await phone.locator('#back').tap();
  await phone.locator('#precall').waitFor();
}

export interface CallDetails {
  readonly purpose: string;
  readonly number?: 'unknown' | 'known' | 'other' | 'withheld';
  readonly direction?: 'inbound' | 'outbound';
  readonly transaction?: { readonly amount: string; readonly payee: string };
}

/** The operator starts a verification; answers the six digits on the screen. */
export async function startOnDesk(desk: Screen, customer: string, details: CallDetails): Promise<string> {
  await enterCall(desk, customer, details);
  if (details.transaction !== undefined) {
    if (!(await desk.locator('#amount').isVisible())) await desk.locator('#start-form summary').click();
    await desk.locator('#amount').fill(details.transaction.amount);
    await desk.locator('#payee').fill(details.transaction.payee);
  }
  await desk.locator('#start').click();
  return readDigits(desk, '[data-state="pending"] #code [aria-hidden]');
}

export async function claimOnDesk(
  desk: Screen,
  customer: string,
  details: CallDetails,
  code: string,
): Promise<void> {
  await enterCall(desk, customer, details);
  await desk.locator('#claim-code').fill(code);
  await desk.locator('#claim').click();
}

export async function enterCall(
  desk: Screen,
  customer: string,
  { purpose, direction = 'inbound', number }: CallDetails,
): Promise<void> {
  await desk.locator('#subject').fill(customer);
  await desk.locator('#start-purpose').selectOption(purpose);
  if (number !== undefined) await desk.locator('#number').selectOption(number);
  await desk.locator(`input[name="direction"][value="${direction}"]`).check();
}

/** Six digits as a person reads them off a screen. */
export async function readDigits(page: Screen, selector: string): Promise<string> {
  await page.locator(selector).first().waitFor();
  const digits = (await page.locator(selector).allTextContents()).join('');
  if (!/^[0-9]{6}$/.test(digits)) throw new Error('no six digits on the screen');
  return digits;
}
