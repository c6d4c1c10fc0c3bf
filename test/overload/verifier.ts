import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createOperator, createTenant } from '@akashi/verifier';
import { enrolled, newVerification } from '../../verifier/store-fixtures.ts';
import { openStore } from '../../verifier/stores.ts';
import { tokenHash } from '../../verifier/token.ts';
import { openTestIssuer } from '../harness.ts';
import { keepSecret, newPrivateFolder, newTraceFolder } from '../run.ts';
import { compileVerifierProcess, startVerifierProcess, type VerifierProcess } from '../verifier-process.ts';

// One verifier for the tests of overload, as it is published, with as many open verifications as desks are to wait for.

export interface CrowdedVerifier extends VerifierProcess {
  readonly apiKey: string;
  /** Each of another operator, of another customer. */
  readonly waits: readonly Wait[];
}

/** What a desk waits for, and by which session. */
export interface Wait {
  readonly verification: string;
  readonly session: string;
}

/** A customer with a device, and the back end of the tenant. */
export interface Customer {
  readonly subject: string;
  readonly apiKey: string;
}

export interface LoadedVerifier extends VerifierProcess {
  readonly customers: readonly Customer[];
}

/** Customers of several tenants: each of those starts 600 verifications a minute. */
export async function startLoadedVerifier(tenants: number, customersEach: number): Promise<LoadedVerifier> {
  const process = await startVerifier();
  const store = await openStore({ file: process.file }, randomBytes);
  try {
    const customers: Customer[] = [];
    for (let i = 0; i < tenants; i++) {
      const tenant = `bank-${i}`;
      const { apiKey } = await createTenant(store, { tenant, name: 'Bank', origins: [] }, now(), randomBytes);
      keepSecret('token', apiKey);
      await openTestIssuer(process.origin, tenant, apiKey, now);
      for (let j = 0; j < customersEach; j++) {
        const subject = `customer-${i}-${j}`;
        await enrolled(store, subject, { tenant, subject, at: now() });
        customers.push({ subject, apiKey });
      }
    }
    customers.sort((a, b) => a.subject.slice(-1).localeCompare(b.subject.slice(-1)));
    return { ...process, customers };
  } finally {
    await store.close();
  }
}

const now = () => Math.floor(Date.now() / 1000);

async function startVerifier(): Promise<VerifierProcess> {
  const program = await compileVerifierProcess(newPrivateFolder());
  const keysFile = join(newPrivateFolder(), 'keys.json');
  return startVerifierProcess({ folder: newTraceFolder(), keysFile, port: 0, unwatched: true }, program);
}

const TENANT = 'aoba';
const LIFE_SECONDS = 900;

export async function startCrowdedVerifier(desks: number): Promise<CrowdedVerifier> {
  const process = await startVerifier();
  // By the store itself: tenants start 600 a minute.
  const store = await openStore({ file: process.file }, randomBytes);
  try {
    const at = now();
    const tenant = { tenant: TENANT, name: 'Bank', origins: [] };
    const { apiKey } = await createTenant(store, tenant, at, randomBytes);
    keepSecret('token', apiKey);
    const waits = await Promise.all(Array.from({ length: desks }, (_, i) => openWait(store, i, at)));
    return { ...process, apiKey, waits };
  } finally {
    await store.close();
  }
}

type OpenStore = Awaited<ReturnType<typeof openStore>>;

async function openWait(store: OpenStore, number: number, at: number): Promise<Wait> {
  const name = `Operator ${number}`;
  const operator = await createOperator(store, { tenant: TENANT, name, role: 'operator' }, at, randomBytes);
  const [link, session] = [randomBytes(16).toString('base64url'), randomBytes(16).toString('base64url')];
  await store.addSignInLink(TENANT, operator, tokenHash(link), at + 60, at);
  const times = { endsAt: at + LIFE_SECONDS, idleSeconds: LIFE_SECONDS };
  await store.openSession({ tokenHash: tokenHash(link), sessionHash: tokenHash(session), ...times }, at);
  const { verification } = newVerification(`desk ${number}`);
  const row = newVerification(`desk ${number}`, {
    ...{ tenant: TENANT, subject: `customer-${number}`, operator, startedAt: at },
    expiresAt: at + LIFE_SECONDS,
  });
  await store.createVerification(row, { kind: 'operator', id: operator }, undefined);
  keepSecret('token', session);
  return { verification, session };
}
