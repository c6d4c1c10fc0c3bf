import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileCredentials } from '@akashi/sdk/credential-file';
import { openIssuer } from '@akashi/sdk/issuer';
import {
  createDevelopmentKeys,
  createSecretFile,
  createSignInLink,
  type Keys,
  openKeys,
  parseKeysDocument,
  readSecretFile,
  type Service,
  startVerifier,
} from '@akashi/verifier';
import { createBank, createPublication, PUBLISHED } from './bank/back-end.ts';
import { CUSTOMERS } from './bank/customers.ts';
import { createDeskRoutes } from './bank/desk-routes.ts';
import { Notices } from './bank/notices.ts';
import { Payments } from './bank/payments.ts';
import { POLICIES } from './bank/policies.ts';
import { openRecords, TENANT } from './bank/records.ts';
import { Sessions } from './bank/sessions.ts';
import { bundlePages } from './bundle.ts';
import { createPartners } from './partner/partners.ts';
import { openPartnerKeys } from './partner/records.ts';
import { createSite, inUse, listen, PortInUse } from './site.ts';

export interface DemoOptions {
  /** Everything the demo keeps: database, keys, the bank's records, bundled pages, log. */
  readonly folder: string;
  /** Verifier, bank, desk and the bank's partners listen on this port and the next three; 0: any free ones. */
  readonly port: number;
  /** Something for whoever watches the terminal. */
  readonly say: (line: string) => void;
  /** UTC seconds; the system's by default. */
  readonly clock?: () => number;
}

/** A running verifier, bank, desk, and those who vouch for customers besides the bank, each on an origin of its own. */
export interface Demo {
  readonly verifier: string;
  readonly bank: string;
  readonly desk: string;
  readonly partners: string;
  /** The verifier's database file. */
  readonly database: string;
  /** A fresh `#signin=<token>` for the operator: good once, for ten minutes. */
  signInFragment(): Promise<string>;
  close(): Promise<void>;
}

const systemClock = (): number => Math.floor(Date.now() / 1000);

/** Starts all of them. @throws PortInUse */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const { folder, port, clock: now = systemClock } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const bundles = await bundlePages(join(folder, 'pages'));
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    const bankListener = await listen(port === 0 ? 0 : port + 1);
    closing.push(() => bankListener.close());
    const deskListener = await listen(port === 0 ? 0 : port + 2);
    closing.push(() => deskListener.close());
    const partnersListener = await listen(port === 0 ? 0 : port + 3);
    closing.push(() => partnersListener.close());
    const notices = new Notices();
    const service = await startService(options, notices, now);
    closing.push(() => service.close());
    const { origin: verifier, store } = service;
    const { origin: bank } = bankListener;
    const { origin: desk } = deskListener;
    const { origin: partners } = partnersListener;

    const file = join(folder, 'bank.json');
    const records = await openRecords({ file, store, origins: [bank, desk], now, random: randomBytes });
    const credentials = await fileCredentials(join(folder, 'credentials.jsonl'));
    const common = {
      ...{ verifier, tenant: TENANT.tenant, now: () => now() * 1000 },
      publication: { url: `${bank}${PUBLISHED}`, credentials },
    };
    const issuer = await openIssuer({ ...common, ...records });

    const origins = { verifier, bank, desk, partners };
    const sessions = new Sessions(now, randomBytes);
    const bankSite = await createPhoneSite(bundles.phone, origins);
    bankSite.route('/api', createBank({ customers: CUSTOMERS, issuer, sessions, notices }));
    bankSite.route(PUBLISHED, createPublication(issuer));
    bankListener.serve(bankSite);
    // They never call the verifier in the bank's name, so they have no API key. What they vouch for has its place in the
    // one status list that the verifier looks at for this bank.
    const keys = await openPartnerKeys(join(folder, 'partners.json'), store, now);
    const midori = await openIssuer({ ...common, ...keys.midori, apiKey: 'none' });
    const city = await openIssuer({ ...common, ...keys.city, apiKey: 'none' });
    partnersListener.serve(createPartners({ midori, city, origin: partners, app: bank }));
    await issuer.register();
    for (const policy of POLICIES) await issuer.putPolicy(policy);
    const signInFragment = async (): Promise<string> =>
      `#signin=${await createSignInLink(store, TENANT.tenant, records.operator, now(), randomBytes)}`;
    const ending = new AbortController();
    closing.push(async () => ending.abort());
    const payments = new Payments({
      ...{ customers: CUSTOMERS, issuer, say: options.say, closing: ending.signal },
    });
    const deskSite = await createDeskSite(bundles.desk, origins, signInFragment);
    deskSite.route('/bank', createDeskRoutes({ payments, operator: records.operator, desk }));
    deskListener.serve(deskSite);
    return { ...origins, database: join(folder, 'verifier.sqlite'), signInFragment, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startService(
  { folder, port, say }: DemoOptions,
  notices: Notices,
  now: () => number,
): Promise<Service> {
  const log = createWriteStream(join(folder, 'verifier.log'), { flags: 'a', mode: 0o600 });
  const service = await startVerifier({
    file: join(folder, 'verifier.sqlite'),
    keys: (origin) => openDemoKeys(join(folder, 'keys'), origin, now()),
    port,
    clock: now,
    log: (entry) => {
      // Calls that were cut off by closing end after it.
      if (!log.writableEnded) log.write(`${JSON.stringify({ time: now(), ...entry })}\n`);
    },
    // Verifier and bank share a process here; in real life this is a call over the network.
    notify: async ({ subject, verification }) => notices.send(subject, verification, now()),
    alert: async () =>
      say('a customer reported that they are not on a call: every open verification of theirs ended'),
  }).catch((error: unknown) => {
    throw inUse(error) ? new PortInUse(port) : error;
  });
  return {
    ...service,
    close: async () => {
      await service.close();
      await new Promise<void>((resolve) => log.end(resolve));
    },
  };
}

/** Made on the first start. The root key lies beside the others, which only an example may do. */
async function openDemoKeys(folder: string, origin: string, now: number): Promise<Keys> {
  const file = join(folder, 'keys.json');
  const kept = await readSecretFile(file).catch(() => null);
  if (kept !== null) return openKeys(parseKeysDocument(kept));
  const { keys, root } = await createDevelopmentKeys(origin, now, randomBytes);
  await createSecretFile(join(folder, 'root.json'), JSON.stringify(root));
  await createSecretFile(file, JSON.stringify(keys));
  return openKeys(keys);
}

interface Origins {
  readonly verifier: string;
  readonly bank: string;
  readonly desk: string;
  readonly partners: string;
}

function createPhoneSite(folder: string, { verifier, bank, desk, partners }: Origins) {
  const policy = { connect: [verifier, partners], framedBy: [desk], proves: true };
  return createSite({
    origin: bank,
    folder,
    pages: { '/': { file: 'index.html', policy } },
    values: { VERIFIER: verifier, PARTNERS: partners },
  });
}

async function createDeskSite(
  folder: string,
  { verifier, bank, desk }: Origins,
  signInFragment: () => Promise<string>,
) {
  const site = await createSite({
    origin: desk,
    folder,
    pages: {
      '/': { file: 'index.html', policy: { frames: ["'self'", bank] } },
      '/desk': { file: 'desk.html', policy: { connect: [verifier], framedBy: ["'self'"] } },
    },
    values: { VERIFIER: verifier, BANK: bank },
  });
  // Only an example has this route: whoever opens the page on this machine may be the operator. Elsewhere the
  // administrator hands a link to one person (`akashi operator link`).
  site.post('/demo/sign-in', async (c) => {
    if (c.req.header('origin') !== desk) return c.text('wrong origin', 403);
    c.header('cache-control', 'no-store');
    return c.text(await signInFragment());
  });
  return site;
}
