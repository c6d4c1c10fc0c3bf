import { openChromium } from './chromium.ts';
import { openFirefox } from './firefox.ts';
import type { PhonePage } from './page.ts';

// The test's hands on phone pages, alike in every browser.

export interface DrivenBrowser {
  /** A fresh profile, with nothing stored. */
  profile(): Promise<Profile>;
  close(): Promise<void>;
}

export interface Profile {
  /** A page that has loaded. */
  page(address: string): Promise<DrivenPage>;
  close(): Promise<void>;
}

export interface DrivenPage {
  /** Runs a function in the page; what it takes and returns is JSON. */
  evaluate<T, A>(work: (argument: A) => T | Promise<T>, argument: A): Promise<T>;
  reload(): Promise<void>;
  /** Addresses of its workers that are alive. */
  workers(): readonly string[];
  /** Errors and warnings of its console, and errors that nothing caught. */
  readonly complaints: readonly string[];
}

/** Each opens headless. @throws Error that says how to get the browser */
export const BROWSERS: readonly (readonly [string, () => Promise<DrivenBrowser>])[] = [
  ['Chromium', openChromium],
  ['Firefox', openFirefox],
];

/** One call of what page.ts offers. */
export function tellPage<Name extends keyof PhonePage>(
  page: Pick<DrivenPage, 'evaluate'>,
  name: Name,
  args: Parameters<PhonePage[Name]>,
): Promise<Awaited<ReturnType<PhonePage[Name]>>> {
  return page.evaluate(
    ([called, given]): Promise<Awaited<ReturnType<PhonePage[Name]>>> => {
      const { phonePage } = globalThis as unknown as {
        phonePage: Record<string, (...args: readonly unknown[]) => never>;
      };
      const method = phonePage[called];
      if (method === undefined) throw new TypeError('the page offers no such thing');
      return method(...given);
    },
    [name, args] as const,
  );
}
