import { randomBytes } from 'node:crypto';
import Client from 'better-sqlite3';
import { createSignInLink, setPasskeySettings } from './admin.ts';
import {
  openTenant,
  PURPOSE,
  send,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { type EnrolledPhone, enrolmentToken, enrolPhone } from './phone-fixtures.ts';
import { asUser } from './postgres-fixtures.ts';
import { makePresentation } from './presentation-fixtures.ts';
import { newPasskey } from './store-contract-passkeys.ts';

// A tenant with something in every table, and what its rows say: for tests of the wall between tenants.

export interface FullTenant extends TenantFixture {
  readonly phone: EnrolledPhone;
  /** A further device of the same subject, enrolled later. */
  readonly newer: EnrolledPhone;
  /** Started by the operator, accepted by the phone. */
  readonly verification: string;
  readonly attempt: string;
  readonly code: string;
  readonly idempotencyKey: string;
  /** Of the view that the operator has of it. */
  readonly etag: string;
  /** Passed before the call, not claimed yet. */
  readonly early: string;
  readonly claimCode: string;
  /** One of the phone, by its id here and by WebAuthn's. */
  readonly passkey: string;
  readonly passkeyId: string;
  /** Not used yet: of an enrolment, of a sign-in. */
  readonly token: string;
  readonly link: string;
}

const PIN = '8035174926';

/** @param subject also the name of its policy and of its call */
export async function fillTenant(world: World, tenant: string, subject: string): Promise<FullTenant> {
  const { store, clock } = world;
  const fixture = await openTenant(world, tenant);
  const { apiKey, session, operator } = fixture;
  await store.setRetention(tenant, { verifications: null, devices: null, audit: 30 }, clock.now);
  await setPasskeySettings(store, tenant, { rpId: `${tenant}.example`, acceptScreenLock: false }, clock.now);
  const policy = { policy: subject, facts: ['pin'], purposes: [PURPOSE, { ...PURPOSE, id: subject }] };
  await send(world, 'POST', '/v1/policies', { token: apiKey, body: policy });
  const source = { jwks: `https://${tenant}.example/jwks`, statusLists: `https://${tenant}.example/status/` };
  await send(world, 'PUT', '/v1/issuers/source', { token: apiKey, body: source });
  const phone = await enrolPhone(world, fixture, subject, PIN);
  const passkey = await addPasskey(world, tenant, phone);
  await phone.call('POST', '/v1/devices/current/passkeys/options');
  const early = await send(world, 'POST', '/v1/verifications', {
    token: apiKey,
    body: startOf(subject, { mode: 'precall', purpose: subject, policy: subject }),
  });
  const request = `/v1/requests/${textOf(early, 'verification')}`;
  const opened = await phone.call('POST', `${request}/accept`);
  const passed = await phone.call(
    'POST',
    `${request}/presentation`,
    await makePresentation(phone, { opened }),
  );
  clock.now += 1;
  const newer = await enrolPhone(world, fixture, subject, PIN);
  const ended = await send(world, 'POST', '/v1/verifications', { token: session, body: startOf(subject) });
  await send(world, 'POST', `/v1/verifications/${textOf(ended, 'verification')}/cancel`, { token: session });
  const idempotencyKey = `key-of-${tenant}`;
  const started = await send(world, 'POST', '/v1/verifications', {
    token: session,
    body: startOf(subject, { policy: subject }),
    headers: { 'idempotency-key': idempotencyKey },
  });
  const verification = textOf(started, 'verification');
  const accepted = await phone.call('POST', `/v1/requests/${verification}/accept`);
  const seen = await send(world, 'GET', `/v1/verifications/${verification}`, { token: session });
  await send(world, 'GET', `/v1/verifications/${textOf(early, 'verification')}`, { token: apiKey });
  const token = await enrolmentToken(world, fixture, `${subject}-new`);
  const link = await createSignInLink(store, tenant, operator, clock.now, randomBytes);
  while ((await store.linkAudit()) > 0);
  return {
    ...{
      ...fixture,
      phone,
      newer,
      verification,
      idempotencyKey,
      early: textOf(early, 'verification'),
      token,
      link,
    },
    ...{ attempt: (accepted.json.attempt as { attempt: string }).attempt, code: textOf(started, 'code') },
    ...{ etag: seen.headers.get('etag') ?? '', claimCode: (passed.json.claim as { code: string }).code },
    ...passkey,
  };
}

/** Past its ceremony, which tests of passkeys have. */
async function addPasskey({ store, clock }: World, tenant: string, { thumbprint }: EnrolledPhone) {
  const { now } = clock;
  const device = await store.deviceByThumbprint(thumbprint, now);
  if (device === undefined || device.commitment === null) throw new TypeError('the phone is not enrolled');
  const passkey = newPasskey(tenant, { tenant, device: device.device, rpId: `${tenant}.example` });
  await store.addPasskey(passkey, device.commitment, now);
  return { passkey: passkey.passkey, passkeyId: Buffer.from(passkey.id).toString('base64url') };
}

type Row = Readonly<Record<string, unknown>>;

/** A database past its store. */
export interface Asked {
  /** What these statements find, one after the other. */
  ask(statements: readonly string[]): Promise<readonly (readonly Row[])[]>;
  /** Finds the names of all tables. */
  readonly tables: string;
  /** Leaves the audits as if their first entries had been cut: nothing but a month's wait makes a store do it. */
  cutAudits(): Promise<void>;
}

const CUT_AUDITS = 'INSERT INTO audit_cuts SELECT tenant, seq, link, at FROM audit_entries WHERE seq = 1';

export function asksSqlite(file: string): Asked {
  return {
    tables: "SELECT name FROM sqlite_master WHERE type = 'table'",
    async ask(statements) {
      const client = new Client(file, { readonly: true });
      try {
        return statements.map((text) => client.prepare<[], Row>(text).all());
      } finally {
        client.close();
      }
    },
    async cutAudits() {
      const client = new Client(file);
      client.exec(CUT_AUDITS);
      client.close();
    },
  };
}

/** @param url of a superuser, whom row-level security does not bind */
export function asksPostgres(url: string): Asked {
  return {
    tables:
      "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    ask: (statements) =>
      asUser(url, async (client) => {
        const found = [];
        for (const text of statements) found.push((await client.query<Row>(text)).rows);
        return found;
      }),
    cutAudits: () => asUser(url, async (client) => void (await client.query(CUT_AUDITS))),
  };
}

/** These rows belong to no tenant. */
const SHARED: readonly string[] = ['migrations', 'epochs'];

/** Names of the tables whose rows are tenants'. */
export async function tenantTables({ ask, tables }: Asked): Promise<readonly string[]> {
  const [found = []] = await ask([tables]);
  const names = found.map(({ name }) => String(name));
  return names.filter((name) => !SHARED.includes(name) && !name.startsWith('sqlite_')).sort();
}

/** All that a database holds of a tenant, by table. */
export async function rowsOf(asked: Asked, tenant: string): Promise<Readonly<Record<string, unknown>>> {
  const tables = await tenantTables(asked);
  const found = await asked.ask(tables.map((table) => `SELECT * FROM ${table} WHERE tenant = '${tenant}'`));
  const written = found.map((rows) => rows.map((row) => JSON.stringify(row)).sort());
  return Object.fromEntries(tables.map((table, i) => [table, written[i]]));
}
