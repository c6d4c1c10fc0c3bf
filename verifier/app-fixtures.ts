import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ACCOUNTS_SCHEMA,
  type PublicJwk,
  parse,
  publicJwkShape,
  signJws,
  thumbprint,
} from '@akashi/circuits';
import type { Hono } from 'hono';
import { exportJWK, generateKeyPair } from 'jose';
import { createOperator, createSignInLink, createTenant } from './admin.ts';
import { createApp } from './app.ts';
import type { ProofChecker } from './checker.ts';
import { temporary } from './folder-fixtures.ts';
import type { Issuers } from './issuers.ts';
import { createDevelopmentKeys, type Keys, openKeys } from './keys.ts';
import type { ReadDocument } from './remote-document.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';
import { loadVerificationKeys } from './verification-keys.ts';
import { type Alert, issuersFor, type LogEntry, type Notice } from './verifier.ts';

// A verifier under test: the real app on a real SQLite file, a clock that tests turn, and what came out of its hooks.

export const ORIGIN = 'https://verifier.example';
export const DESK_ORIGIN = 'https://desk.bank.example';

export interface World {
  readonly app: Hono;
  readonly store: Store;
  readonly keys: Keys;
  readonly issuers: Issuers;
  readonly clock: { now: number };
  readonly notices: Notice[];
  readonly alerts: Alert[];
  readonly log: LogEntry[];
  close(): Promise<void>;
}

export interface WorldOptions {
  /** What tenants' servers answer; without it nobody is there. */
  readonly read?: ReadDocument;
  readonly checker?: ProofChecker;
  /** By default one on a SQLite file of its own. */
  readonly openStore?: () => Promise<Store>;
  /** By default new ones. */
  readonly keys?: Keys;
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const { read = nobody, checker, openStore } = options;
  const folder = await mkdtemp(join(temporary(), 'akashi-app-'));
  const store = (await openStore?.()) ?? openSqliteStore({ file: join(folder, 'akashi.db') });
  const clock = { now: 1_900_000_000 };
  const keys =
    options.keys ?? (await openKeys((await createDevelopmentKeys(ORIGIN, clock.now, randomBytes)).keys));
  const notices: Notice[] = [];
  const alerts: Alert[] = [];
  const log: LogEntry[] = [];
  const now = () => clock.now;
  const tell = (entry: LogEntry) => void log.push(entry);
  // On a slow machine nobody here is to run out of patience.
  const issuers = issuersFor({ store, now, origin: ORIGIN, log: tell, read, patience: 60_000 });
  const app = createApp({
    ...(checker === undefined ? {} : { checker }),
    store,
    now,
    random: randomBytes,
    keys,
    verificationKeys: await loadVerificationKeys(),
    origin: ORIGIN,
    issuers,
    notify: async (notice) => void notices.push(notice),
    alert: async (alert) => void alerts.push(alert),
    log: tell,
  });
  return {
    ...{ app, store, keys, issuers, clock, notices, alerts, log },
    async close() {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function nobody(): Promise<string> {
  throw new Error('nobody is there');
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, when it is JSON; tests say which part they expect. */
  readonly json: Record<string, unknown>;
}

export interface Call {
  /** Bearer token. */
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One call to the app, as a client without any library would make it. */
export async function send(world: World, method: string, path: string, call: Call = {}): Promise<Answer> {
  const { token, body, headers = {} } = call;
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const response = await world.app.request(`${ORIGIN}${path}`, {
    method,
    ...(body === undefined ? {} : { body: text as BodyInit }),
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
  });
  return readAnswer(response);
}

export async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} };
}

/** Status and code of a refusal, for one comparison. */
export function refusal({ status, json }: Answer): string {
  return `${status} ${String(json.code)}`;
}

/** A string of an answer. */
export function textOf(answer: Answer, name: string): string {
  const value = answer.json[name];
  if (typeof value !== 'string') throw new TypeError(`no text ${name} in ${answer.status} ${answer.text}`);
  return value;
}

/** A tenant with a back end, an issuer key, two policies and an operator who is signed in. */
export interface TenantFixture {
  readonly tenant: string;
  readonly apiKey: string;
  readonly operator: string;
  readonly session: string;
  readonly issuer: { readonly kid: string; readonly jwk: PublicJwk; readonly privateKey: CryptoKey };
}

export const PURPOSE = { id: 'transfer', text: { en: 'A transfer', ja: 'お振込み' } } as const;

export async function openTenant(world: World, tenant: string): Promise<TenantFixture> {
  const { store, clock } = world;
  const origins = tenant === 'bank' ? [DESK_ORIGIN] : [`https://desk.${tenant}.example`];
  const { apiKey } = await createTenant(
    store,
    { tenant, name: `The ${tenant}`, origins },
    clock.now,
    randomBytes,
  );
  const operator = await createOperator(
    store,
    { tenant, name: 'Sato', role: 'operator' },
    clock.now,
    randomBytes,
  );
  const session = await signIn(world, tenant, operator);
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = parse(publicJwkShape, await exportJWK(publicKey));
  await send(world, 'POST', '/v1/issuers', { token: apiKey, body: { jwk } });
  for (const policy of [
    { policy: 'knows-pin', facts: ['pin'] },
    // Operators may start with a transaction under this one.
    {
      ...{ policy: 'owns-account', facts: ['pin', 'account'] },
      transaction: { from: 'operator', desk: 'hidden' },
    },
  ]) {
    await send(world, 'POST', '/v1/policies', {
      token: apiKey,
      body: { ...policy, purposes: [PURPOSE] },
    });
  }
  return { tenant, apiKey, operator, session, issuer: { kid: await thumbprint(jwk), jwk, privateKey } };
}

/** A session of an operator, by a one-use link. */
export async function signIn(world: World, tenant: string, operator: string): Promise<string> {
  const token = await createSignInLink(world.store, tenant, operator, world.clock.now, randomBytes);
  return textOf(await send(world, 'POST', '/v1/sessions', { body: { token } }), 'session');
}

/** A further operator of a tenant, signed in. */
export async function addOperator(world: World, tenant: string, name: string): Promise<string> {
  const operator = { tenant, name, role: 'operator' as const };
  return signIn(world, tenant, await createOperator(world.store, operator, world.clock.now, randomBytes));
}

/** A start as a desk makes it. */
export function startOf(subject: string, changes: Readonly<Record<string, unknown>> = {}) {
  return {
    subject,
    policy: 'knows-pin',
    purpose: PURPOSE.id,
    mode: 'call',
    call: { direction: 'inbound', id: 'call-1' },
    ...changes,
  };
}

/** A credential over an accounts root, with every claim as it should be unless changed. */
export function signCredential(
  world: World,
  { tenant, issuer }: TenantFixture,
  claims: Readonly<Record<string, unknown>>,
  key: { readonly kid: string; readonly privateKey: CryptoKey } = issuer,
): Promise<string> {
  const { now } = world.clock;
  const usual = {
    iss: issuer.kid,
    aud: ORIGIN,
    tenant,
    schema: ACCOUNTS_SCHEMA,
    iat: now,
    exp: now + 86_400,
  };
  return signJws('credential', { ...usual, ...claims }, key);
}

/** What the audit of a tenant says so far, oldest first. */
export async function auditOf(
  { store }: World,
  tenant: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  while ((await store.linkAudit()) > 0);
  const entries = await store.auditEntries(tenant, 0, 500);
  return entries.map((entry) => JSON.parse(entry.content));
}

/** Reason codes of the attempts that failed. */
export async function reasonsOf(world: World, tenant: string): Promise<readonly unknown[]> {
  const said = await auditOf(world, tenant);
  return said.filter((entry) => entry.reason !== undefined).map((entry) => entry.reason);
}
