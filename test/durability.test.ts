import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parse, pendingRequest } from '@akashi/circuits';
import { createTenant, openSqliteStore, type Store, verifyAudit } from '@akashi/verifier';
import Database from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import { openTestIssuer, openWorld, policyOf, startOf } from './harness.ts';
import {
  acceptRequest,
  enrolRawPhone,
  postPresentation,
  presentationOf,
  type RawPhone,
} from './raw-phone.ts';
import { keepSecret, newPrivateFolder, newTraceFolder } from './run.ts';
import { startVerifierProcess } from './verifier-process.ts';

// What was told to a phone or a desk is on the disk: nothing that was acknowledged is lost with the process.

const now = () => Math.floor(Date.now() / 1000);

test('the service writes with synchronous=FULL, on a database that is there already, too', async () => {
  const file = join(newTraceFolder(), 'verifier.db');
  for (const opened of ['made', 'opened again']) {
    const pragma = vi.spyOn(Database.prototype, 'pragma');
    const world = await openWorld({ file });
    // The very connections that the service uses: the setting belongs to a connection and is not kept in the file.
    const connections = new Set(pragma.mock.contexts as Database.Database[]);
    pragma.mockRestore();
    expect(connections.size, opened).toBeGreaterThan(0);
    for (const connection of connections) {
      expect(connection.pragma('synchronous', { simple: true }), opened).toBe(2);
      expect(connection.pragma('journal_mode', { simple: true }), opened).toBe('wal');
      expect(connection.pragma('secure_delete', { simple: true }), opened).toBe(1);
    }
    await world.close();
  }
  // The control: without being told SQLite would open it with less.
  const plain = new Database(file);
  expect(plain.pragma('synchronous', { simple: true })).not.toBe(2);
  plain.close();
});

/** Verifications one after the other, each declined, reported, or passed, until no answer comes any more. */
async function keepBusy(
  phone: RawPhone,
  start: (subject: string) => Promise<{ readonly verification: string; readonly code?: string | undefined }>,
  told: Map<string, string>,
): Promise<void> {
  for (let i = 0; ; i++) {
    const { verification, code = '' } = await start(phone.subject);
    const open = await acceptRequest(phone, verification);
    const answer =
      i % 3 === 2
        ? await postPresentation(phone, verification, await presentationOf(phone, open, code))
        : await phone.connection.send({
            method: 'POST',
            path: `/v1/requests/${verification}/${i % 3 === 0 ? 'decline' : 'report'}`,
          });
    const { verdict } = parse(pendingRequest, await answer.json());
    told.set(verification, verdict ?? 'none');
  }
}

async function countVerdicts(store: Store, told: ReadonlyMap<string, string>) {
  const kept = new Map<string, string | null | undefined>();
  for (const id of told.keys()) kept.set(id, (await store.verification('aoba', id, now()))?.verdict);
  return kept;
}

test('killed under load, it loses no verdict that was acknowledged, and the audit still holds', async () => {
  const folder = newTraceFolder();
  const verifier = await startVerifierProcess({
    folder,
    keysFile: join(newPrivateFolder(), 'keys.json'),
    port: 0,
  });
  const { origin, file } = verifier;
  const admin = openSqliteStore({ file, random: randomBytes });
  const tenant = { tenant: 'aoba', name: 'Bank', origins: [] };
  const { apiKey } = await createTenant(admin, tenant, now(), randomBytes);
  await admin.close();
  keepSecret('token', apiKey);
  const issuer = await openTestIssuer(origin, 'aoba', apiKey, now);
  const subjects = ['load-1', 'load-2', 'load-3', 'load-4'];
  const phones = await Promise.all(subjects.map((subject) => enrolRawPhone(origin, issuer, subject)));

  const told = new Map<string, string>();
  const start = (subject: string) => issuer.start(startOf(subject, { policy: policyOf('pin') }));
  const load = Promise.allSettled(phones.map((phone) => keepBusy(phone, start, told)));
  await vi.waitUntil(() => told.size >= 40, { timeout: 100_000, interval: 5 });
  await verifier.kill();
  await load;

  const verdicts = new Set(told.values());
  expect([...verdicts].sort()).toEqual(['declined', 'passed', 'reported']);
  const store = openSqliteStore({ file, random: randomBytes });
  expect(await countVerdicts(store, told)).toEqual(told);
  // Verdict and record of it came in one transaction.
  await store.linkAudit();
  const entries = await store.auditEntries('aoba', 0, 10_000);
  expect(verifyAudit('aoba', entries).seq).toBe(entries.length);
  for (const [id, verdict] of told) {
    const recorded = entries.some(({ content }) => {
      const { event, verification } = JSON.parse(content) as Record<string, unknown>;
      return event === `verification.${verdict}` && verification === id;
    });
    expect(recorded, verdict).toBe(true);
  }
  await store.close();
});
