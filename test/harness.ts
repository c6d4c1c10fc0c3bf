import { randomBytes, randomInt } from 'node:crypto';
import { appendFileSync, copyFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FACT_IDS, type FactId, type PolicyFact, type Start } from '@akashi/circuits';
import { type Agent, openAgent } from '@akashi/sdk/agent';
import { type DeviceStorage, type Holder, memoryStorage, openHolder } from '@akashi/sdk/holder';
import {
  type ClaimsSchema,
  generateIssuerKeys,
  type IssuedClaims,
  type Issuer,
  openIssuer,
} from '@akashi/sdk/issuer';
import {
  type Alert,
  createDevelopmentKeys,
  createOperator,
  createSignInLink,
  createTenant,
  type KeysDocument,
  type LogEntry,
  type Notice,
  openKeys,
  type Store,
  setOrigins,
  startVerifier,
} from '@akashi/verifier';
import { prover } from './proofs.ts';
import { keepSecret, newTraceFolder } from './run.ts';
import { keepSpans, METRICS, writeTold } from './telling.ts';

// A whole world in one process: a verifier on a real file and a real port, tenants with their back ends, desks and
// phones, all of them through the packages that people use. Whatever is secret in it is listed for the search
// after the run.

export interface World {
  /** Public origin of the verifier. */
  readonly origin: string;
  /** Its database. */
  readonly file: string;
  readonly store: Store;
  /** Everything that lies outside the database. */
  readonly keys: KeysDocument;
  readonly notices: readonly Notice[];
  readonly alerts: readonly Alert[];
  /** Everything logged so far. */
  log(): readonly LogEntry[];
  /** UTC seconds of the verifier. */
  now(): number;
  /** Moves the verifier's clock. */
  advance(seconds: number): void;
  tenant(id: string, origins?: readonly string[]): Promise<TestTenant>;
  /** Lists the pages of a tenant that may call. */
  setOrigins(tenant: string, origins: readonly string[]): Promise<void>;
  /** What the audit says of a tenant so far, oldest first. */
  audit(tenant: string): Promise<readonly AuditLine[]>;
  close(): Promise<void>;
}

export type AuditLine = Readonly<Record<string, unknown>> & { readonly event: string };

export interface TestTenant {
  readonly id: string;
  readonly apiKey: string;
  readonly issuer: Issuer;
  /** A new operator, signed in. */
  desk(name?: string): Promise<Agent>;
  /** A new phone of the customer, enrolled. */
  phone(subject: string, options?: PhoneOptions): Promise<Phone>;
}

export interface PhoneOptions {
  readonly pin?: string;
  readonly accounts?: readonly Account[];
  /** None unless given. */
  readonly claims?: Claims;
  readonly storage?: DeviceStorage;
}

/** Claims of the schema `CUSTOMER`. */
export type Claims = Readonly<Record<(typeof CUSTOMER)['claims'][number]['name'], string>>;

export interface Account {
  readonly number: string;
  readonly label: string;
}

export interface Phone {
  readonly holder: Holder;
  readonly storage: DeviceStorage;
  readonly subject: string;
  readonly pin: string;
  readonly accounts: readonly Account[];
}

/** What a tenant of these tests vouches for. */
export const CUSTOMER = {
  schema: 'customer',
  version: 1,
  volatile: false,
  claims: [
    { name: 'born', label: { ja: '生年月日', en: 'Date of birth' }, type: 'date' },
    { name: 'income', label: { ja: '年間所得', en: 'Annual income' }, type: 'money', currency: 'JPY' },
    {
      name: 'prefecture',
      label: { ja: '都道府県', en: 'Prefecture' },
      type: 'enumeration',
      values: [
        { value: '13', label: { ja: '東京都', en: 'Tokyo' } },
        { value: '14', label: { ja: '神奈川県', en: 'Kanagawa' } },
        { value: '27', label: { ja: '大阪府', en: 'Osaka' } },
      ],
    },
    { name: 'plan', label: { ja: 'ご契約のプラン', en: 'Plan' }, type: 'text' },
  ],
} as const satisfies ClaimsSchema;

/** Each fact as a policy asks for it. The registry's type makes this table complete. */
export const POLICY_FACTS: { readonly [F in FactId]: PolicyFact } = {
  pin: 'pin',
  account: 'account',
  range: {
    fact: 'range',
    schema: CUSTOMER,
    claim: 'born',
    elapsed: { unit: 'years', atLeast: 18, atMost: 99, timeZone: 'Asia/Tokyo' },
  },
  member: {
    fact: 'member',
    schema: CUSTOMER,
    claim: 'prefecture',
    values: ['13', '14'],
  },
};

/** The policy of most tests, the one with every fact, and one for each fact alone. */
export const POLICY = 'caller';
export const EVERY_FACT = 'every-fact';
export const policyOf = (fact: FactId) => `only-${fact}`;

export const PURPOSES = [
  { id: 'identify', text: { ja: 'ご本人確認', en: 'Making sure it is you' } },
  { id: 'transfer', text: { ja: 'お振込みの確認', en: 'Confirming a transfer' } },
] as const;

/** What an operator starts most of the time. */
export function startOf(subject: string, rest: Partial<Start> = {}): Start {
  return {
    subject,
    policy: POLICY,
    purpose: 'identify',
    mode: 'call',
    call: { direction: 'inbound' },
    ...rest,
  };
}

/** @param options.file a database that may be there already; below a folder of {@link newTraceFolder} */
export async function openWorld(options: { readonly file?: string } = {}): Promise<World> {
  const file = options.file ?? join(newTraceFolder(), 'verifier.db');
  const folder = dirname(file);
  let offset = 0;
  const now = () => Math.floor(Date.now() / 1000) + offset;
  const notices: Notice[] = [];
  const alerts: Alert[] = [];
  const logged: LogEntry[] = [];
  let document: KeysDocument | undefined;
  keepSpans();
  const service = await startVerifier({
    file,
    keys: async (origin) => {
      document = (await createDevelopmentKeys(origin, now(), randomBytes)).keys;
      return openKeys(document);
    },
    port: 0,
    hostname: 'localhost',
    clock: now,
    random: randomBytes,
    metrics: METRICS,
    log(entry) {
      logged.push(entry);
      appendFileSync(join(folder, 'verifier.log'), `${JSON.stringify(entry)}\n`);
    },
    notify: async (notice) => void notices.push(notice),
    alert: async (alert) => void alerts.push(alert),
  });
  if (document === undefined) throw new TypeError('the service makes its keys before it is started');
  const { origin, store } = service;
  return {
    origin,
    file,
    store,
    keys: document,
    notices,
    alerts,
    log: () => logged,
    now,
    advance(seconds) {
      offset += seconds;
    },
    tenant: (id, origins = []) => openTenant({ origin, store, now }, id, origins),
    setOrigins: (tenant, origins) => setOrigins(store, tenant, origins, now()),
    audit: (tenant) => readAudit(store, tenant),
    async close() {
      // Closing empties the log of the database: what was in it is searched, too.
      if (existsSync(`${file}-wal`))
        copyFileSync(`${file}-wal`, join(folder, 'verifier.db-wal-before-close'));
      await writeTold(folder, service);
      await service.close();
    },
  };
}

async function openTenant(
  { origin, store, now }: Pick<World, 'origin' | 'store' | 'now'>,
  id: string,
  origins: readonly string[],
): Promise<TestTenant> {
  const name = `Bank ${id}`;
  const { apiKey } = await createTenant(
    store,
    { tenant: id, name, origins: [...origins] },
    now(),
    randomBytes,
  );
  keepSecret('token', apiKey);
  const issuer = await openTestIssuer(origin, id, apiKey, now);
  return {
    id,
    apiKey,
    issuer,
    async desk(name = 'Sato') {
      const operator = { tenant: id, name, role: 'operator' } as const;
      const operatorId = await createOperator(store, operator, now(), randomBytes);
      const link = await createSignInLink(store, id, operatorId, now(), randomBytes);
      keepSecret('token', link);
      const desk = openAgent({ verifier: origin, fetch: listingFetch });
      await desk.signIn(`https://desk.example/#signin=${link}`);
      return desk;
    },
    phone: (subject, options) => enrolPhone(origin, issuer, subject, options),
  };
}

/** The tenant's back end: keys of its own, known to the verifier, and the policies of these tests. */
export async function openTestIssuer(
  verifier: string,
  tenant: string,
  apiKey: string,
  now: () => number,
): Promise<Issuer> {
  const keys = await generateIssuerKeys();
  keepSecret('token', keys.accountKey);
  const milliseconds = () => now() * 1000;
  const issuer = await openIssuer({
    verifier,
    tenant,
    apiKey,
    ...keys,
    now: milliseconds,
    fetch: listingFetch,
  });
  await issuer.register();
  const purposes = [...PURPOSES];
  const transaction = { from: 'operator', desk: 'hidden' } as const;
  await issuer.putPolicy({ policy: POLICY, facts: ['pin', 'account'], purposes, transaction });
  await issuer.putPolicy({ policy: EVERY_FACT, facts: FACT_IDS.map((fact) => POLICY_FACTS[fact]), purposes });
  for (const fact of FACT_IDS) {
    await issuer.putPolicy({ policy: policyOf(fact), facts: [POLICY_FACTS[fact]], purposes });
  }
  return issuer;
}

/** Enrols a phone through the SDK. */
export async function enrolPhone(
  verifier: string,
  issuer: Issuer,
  subject: string,
  { pin = newPin(), accounts = [newAccount()], claims, storage = memoryStorage() }: PhoneOptions = {},
): Promise<Phone> {
  const holder = await openHolder({ verifier, storage, prover, fetch: listingFetch });
  const { fragment } = await issuer.requestEnrolment(subject);
  await holder.enrol({
    link: `https://phone.example/${fragment}`,
    pin,
    exchange: (receipt) => issuer.issueAccounts({ receipt, subject, accounts }),
  });
  listRecord(await storage.read('holder'));
  if (claims !== undefined) {
    await holder.refreshClaims(async (receipt) => [
      listClaims(await issuer.issueClaims({ receipt, subject, schema: CUSTOMER, claims })),
    ]);
  }
  return { holder, storage, subject, pin, accounts };
}

/** Twelve digits, so that a hit in a database means something; not one of those that the phone refuses. */
export function newPin(): string {
  const pin = `7${String(randomInt(10 ** 11)).padStart(11, '0')}`;
  keepSecret('digits', pin);
  return pin;
}

export function newAccount(label = 'Ordinary'): Account {
  const number = `9${String(randomInt(10 ** 13)).padStart(13, '0')}`;
  keepSecret('digits', number);
  return { number, label };
}

/** Claims of a customer who is old enough and lives in Tokyo, with an income that nobody else has. */
export function newClaims(changes: Partial<Claims> = {}): Claims {
  const income = `1${String(randomInt(10 ** 14)).padStart(14, '0')}`;
  keepSecret('digits', income);
  return { born: '1988-02-29', income, prefecture: '13', plan: 'Gold', ...changes };
}

/** Lists what of claims no verifier may have. */
export function listClaims(issued: IssuedClaims): IssuedClaims {
  keepSecret('field', issued.salt);
  return issued;
}

/** Lists what a phone keeps that no verifier may have. */
function listRecord(record: unknown): void {
  const { holderSecret, issued } = record as {
    holderSecret: string;
    issued: { accounts: { accountKey: string }[] };
  };
  keepSecret('field', holderSecret);
  for (const { accountKey } of issued.accounts) keepSecret('field', accountKey);
}

/** Ids in bodies: whose they are, and `call` as a start has it and as a claim has it. */
const IDS =
  /"(?:(?:subject|verification|device|attempt|passkey|call)":|call":\{(?:"direction":"[a-z]+",)?"id":)"([A-Za-z0-9._:-]+)"/g;
/** Shorter ones are words that stand in any text. */
const ID_LENGTH = 5;

const LISTED = { token: 'token', session: 'token', code: 'code' } as const;

/** `fetch`, with the tokens, codes and ids that it carries listed. */
export const listingFetch: typeof fetch = async (input, init) => {
  if (typeof init?.body === 'string') listIn(init.body);
  const response = await fetch(input, init);
  if (/^application\/json/.test(response.headers.get('content-type') ?? ''))
    listIn(await response.clone().text());
  return response;
};

function listIn(json: string): void {
  for (const [, name, value] of json.matchAll(/"(token|session|code)":"([A-Za-z0-9_-]+)"/g)) {
    // The code of a problem document is a word.
    if (name === 'code' && !/^[0-9]{6}$/.test(value ?? '')) continue;
    if (name === 'token' || name === 'session' || name === 'code') keepSecret(LISTED[name], value ?? '');
  }
  for (const [, id = ''] of json.matchAll(IDS)) if (id.length >= ID_LENGTH) keepSecret('id', id);
}

async function readAudit(store: Store, tenant: string): Promise<readonly AuditLine[]> {
  await store.linkAudit();
  const lines: AuditLine[] = [];
  for (let after = 0; ; ) {
    const entries = await store.auditEntries(tenant, after, 500);
    lines.push(...entries.map((entry) => JSON.parse(entry.content) as AuditLine));
    const last = entries.at(-1)?.seq;
    if (last === undefined || last === null) return lines;
    after = last;
  }
}
