import type { Browser, Page } from 'playwright-core';
import { findChromium, HOW_TO_GET_CHROMIUM, launchChromium } from '../../examples/pre-call/browser.ts';
import type { DrivenBrowser, DrivenPage } from './page-driver.ts';

/** Chromium by its own protocol. */
export async function openChromium(): Promise<DrivenBrowser> {
  const browser = await launchedChromium();
  return {
    async profile() {
      const context = await browser.newContext();
      return {
        page: async (address) => drivenPage(await context.newPage(), address),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

/** Chromium with all that its protocol can do. @throws Error that says how to get one */
export async function launchedChromium(): Promise<Browser> {
  const path = await findChromium(process.env.CHROMIUM_PATH, process.env.PATH);
  if (path === null) throw new Error(HOW_TO_GET_CHROMIUM);
  return launchChromium(path);
}

async function drivenPage(page: Page, address: string): Promise<DrivenPage> {
  const complaints: string[] = [];
  page.on('console', (message) => {
    // The first call of a device is answered with a nonce and 401, which Chromium writes down as a failure to load.
    const isNonce = /status of 401/.test(message.text());
    if (/error|warning/.test(message.type()) && !isNonce) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(address);
  return {
    evaluate: (work, argument) => page.evaluate(work as never, argument) as never,
    async reload() {
      await page.reload();
    },
    workers: () => page.workers().map((worker) => worker.url()),
    complaints,
  };
}
