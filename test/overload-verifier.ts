import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createOperator, createTenant } from '@akashi/verifier';
import { newVerification } from '../verifier/store-fixtures.ts';
import { openStore } from '../verifier/stores.ts';
import { tokenHash } from '../verifier/token.ts';
import { keepSecret, newPrivateFolder, newTraceFolder } from './run.ts';
import { compileVerifierProcess, startVerifierProcess, type VerifierProcess } from './verifier-process.ts';

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

const TENANT = 'aoba';
const LIFE_SECONDS = 900;

export async function startCrowdedVerifier(desks: number): Promise<CrowdedVerifier> {
  const folder = newTraceFolder();
  const program = await compileVerifierProcess(newPrivateFolder());
  const keysFile = join(newPrivateFolder(), 'keys.json');
  const process = await startVerifierProcess({ folder, keysFile, port: 0 }, program);
  // By the store itself: tenants start 600 a minute.
  const store = await openStore({ file: process.file }, randomBytes);
  try {
    const now = Math.floor(Date.now() / 1000);
    const tenant = { tenant: TENANT, name: 'Bank', origins: [] };
    const { apiKey } = await createTenant(store, tenant, now, randomBytes);
    keepSecret('token', apiKey);
    const waits = await Promise.all(Array.from({ length: desks }, (_, i) => openWait(store, i, now)));
    return { ...process, apiKey, waits };
  } finally {
    await store.close();
  }
}

type OpenStore = Awaited<ReturnType<typeof openStore>>;

async function openWait(store: OpenStore, number: number, now: number): Promise<Wait> {
  const name = `Operator ${number}`;
  const operator = await createOperator(store, { tenant: TENANT, name, role: 'operator' }, now, randomBytes);
  const [link, session] = [randomBytes(16).toString('base64url'), randomBytes(16).toString('base64url')];
  await store.addSignInLink(TENANT, operator, tokenHash(link), now + 60, now);
  const times = { endsAt: now + LIFE_SECONDS, idleSeconds: LIFE_SECONDS };
  await store.openSession({ tokenHash: tokenHash(link), sessionHash: tokenHash(session), ...times }, now);
  const { verification } = newVerification(`desk ${number}`);
  const row = newVerification(`desk ${number}`, {
    ...{ tenant: TENANT, subject: `customer-${number}`, operator, startedAt: now },
    expiresAt: now + LIFE_SECONDS,
  });
  await store.createVerification(row, { kind: 'operator', id: operator }, undefined);
  keepSecret('token', session);
  return { verification, session };
}
