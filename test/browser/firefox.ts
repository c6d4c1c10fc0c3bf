import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import puppeteer, { type Page } from 'puppeteer-core';
import type { DrivenBrowser, DrivenPage } from './page-driver.ts';

const HOW_TO_GET_FIREFOX = `No Firefox found. Any recent one will do:
  Debian           sudo apt-get install firefox-esr
  macOS            brew install --cask firefox
  elsewhere        https://www.mozilla.org/firefox/
or name one that is installed: FIREFOX_PATH=/path/to/firefox`;

/** Firefox over WebDriver BiDi. */
export async function openFirefox(): Promise<DrivenBrowser> {
  const executablePath = await findFirefox(process.env.FIREFOX_PATH, process.env.PATH);
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true });
  return {
    async profile() {
      const context = await browser.createBrowserContext();
      return {
        page: async (address) => drivenPage(await context.newPage(), address),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

async function findFirefox(named: string | undefined, path = ''): Promise<string> {
  const candidates = named
    ? [named]
    : [
        ...path.split(delimiter).flatMap((folder) => [join(folder, 'firefox-esr'), join(folder, 'firefox')]),
        '/Applications/Firefox.app/Contents/MacOS/firefox',
      ];
  for (const candidate of candidates) {
    const usable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return candidate;
  }
  throw new Error(HOW_TO_GET_FIREFOX);
}

async function drivenPage(page: Page, address: string): Promise<DrivenPage> {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (/error|warn/.test(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(address);
  return {
    evaluate: (work, argument) => page.evaluate(work as never, argument as never) as never,
    async reload() {
      await page.reload();
    },
    workers: () => page.workers().map((worker) => worker.url()),
    complaints,
  };
}
