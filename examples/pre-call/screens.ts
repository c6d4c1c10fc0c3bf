import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { findChromium, HOW_TO_GET_CHROMIUM, launchChromium, openPages } from './browser.ts';
import { shootCertificates, shootPurposes, shootUnmet } from './certificate-scenes.ts';
import { startDemo } from './demo.ts';
import { shootLocked, shootOtherDevice, shootSettings } from './device-scenes.ts';
import { deskContext, type Looks, phoneContext } from './drive.ts';
import { shootClaimEnded, shootDeskFailures, shootPhoneFailures, shootRenewal } from './failure-scenes.ts';
import { shootPasskey } from './passkey-scenes.ts';
import {
  type Studio,
  shootCall,
  shootDeskSignIn,
  shootEndings,
  shootEnrolment,
  shootLarge,
  shootPayment,
  shootPreCall,
} from './scenes.ts';
import { shootSideBySide } from './side-scenes.ts';

// Pictures of every screen, in both languages, light and dark, under out/screens: whoever changes a page looks at
// them. They come from real flows, so that what is on them can happen.
//   npx tsx --conditions=akashi-source examples/pre-call/screens.ts

const OUT = fileURLToPath(new URL('../../out/', import.meta.url));

async function main(): Promise<number> {
  const executable = await findChromium(process.env.CHROMIUM_PATH, process.env.PATH);
  if (executable === null) {
    console.error(HOW_TO_GET_CHROMIUM);
    return 2;
  }
  const folder = join(OUT, 'screens');
  await rm(folder, { recursive: true, force: true });
  const browser = await launchChromium(executable);
  try {
    for (const locale of ['ja-JP', 'en-GB'] as const) await shootAll(browser, folder, locale);
    console.log(`pictures under ${folder}`);
    return 0;
  } finally {
    await browser.close();
  }
}

async function shootAll(browser: Browser, folder: string, locale: Looks['locale']): Promise<void> {
  let passed = 0;
  const data = join(OUT, 'demo-screens');
  await rm(data, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const clock = (): number => Math.floor(Date.now() / 1000) + passed;
  const demo = await startDemo({ folder: data, port: 0, say: () => undefined, clock });
  const looks: Looks = { locale, colorScheme: 'light' };
  const contexts = [await phoneContext(browser, looks), await deskContext(browser, looks)] as const;
  try {
    for (const context of contexts) context.setDefaultTimeout(30_000);
    const studio: Studio = {
      demo,
      phone: await contexts[0].newPage(),
      desk: await contexts[1].newPage(),
      pass: (seconds) => {
        passed += seconds;
      },
      shoot: (page, name) => shoot(page, join(folder, `${locale.slice(0, 2)}-${name}`)),
      shootSmall: (page, name) => shootSmall(page, join(folder, `${locale.slice(0, 2)}-${name}`)),
    };
    await shootEnrolment(studio);
    await shootDeskSignIn(studio);
    await shootCall(studio);
    await shootLarge(studio);
    await shootPayment(studio);
    await shootCertificates(studio);
    await shootPurposes(studio);
    await shootEndings(studio);
    await shootPreCall(studio);
    await shootRenewal(studio);
    await shootPhoneFailures(studio);
    await shootDeskFailures(studio);
    await shootClaimEnded(browser, studio, looks);
    await shootSettings(studio, contexts[0]);
    await shootPasskey(browser, studio, looks);
    await shootUnmet(browser, studio, looks);
    await shootOtherDevice(browser, studio, looks);
    await shootLocked(studio);
    await shootSideBySide(browser, studio, looks);
  } catch (error) {
    console.error((await openPages(browser)).join('\n'));
    throw error;
  } finally {
    for (const context of contexts) await context.close();
    await demo.close();
  }
}

async function shoot(page: Page, path: string): Promise<void> {
  const room = await page.evaluate(() => innerWidth - document.documentElement.scrollWidth);
  if (room < 0) throw new Error(`${path} is wider than the screen`);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${path}-${colorScheme}.png` });
  }
}

/** Small phones; a phone and a desk at a zoom of 200 %. */
const SMALL = {
  phone: { small: [320, 568], 'less-small': [360, 640], zoomed: [195, 422] },
  desk: { zoomed: [640, 400] },
} as const;

/** What there is to decide is in view on every phone, before anyone scrolls. */
async function shootSmall(page: Page, path: string): Promise<void> {
  const usual = page.viewportSize();
  if (usual === null) throw new TypeError('a page without a size');
  const kind = usual.width < usual.height ? 'phone' : 'desk';
  for (const [name, [width, height]] of Object.entries(SMALL[kind])) {
    await page.setViewportSize({ width, height });
    await shoot(page, `${path}-${name}`);
    const first = page.locator('.actions .primary, #submit').first();
    const box =
      kind === 'phone' && name !== 'zoomed'
        ? await first.boundingBox({ timeout: 100 }).catch(() => null)
        : null;
    if (box !== null && box.y + box.height > height) throw new Error(`${path} hides what there is to do`);
  }
  await page.setViewportSize(usual);
}

process.exitCode = await main();
