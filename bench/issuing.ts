import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
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
import { median, rounded } from './quantile.ts';
import { issuingShape, type Results } from './results.ts';

// Issuing to a bank's whole clientele, and a status list of a million credentials: what both cost the issuer, and what
// the list costs the verifier. In a process of its own, whose memory is measured; run by itself it prints its figures:
// node_modules/.bin/tsx --conditions=akashi-source bench/issuing.ts [CREDENTIALS] [REMEMBERED]

const VERIFIER = 'https://verify.example';
const BASE = 'https://bank.example/akashi/';
const TENANT = 'bank';
/** So many are under way together. */
const TOGETHER = 16;
const SINGLE_RUNS = 500;
const LIST_RUNS = 15;
const LOOKUPS = 1_000_000;
const MEBIBYTE = 2 ** 20;

export interface IssuingAmounts {
  readonly credentials: number;
  /** Credentials that the issuer remembers, all in one status list. Half of them are revoked. */
  readonly remembered: number;
}

export const ISSUING_FULL: IssuingAmounts = { credentials: 100_000, remembered: STATUS_LIST_SIZE };

type IssuingFigures = Results['issuing'];

/** Measures in a process of its own. */
export async function measureIssuing({ credentials, remembered }: IssuingAmounts): Promise<IssuingFigures> {
  const program = ['--conditions=akashi-source', '--import', 'tsx', fileURLToPath(import.meta.url)];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...program,
    String(credentials),
    String(remembered),
  ]);
  return parse(issuingShape, JSON.parse(stdout));
}

async function measureHere({ credentials, remembered }: IssuingAmounts): Promise<IssuingFigures> {
  const issued = await measureCredentials(credentials);
  return { ...issued, statusList: await measureStatusList(remembered) };
}

async function measureCredentials(count: number): Promise<Omit<IssuingFigures, 'statusList'>> {
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
  const both = await spentOn(() => inTurns(count, issue));
  const receipts = await spentOn(() =>
    inTurns(count, async (customer) => void (await receiptFor(`c-${customer}`))),
  );
  return {
    credentials: count,
    accountsEach: accounts.length,
    singleMs: rounded(median(single.slice(SINGLE_RUNS / 10))),
    perSecond: Math.round(count / (both.seconds - receipts.seconds)),
    cpuMs: rounded(((both.cpuSeconds - receipts.cpuSeconds) / count) * 1000),
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

async function measureStatusList(remembered: number): Promise<IssuingFigures['statusList']> {
  const store = memoryCredentials();
  const { issuer } = await openBank(store);
  const before = retainedMemory();
  const now = Math.floor(Date.now() / 1000);
  const places = shuffled(STATUS_LIST_SIZE).slice(0, remembered);
  for (const index of places) {
    await store.add({
      ...{ list: 0, index, subject: `c-${index}`, jkt: randomBytes(32).toString('base64url') },
      ...{ schema: ACCOUNTS_SCHEMA, issuedAt: now, expiresAt: now + 90 * 86_400 },
    });
  }
  const memory = retainedMemory() - before;
  const half = places.slice(0, remembered / 2);
  const revoking = await timed(async () => {
    for (const index of half) await issuer.revoke({ subject: `c-${index}` });
  });
  const sign: number[] = [];
  let text = '';
  for (let run = 0; run < LIST_RUNS; run++) {
    // A revocation, even of nobody, has the next list made anew.
    await issuer.revoke({ subject: 'nobody' });
    sign.push(
      await timed(async () => {
        text = await (await issuer.answer(`${BASE}status/0`)).text();
      }),
    );
  }
  return {
    places: remembered,
    memoryMiB: Math.round(memory / MEBIBYTE),
    revokedPerSecond: Math.round((half.length / revoking) * 1000),
    signMs: rounded(median(sign)),
    kB: Math.round(Buffer.byteLength(text) / 1000),
    openMs: rounded(median(await measureOpening(issuer, text))),
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
    fetch: async () =>
      Response.json({ keys: [{ ...jwk, kid, use: 'sig', alg: 'ES256', nbf: 0, exp: 2 ** 40 }] }),
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [credentials = ISSUING_FULL.credentials, remembered = ISSUING_FULL.remembered] = process.argv
    .slice(2)
    .map(Number);
  process.stdout.write(`${JSON.stringify(await measureHere({ credentials, remembered }))}\n`);
}
