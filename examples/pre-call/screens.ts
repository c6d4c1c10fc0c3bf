import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { findChromium, HOW_TO_GET_CHROMIUM, launchChromium, openPages } from './browser.ts';
import { shootCertificates, shootPurposes, shootUnmet } from './certificate-scenes.ts';
import { startDemo } from './demo.ts';
import { deskContext, type Looks, phoneContext } from './drive.ts';
import { shootPasskey } from './passkey-scenes.ts';
import {
  type Studio,
  shootCall,
  shootDeskSignIn,
  shootEndings,
  shootEnrolment,
  shootLocked,
  shootOtherDevice,
  shootPayment,
  shootPreCall,
  shootSettings,
  shootSideBySide,
} from './scenes.ts';

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
      shoot: async (page, name) => {
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          await page.screenshot({ path: join(folder, `${locale.slice(0, 2)}-${name}-${colorScheme}.png`) });
        }
      },
    };
    await shootEnrolment(studio);
    await shootDeskSignIn(studio);
    await shootCall(studio);
    await shootPayment(studio);
    await shootCertificates(studio);
    await shootPurposes(studio);
    await shootEndings(studio);
    await shootPreCall(studio);
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

process.exitCode = await main();
