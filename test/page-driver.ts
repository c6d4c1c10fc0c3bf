import type { Browser, Page } from 'playwright-core';
import { findChromium, HOW_TO_GET_CHROMIUM, launchChromium } from '../examples/pre-call/browser.ts';
import type { PhonePage } from './page.ts';

// The test's hands on a phone page.

/** A headless browser. @throws Error that says how to get one */
export async function openBrowser(): Promise<Browser> {
  const path = await findChromium(process.env.CHROMIUM_PATH, process.env.PATH);
  if (path === null) throw new Error(HOW_TO_GET_CHROMIUM);
  return launchChromium(path);
}

/** One call of what page.ts offers. */
export function tellPage<Name extends keyof PhonePage>(
  page: Page,
  name: Name,
  args: Parameters<PhonePage[Name]>,
): Promise<Awaited<ReturnType<PhonePage[Name]>>> {
  return page.evaluate(
    ([called, given]) => {
      const { phonePage } = globalThis as unknown as {
        phonePage: Record<string, (...args: unknown[]) => never>;
      };
      const method = phonePage[called];
      if (method === undefined) throw new TypeError('the page offers no such thing');
      return method(...given);
    },
    [name, args] as const,
  );
}
