import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { findChromium, HOW_TO_GET_CHROMIUM, launchChromium, openPages } from './browser.ts';
import { type Demo, startDemo } from './demo.ts';
import {
  claimOnDesk,
  deskContext,
  enrol,
  enterCall,
  fetchCertificates,
  type Looks,
  phoneContext,
  readDigits,
  startOnDesk,
  tapDigits,
} from './drive.ts';

export interface UnattendedOptions {
  /** Folder with a slash at its end; data goes to `demo-auto/` in it, pictures to `screenshots/`. */
  readonly out: string;
  /** A browser that was named; else one is looked for. */
  readonly chromium: string | undefined;
}

const CUSTOMER = 'C-48201';
const PIN = '508362';
const LOOKS: Looks = { locale: 'ja-JP', colorScheme: 'light' };
const NO_BROWSER = 2;

/**
 * All flows in a real browser: two contexts that share nothing, a new phone, codes read from one screen and typed on
 * the other. Prints a timeline and one line of JSON; answers the exit code.
 */
export async function runUnattended({ out, chromium }: UnattendedOptions): Promise<number> {
  const executable = await findChromium(chromium, process.env.PATH);
  if (executable === null) {
    console.error(HOW_TO_GET_CHROMIUM);
    return NO_BROWSER;
  }
  const folder = join(out, 'demo-auto');
  const screenshots = join(out, 'screenshots');
  await rm(folder, { recursive: true, force: true });
  await mkdir(screenshots, { recursive: true });
  const startedAt = performance.now();
  const tell = (what: string): void => {
    console.log(`${String(Math.round(performance.now() - startedAt)).padStart(7)} ms  ${what}`);
  };
  let demo: Demo | undefined;
  let browser: Browser | undefined;
  try {
    demo = await startDemo({ folder, port: 0, say: tell });
    tell(`verifier ${demo.verifier}, bank ${demo.bank}, desk ${demo.desk}`);
    browser = await launchChromium(executable);
    tell(`browser: Chromium ${browser.version()}`);
    const result = await runFlows(demo, browser, tell, screenshots);
    console.log(JSON.stringify({ ...result, browser: `Chromium ${browser.version()}`, screenshots }));
    const verdicts = [result.verdict, result.preCall, ...Object.values(result.purposes)];
    return verdicts.every((verdict) => verdict === 'passed') ? 0 : 1;
  } catch (error) {
    console.error(`failed: ${error instanceof Error ? error.message : error}`);
    if (browser !== undefined) console.error((await openPages(browser)).join('\n'));
    return 1;
  } finally {
    await browser?.close();
    await demo?.close();
  }
}

async function runFlows(demo: Demo, browser: Browser, tell: (what: string) => void, screenshots: string) {
  const faults: string[] = [];
  const open = async (context: Awaited<ReturnType<typeof phoneContext>>, who: string): Promise<Page> => {
    context.setDefaultTimeout(30_000);
    const page = await context.newPage();
    page.on('pageerror', (error) => faults.push(`${who}: ${error.message}`));
    page.on('console', (message) => {
      // A browser reports answers such as 401 with a fresh nonce as errors; they are part of the protocol.
      const ours = !message.text().startsWith('Failed to load resource');
      if (message.type() === 'error' && ours) faults.push(`${who}: ${message.text()}`);
    });
    return page;
  };
  const phone = await open(await phoneContext(browser, LOOKS), 'phone');
  const desk = await open(await deskContext(browser, LOOKS), 'desk');
  const shoot = (page: Page, name: string): Promise<unknown> =>
    page.screenshot({ path: join(screenshots, `auto-${name}.png`) });
  await phone.addInitScript(recordTaps);

  await phone.goto(demo.bank);
  await enrol(phone, CUSTOMER, PIN);
  tell('phone: enrolled through its page');
  await shoot(phone, 'phone-home');
  await desk.goto(`${demo.desk}/desk${await demo.signInFragment()}`);
  await desk.locator('#start').waitFor();
  tell('desk: operator signed in');
  const onCall = await verifyOnCall(phone, desk, tell, shoot);
  const preCall = await verifyBeforeCall(phone, desk, tell, shoot);
  await fetchCertificates(phone);
  tell('phone: certificates of the bank, a telephone company and a city');
  const verify = (purpose: string) => verifyPurpose(phone, desk, purpose, tell, shoot);
  const purposes = {
    balance: await verify('standard inquiry'),
    limit: await verify('limit limit'),
    payment: await payBill(phone, desk, tell, shoot),
    open: await verify('open open'),
  };
  await reusePass(desk, tell, shoot);
  if (faults.length > 0) throw new Error(`a page reported a fault: ${faults.join('; ')}`);
  return { ...onCall, preCall, purposes };
}

type Shoot = (page: Page, name: string) => Promise<unknown>;

async function verifyOnCall(phone: Page, desk: Page, tell: (what: string) => void, shoot: Shoot) {
  const transaction = { amount: '250000', payee: '山田商店' };
  const code = await startOnDesk(desk, CUSTOMER, { purpose: 'transfer transfer', transaction });
  tell('desk: verification started, six digits on the screen');
  await shoot(desk, 'desk-code');
  await phone.locator('#accept').waitFor();
  tell('phone: the request is shown');
  await shoot(phone, 'phone-request');
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', code);
  tell('phone: digits typed');
  await tapDigits(phone, 'pin', PIN);
  tell('phone: PIN typed, last tap');
  const { verdict, paintedAt } = await readVerdict(desk);
  tell(`desk: ${verdict}`);
  const tappedAt = Number(await phone.locator('html').getAttribute('data-last-tap'));
  const ending = await phone.locator('[data-ending]').getAttribute('data-ending');
  tell(`phone: ${ending}`);
  await shoot(desk, 'desk-passed');
  await shoot(phone, 'phone-passed');
  if (ending !== verdict) throw new Error(`the desk shows ${verdict}, the phone ${ending}`);
  await phone.locator('#done').tap();
  return { verdict, tapToVerdictMs: Math.round(paintedAt - tappedAt) };
}

async function verifyBeforeCall(phone: Page, desk: Page, tell: (what: string) => void, shoot: Shoot) {
  await phone.locator('#precall').tap();
  await phone.locator('input[value="inquiry"]').check();
  await phone.locator('#start').tap();
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'pin', PIN);
  const code = await readDigits(phone, '#claim [aria-hidden]');
  tell('phone: verified before the call, six digits to say');
  await shoot(phone, 'phone-claim');
  await claimOnDesk(desk, CUSTOMER, { purpose: 'standard inquiry' }, code);
  const { verdict } = await readVerdict(desk);
  tell(`desk: pre-call code taken, ${verdict}`);
  await shoot(desk, 'desk-claimed');
  await phone.locator('[data-ending="claimed"]').waitFor();
  await phone.locator('#done').tap();
  return verdict;
}

/** A call about this purpose; what the phone says that it shows is on a picture. */
async function verifyPurpose(
  phone: Page,
  desk: Page,
  purpose: string,
  tell: (what: string) => void,
  shoot: Shoot,
): Promise<string> {
  const [name = ''] = purpose.split(' ');
  const code = await startOnDesk(desk, CUSTOMER, { purpose, number: 'known' });
  await phone.locator('#accept').waitFor();
  await shoot(phone, `phone-${name}`);
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', code);
  await tapDigits(phone, 'pin', PIN);
  const { verdict } = await readVerdict(desk);
  const ending = await phone.locator('[data-ending]').getAttribute('data-ending');
  if (ending !== verdict) throw new Error(`the desk shows ${verdict}, the phone ${ending}`);
  tell(`desk: ${purpose}, ${verdict}`);
  await phone.locator('#done').tap();
  return verdict;
}

/** In the same call the customer is not asked again for another everyday purpose. */
async function reusePass(desk: Page, tell: (what: string) => void, shoot: Shoot): Promise<void> {
  await enterCall(desk, CUSTOMER, { purpose: 'standard address' });
  await desk.locator('#start').click();
  await desk.locator('[data-verdict="passed"][data-reused]').waitFor();
  await shoot(desk, 'desk-reused');
  tell('desk: another purpose of the same call, passed without asking again');
}

/** The bank's own bill: paid on a call whose operator sees no figure of it. */
async function payBill(phone: Page, desk: Page, tell: (what: string) => void, shoot: Shoot) {
  const code = await startOnDesk(desk, CUSTOMER, { purpose: 'payment payment' });
  await phone.locator('#accept').waitFor();
  const amount = await phone.locator('.amount dd').innerText();
  await shoot(phone, 'phone-payment');
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', code);
  await tapDigits(phone, 'pin', PIN);
  const { verdict } = await readVerdict(desk);
  await phone.locator('[data-ending="passed"]').waitFor();
  await shoot(desk, 'desk-payment-confirmed');
  if ((await desk.locator('#desk').innerText()).includes(amount))
    throw new Error('the desk shows the amount');
  tell(`desk: payment ${verdict}, no figure of it on the screen`);
  await phone.locator('#done').tap();
  return verdict;
}

/** What the desk shows, and when that was painted. */
async function readVerdict(desk: Page): Promise<{ readonly verdict: string; readonly paintedAt: number }> {
  const stage = desk.locator('.stage[data-painted-at]');
  await stage.waitFor();
  const verdict = (await stage.locator('[data-verdict]').getAttribute('data-verdict')) ?? '';
  return { verdict, paintedAt: Number(await stage.getAttribute('data-painted-at')) };
}

/** Runs in the phone page: notes when the last tap was. */
function recordTaps(): void {
  addEventListener(
    'click',
    (event) => {
      document.documentElement.dataset.lastTap = String(performance.timeOrigin + event.timeStamp);
    },
    { capture: true },
  );
}
