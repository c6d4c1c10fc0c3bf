import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openAgent } from '@akashi/sdk/agent';
import { generateIssuerKeys, openIssuer } from '@akashi/sdk/issuer';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { artifactFile } from '../circuits/artifact.ts';
import { bundlePhone, coreGzip } from './phone-bundle.ts';
import { openSite, type Site, type SiteFiles } from './phone-site.ts';
import { median, rounded } from './quantile.ts';
import { eachFact, type Results } from './results.ts';
import { SERVICE_FACTS } from './service-phone.ts';
import { startVerifierProcess } from './verifier-process.ts';

// What a phone loads before it can prove, and how long it then takes.
//
// - core: a page with `@akashi/sdk/holder` as a bundler splits it, with everything that it imports but lazily.
// - first proof of a fact: all scripts of the SDK that a browser was seen to ask for, from an empty cache to the first
//   presentation sent, enrolment and its OPRF, worker and its WebAssembly included; and the key of that fact.
// - cold start: from the start of the navigation, nothing cached, until the holder is open and the worker has loaded and
//   checked the key of `pin` and is about to compute. From this machine: what the network adds is not in it.
// - PIN to sent: in a page just opened, a request is accepted, its proofs are prepared; from the typed PIN handed to the
//   SDK, over the OPRF, both proofs and the device's signature, until the presentation goes out. On a main thread slowed by
//   the browser, which has had some idle moments before, as while a customer types.

const PIN = '948271';

const SLOW_DOWN = 4;
/** A PIN and a code take longer to type. */
const TYPING_MS = 1500;

/** Entries of the bundle that this needs, by path on the site. */
export const DOWNLOAD_ENTRIES = {
  'sdk/holder.js': 'sdk/holder.ts',
  'sdk/prover-worker.js': 'sdk/prover-worker.ts',
} as const;

export interface DownloadOptions {
  readonly browser: Browser;
  /** Of {@link DOWNLOAD_ENTRIES}. */
  readonly sdk: SiteFiles;
  /** The page of phone-page.ts. */
  readonly page: SiteFiles;
  /** Cold starts. */
  readonly runs: number;
  readonly say: (line: string) => void;
}

/** @throws Error when the page does not get as far as a pass */
export async function measureDownload(options: DownloadOptions): Promise<Results['sdk']> {
  const { browser, sdk, page, runs, say } = options;
  const site = await openSite('phone-page.js', new Map([...sdk, ...page]));
  try {
    say('sdk: enrolling and presenting in a page');
    const { scripts, pinToSentMs } = await inNewContext(browser, (context) =>
      inConversation(context, site, async (conversation) => {
        await conversation.verify(async () => undefined);
        const requested = [...site.requested].filter((path) => sdk.has(path));
        return { scripts: requested, pinToSentMs: await pinToSent(conversation, runs) };
      }),
    );
    const code = gzipOf(scripts.map((path) => contentOf(sdk, path)));
    say(`sdk: ${runs} cold starts`);
    const starts: number[] = [];
    for (let run = 0; run < runs; run++) {
      starts.push(await inNewContext(browser, async (context) => coldStart(await context.newPage(), site)));
    }
    return {
      runs,
      coreGzipKb: kilobytes(coreGzip(await bundlePhone())),
      firstProofGzipKb: await eachFact(async (fact) => {
        const { name } = artifactFile(fact, 'key');
        const key = await readFile(new URL(`../circuits/artifacts/${name}`, import.meta.url));
        return kilobytes(code + gzipOf([key]));
      }),
      coldStartMs: rounded(median(starts)),
      slow4x: { pinToSentMs },
    };
  } finally {
    site.close();
  }
}

/** An empty cache and an empty storage. */
async function inNewContext<T>(browser: Browser, work: (context: BrowserContext) => Promise<T>): Promise<T> {
  const context = await browser.newContext();
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}

async function coldStart(page: Page, site: Site): Promise<number> {
  await page.goto(site.address);
  await page.waitForFunction(() => 'phonePage' in globalThis);
  return page.evaluate(() => globalThis.phonePage.ready);
}

interface Conversation {
  readonly page: Page;
  /**
   * One verification in the page opened anew, from the desk to the pass.
   * @param typing what happens while the customer types
   * @returns milliseconds from the PIN typed to the presentation sent
   */
  verify(typing: () => Promise<void>): Promise<number>;
}

/** Enrols the page as a customer's phone with a verifier of its own. */
async function inConversation<T>(
  context: BrowserContext,
  site: Site,
  work: (conversation: Conversation) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'akashi-download-'));
  const verifier = await startVerifierProcess(folder, { tenants: 1, operatorsEach: 1, page: site.origin });
  try {
    const { origin, tenants } = verifier;
    const [{ tenant, apiKey, signIns } = { tenant: '', apiKey: '', signIns: [] }] = tenants;
    const issuer = await openIssuer({ verifier: origin, apiKey, tenant, ...(await generateIssuerKeys()) });
    await issuer.register();
    const [subject, policy, purpose] = ['customer', 'both', 'bench'];
    const purposes = [{ id: purpose, text: { ja: '計測', en: 'Benchmark' } }];
    await issuer.putPolicy({ policy, facts: [...SERVICE_FACTS], purposes });
    const desk = openAgent({ verifier: origin });
    await desk.signIn(signIns[0] ?? '');

    site.allow(origin);
    const page = await context.newPage();
    const accounts = [{ number: '0001', label: 'Account' }];
    await page.exposeFunction('exchange', (receipt: string) =>
      issuer.issueAccounts({ receipt, subject, accounts }),
    );
    await coldStart(page, site);
    const { fragment } = await issuer.requestEnrolment(subject);
    const enrolment = [origin, fragment, PIN] as const;
    await page.evaluate((given) => globalThis.phonePage.enrol(...given), enrolment);
    const start = { subject, policy, purpose, mode: 'call', call: { direction: 'inbound' } } as const;
    return await work({
      page,
      async verify(typing) {
        await coldStart(page, site);
        const { verification, code = '' } = await desk.start(start);
        const asked = [origin, verification] as const;
        await page.evaluate((given) => globalThis.phonePage.accept(...given), asked);
        await typing();
        const typed = [verification, code, PIN] as const;
        return page.evaluate((given) => globalThis.phonePage.present(...given), typed);
      },
    });
  } finally {
    await verifier.stop();
    await rm(folder, { recursive: true });
  }
}

/** Median of `runs` verifications, each of a page just opened. */
async function pinToSent({ page, verify }: Conversation, runs: number): Promise<number> {
  const devtools = await page.context().newCDPSession(page);
  const slowTo = (rate: number) => devtools.send('Emulation.setCPUThrottlingRate', { rate });
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    times.push(
      await verify(async () => {
        await slowTo(SLOW_DOWN);
        await page.waitForTimeout(TYPING_MS);
      }),
    );
    await slowTo(1);
  }
  return rounded(median(times));
}

function contentOf(files: SiteFiles, path: string): Uint8Array {
  const content = files.get(path);
  if (content === undefined) throw new Error(`${path} is not of the bundle`);
  return content;
}

/** Bytes of these files, each compressed by itself as it travels. */
function gzipOf(contents: readonly Uint8Array[]): number {
  return contents.reduce((sum, content) => sum + gzipSync(content).byteLength, 0);
}

function kilobytes(bytes: number): number {
  return Math.round(bytes / 100) / 10;
}
