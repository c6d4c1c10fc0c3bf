import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  ACCOUNTS_SCHEMA,
  parse,
  publicJwkShape,
  STATUS_LIST_SIZE,
  signJws,
  thumbprint,
} from '@akashi/circuits';
import {
  type CredentialStore,
  generateIssuerKeys,
  type Issuer,
  memoryCredentials,
  openIssuer,
} from '@akashi/sdk/issuer';
import { openIssuers } from '@akashi/verifier';
import { exportJWK, generateKeyPair } from 'jose';
import { rounded, type Spread, spreadOf } from './quantile.ts';

// Issuing to a bank's whole clientele, and a status list of a million credentials: what both cost the issuer, and what
// the list costs the verifier. Alone, in a process of its own, it prints its figures as JSON:
// node_modules/.bin/tsx --conditions=akashi-source bench/issuing.ts

const VERIFIER = 'https://verify.example';
const BASE = 'https://bank.example/akashi/';
const TENANT = 'bank';
const CREDENTIALS = 100_000;
/** So many are under way together. */
const TOGETHER = 16;
const SINGLE_RUNS = 500;
const LIST_RUNS = 15;
const LOOKUPS = 1_000_000;
const REVOKED_SHARES = [0, 0.01, 0.5] as const;
const MEBIBYTE = 2 ** 20;

/** Times in milliseconds, memory in MiB. */
export interface Issuing {
  readonly credentials: {
    readonly count: number;
    readonly accountsEach: number;
    readonly seconds: number;
    readonly perSecond: number;
    /** Of all threads: what the machine is busy with besides does not count. */
    readonly cpuSeconds: number;
    /** One after the other. */
    readonly single: Spread;
    readonly peakMemory: number;
  };
  readonly statusList: {
    readonly places: number;
    /** The issuer's memory for what it remembers of a million credentials, all in one list. */
    readonly storeMemory: number;
    readonly revokedPerSecond: number;
    readonly lists: readonly ListFigures[];
    /** One place of a list that the verifier has at hand. */
    readonly lookupsPerSecond: number;
  };
}

interface ListFigures {
  readonly revoked: number;
  /** From the store to the signed list. */
  readonly sign: Spread;
  readonly bytes: number;
  /** From the fetched text to an answer: signature, shape, unpacking. */
  readonly open: Spread;
}

export async function measureIssuing(): Promise<Issuing> {
  const credentials = await measureCredentials();
  return { credentials, statusList: await measureStatusList() };
}

async function measureCredentials(): Promise<Issuing['credentials']> {
  const { issuer, receiptFor } = await openBank(memoryCredentials());
  const accounts = [
    { number: '001-1234567', label: 'Ordinary' },
    { number: '001-7654321', label: 'Savings' },
  ];
  const issue = async (customer: number) => {
    const subject = `c-${customer}`;
    await issuer.issueAccounts({ receipt: await receiptFor(subject), subject, accounts });
  };
  const single: number[] = [];
  for (let i = 0; i < SINGLE_RUNS; i++) {
    const receipt = await receiptFor(`single-${i}`);
    single.push(await timed(() => issuer.issueAccounts({ receipt, subject: `single-${i}`, accounts })));
  }
  // Receipts are the verifier's work: what making them costs is measured and taken off.
  const both = await spentOn(() => inTurns(CREDENTIALS, issue));
  const receipts = await spentOn(() =>
    inTurns(CREDENTIALS, async (customer) => void (await receiptFor(`c-${customer}`))),
  );
  const seconds = both.seconds - receipts.seconds;
  return {
    count: CREDENTIALS,
    accountsEach: accounts.length,
    seconds: rounded(seconds),
    perSecond: Math.round(CREDENTIALS / seconds),
    cpuSeconds: rounded(both.cpuSeconds - receipts.cpuSeconds),
    single: spreadOf(single.slice(SINGLE_RUNS / 10)),
    peakMemory: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

async function measureStatusList(): Promise<Issuing['statusList']> {
  const store = memoryCredentials();
  const { issuer } = await openBank(store);
  const before = retainedMemory();
  const now = Math.floor(Date.now() / 1000);
  for (let index = 0; index < STATUS_LIST_SIZE; index++) {
    await store.add({
      ...{ list: 0, index, subject: `c-${index}`, jkt: randomBytes(32).toString('base64url') },
      ...{ schema: ACCOUNTS_SCHEMA, issuedAt: now, expiresAt: now + 90 * 86_400 },
    });
  }
  const storeMemory = Math.round((retainedMemory() - before) / MEBIBYTE);
  const order = shuffled(STATUS_LIST_SIZE);
  let revoking = 0;
  const lists: ListFigures[] = [];
  let revoked = 0;
  let text = '';
  for (const share of REVOKED_SHARES) {
    revoking += await timed(async () => {
      for (; revoked < Math.floor(share * STATUS_LIST_SIZE); revoked++)
        await issuer.revoke({ subject: `c-${order[revoked]}` });
    });
    const sign: number[] = [];
    for (let run = 0; run < LIST_RUNS; run++) {
      // A revocation, even of nobody, has the next list made anew.
      await issuer.revoke({ subject: 'nobody' });
      sign.push(
        await timed(async () => {
          text = await (await issuer.answer(`${BASE}status/0`)).text();
        }),
      );
    }
    const open = await measureOpening(issuer, text);
    lists.push({ revoked, sign: spreadOf(sign), bytes: Buffer.byteLength(text), open: spreadOf(open) });
  }
  return {
    ...{ places: STATUS_LIST_SIZE, storeMemory, lists },
    revokedPerSecond: Math.round((revoked / revoking) * 1000),
    lookupsPerSecond: await measureLookups(issuer, text),
  };
}

/** A verifier that has never seen the list, again and again. */
async function measureOpening(issuer: Issuer, text: string): Promise<readonly number[]> {
  const times: number[] = [];
  for (let run = 0; run < LIST_RUNS; run++) {
    const verifier = await verifierOf(issuer, text);
    await verifier.key(TENANT, issuer.issuer);
    times.push(await timed(() => verifier.status(TENANT, placeOf(run))));
  }
  return times;
}

async function measureLookups(issuer: Issuer, text: string): Promise<number> {
  const verifier = await verifierOf(issuer, text);
  await verifier.status(TENANT, placeOf(0));
  let found = 0;
  const began = performance.now();
  for (let i = 0; i < LOOKUPS; i++)
    if (verifier.knownRevoked(TENANT, placeOf(i % STATUS_LIST_SIZE))) found += 1;
  const milliseconds = performance.now() - began;
  if (found === 0) throw new Error('half of the list is revoked');
  return Math.round((LOOKUPS / milliseconds) * 1000);
}

const placeOf = (idx: number) => ({ status_list: { idx, uri: `${BASE}status/0` } });

async function verifierOf(issuer: Issuer, text: string) {
  const jwks = await (await issuer.answer(`${BASE}jwks`)).text();
  return openIssuers({
    store: {
      issuerKey: async () => undefined,
      issuerSource: async () => ({ jwks: `${BASE}jwks`, statusLists: `${BASE}status/`, staleSeconds: 0 }),
    },
    now: () => Math.floor(Date.now() / 1000),
    development: false,
    onFault: (fault) => {
      throw fault;
    },
    read: async ({ url }) => (url.endsWith('jwks') ? jwks : text),
  });
}

/** A bank's back end with a verifier that it believes, and receipts of that verifier. */
async function openBank(credentials: CredentialStore) {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = parse(publicJwkShape, await exportJWK(publicKey));
  const kid = await thumbprint(jwk);
  const issuer = await openIssuer({
    ...{ verifier: VERIFIER, apiKey: 'ak_bench', tenant: TENANT, ...(await generateIssuerKeys()) },
    publication: { url: BASE, credentials },
    fetch: async () => Response.json({ keys: [{ ...jwk, kid, use: 'sig', alg: 'ES256' }] }),
  });
  const receiptFor = (sub: string) => {
    const iat = Math.floor(Date.now() / 1000);
    const jkt = randomBytes(32).toString('base64url');
    const holder = BigInt(`0x${randomBytes(31).toString('hex')}`).toString();
    const receipt = { iss: VERIFIER, tenant: TENANT, sub, jkt, holder, iat, exp: iat + 600 };
    return signJws('receipt', receipt, { kid, privateKey });
  };
  return { issuer, receiptFor };
}

/** Bytes that are still in use after what is not was thrown away. */
function retainedMemory(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function spentOn(work: () => Promise<unknown>) {
  const before = process.cpuUsage();
  const seconds = (await timed(work)) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** `count` calls, {@link TOGETHER} of them under way at any time. */
async function inTurns(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: TOGETHER }, lane));
}

function shuffled(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.stdout.write(`${JSON.stringify(await measureIssuing(), null, 2)}\n`);
