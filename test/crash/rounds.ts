import { randomBytes, randomInt } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { deviceStatus, parse, pendingRequest } from '@akashi/circuits';
import {
  AuditBroken,
  type AuditHead,
  auditOrigin,
  createTenant,
  type Store,
  verifyAudit,
} from '@akashi/verifier';
import { freePort } from '../../verifier/port-fixtures.ts';
import { createTestDatabase } from '../../verifier/postgres-fixtures.ts';
import { openStore, type StoreLocation } from '../../verifier/stores.ts';
import { openTestIssuer } from '../harness.ts';
import { enrolRawPhone, postPresentation } from '../raw-phone.ts';
import { keepSecret, newPrivateFolder, newTraceFolder } from '../run.ts';
import { compileVerifierProcess, startVerifierProcess, type VerifierProcess } from '../verifier-process.ts';
import {
  type Backend,
  keepBusy,
  type LoadPhone,
  noteVerdict,
  prepared,
  type Sent,
  startUnder,
  type Told,
} from './load.ts';

// Rounds of load, kill -9 at a moment that nobody chose, start, and a look at everything that was acknowledged: it must
// be there, and nothing that was used must be good again.

export const CRASH_STORES = ['sqlite', 'postgres'] as const;
export type CrashStore = (typeof CRASH_STORES)[number];

export interface CrashResult {
  readonly store: CrashStore;
  readonly rounds: number;
  /** Verdicts, starts and counts of tries that were told to somebody. */
  readonly acknowledged: { readonly verdicts: number; readonly starts: number; readonly tries: number };
  /** Of those, what is not there any more. */
  readonly lost: number;
  /** Attempts, signed calls and passes that were good twice. */
  readonly doubleUses: number;
  readonly auditOk: boolean;
  /** From the start of the process to its first good answer. */
  readonly slowestReadyMs: number;
}

const PHONES = 4;
export const TENANT = 'aoba';
const AUDIT_PAGE = 1000;
/** The kill comes after so many things were told, and so many milliseconds: at any step of a verification. */
const KILL_AFTER = { least: 4, most: 40, ms: 30 } as const;
/** A load that gets nowhere is killed, too. */
const KILL_LIMIT_MS = 10_000;
const READY_POLL_MS = 5;
const READY_LIMIT_MS = 60_000;
/** Presentations of each phone that are tried again after a start, the newest. */
const TRIED_AGAIN = 3;

const now = () => Math.floor(Date.now() / 1000);

interface Place {
  readonly store: Store;
  readonly start: () => Promise<{ readonly process: VerifierProcess; readonly readyMs: number }>;
  readonly close: () => Promise<void>;
}

export interface CrashOptions {
  readonly say?: (line: string) => void;
  /** Puts a fault into the SQLite file of a verifier that is gone, to show that it is seen. */
  readonly sabotage?: (file: string) => void;
  /** Things that are told at least before the kill. */
  readonly leastTold?: number;
  /** What must have been told besides, before the kill of the last round. */
  readonly isEnough?: (told: Told) => boolean;
}

export async function crashRounds(
  engine: CrashStore,
  rounds: number,
  {
    say = () => {},
    sabotage = () => {},
    leastTold = KILL_AFTER.least,
    isEnough = () => true,
  }: CrashOptions = {},
): Promise<CrashResult> {
  const place = await openPlace(engine);
  const counts = { verdicts: 0, starts: 0, tries: 0 };
  let [lost, doubleUses, slowestReadyMs] = [0, 0, 0];
  let process: VerifierProcess | undefined;
  const told: Told = { verdicts: new Map(), starts: new Map(), tries: new Map(), sent: [] };
  const audit = new AuditWatch(place.store);
  try {
    const first = await place.start();
    ({ process } = first);
    const { backend, phones } = await enrolPhones(place.store, process.origin);
    for (let round = 1; round <= rounds; round++) {
      for (const part of [told.verdicts, told.starts, told.tries]) part.clear();
      told.sent.length = 0;
      // Each phone at another place of what it does in turn.
      const load = Promise.allSettled(
        phones.map((phone, i) => keepBusy(backend, phone, told, { first: 2 * i + round })),
      );
      await untilBusy(told, leastTold, () => round < rounds || isEnough(told));
      await process.kill();
      requireKilled(await load);
      counts.verdicts += told.verdicts.size;
      counts.starts += told.starts.size;
      counts.tries += told.tries.size;
      sabotage(process.file);
      const again = await place.start();
      ({ process } = again);
      slowestReadyMs = Math.max(slowestReadyMs, again.readyMs);
      lost += await countLost(backend, phones, told);
      doubleUses += await countDoubleUses(phones, told);
      await audit.read();
      lost += audit.countMissing(told);
      say(`${engine} ${round}: ${told.verdicts.size} verdicts, ready in ${Math.round(again.readyMs)} ms`);
    }
  } finally {
    await process?.kill();
    await place.close();
  }
  doubleUses += audit.doubleUses;
  const auditOk = audit.holds;
  return {
    store: engine,
    rounds,
    acknowledged: counts,
    lost,
    doubleUses,
    auditOk,
    slowestReadyMs: Math.round(slowestReadyMs),
  };
}

async function openPlace(engine: CrashStore): Promise<Place> {
  const folder = newTraceFolder();
  const database = engine === 'postgres' ? await createTestDatabase() : undefined;
  const location: StoreLocation =
    database === undefined ? { file: join(folder, 'verifier.db') } : { databaseUrl: database.url };
  const program = await compileVerifierProcess(newPrivateFolder());
  const keysFile = join(newPrivateFolder(), 'keys.json');
  const port = await freePort();
  const url = database === undefined ? {} : { databaseUrl: database.url };
  const store = await openStore(location, randomBytes);
  return {
    store,
    async start() {
      const began = performance.now();
      const process = await startVerifierProcess({ folder, keysFile, port, ...url }, program);
      await untilReady(process.origin);
      return { process, readyMs: performance.now() - began };
    },
    async close() {
      await store.close();
      await database?.remove();
    },
  };
}

export async function untilReady(origin: string): Promise<void> {
  const limit = performance.now() + READY_LIMIT_MS;
  for (;;) {
    const answer = await fetch(`${origin}/v1/health`).catch(() => undefined);
    if (answer?.ok) return;
    if (performance.now() > limit) throw new Error('the verifier does not come back');
    await setTimeout(READY_POLL_MS);
  }
}

export async function untilBusy(
  told: Told,
  least: number,
  isEnough: () => boolean = () => true,
): Promise<void> {
  const [enough, limit] = [randomInt(least, KILL_AFTER.most), performance.now() + KILL_LIMIT_MS];
  const amount = () => told.verdicts.size + told.starts.size + told.tries.size;
  while ((amount() < enough || !isEnough()) && performance.now() < limit) await setTimeout(1);
  await setTimeout(randomInt(KILL_AFTER.ms));
}

export async function enrolPhones(store: Store, origin: string) {
  const { apiKey } = await createTenant(
    store,
    { tenant: TENANT, name: 'Bank', origins: [] },
    now(),
    randomBytes,
  );
  keepSecret('token', apiKey);
  const backend: Backend = { origin, apiKey };
  const issuer = await openTestIssuer(origin, TENANT, apiKey, now);
  const phones: LoadPhone[] = [];
  for (let i = 0; i < PHONES; i++) {
    phones.push(await prepared(await enrolRawPhone(origin, issuer, `load-${i}`)));
  }
  return { backend, phones };
}

/** The load ends with the verifier, and with nothing else. @throws what else it ended with */
function requireKilled(ends: readonly PromiseSettledResult<void>[]): void {
  for (const end of ends) {
    const killed = end.status === 'rejected' && end.reason instanceof TypeError;
    if (!killed) throw end.status === 'rejected' ? end.reason : new Error('the load ended by itself');
  }
}

/** What was told and is not so any more. */
export async function countLost(backend: Backend, phones: readonly LoadPhone[], told: Told): Promise<number> {
  let lost = 0;
  for (const [verification, { phone, verdict }] of told.verdicts) {
    const answer = await phone.connection.send({ method: 'GET', path: `/v1/requests/${verification}` });
    const kept = answer.ok ? parse(pendingRequest, await answer.json()).verdict : 'none';
    if (kept !== verdict) lost += 1;
  }
  for (const [key, verification] of told.starts) {
    const { subject } = phones.find((phone) => wasStartedFor(told, phone, verification)) ?? {};
    if (subject === undefined) continue;
    const answer = await startUnder(backend, subject, key);
    const again = (await answer.json()) as { readonly verification?: string };
    if (answer.ok && again.verification !== verification) lost += 1;
  }
  for (const [phone, left] of told.tries) {
    // A proof of the PIN whose answer was lost may have given the tries back.
    if (told.sent.some((sent) => sent.phone === phone && !sent.answered)) continue;
    const answer = await phone.connection.send({ method: 'GET', path: '/v1/devices/current' });
    if (parse(deviceStatus, await answer.json()).triesLeft > left) lost += 1;
  }
  return lost;
}

function wasStartedFor({ verdicts, sent }: Told, phone: LoadPhone, verification: string): boolean {
  const presented = sent.some((one) => one.phone === phone && one.verification === verification);
  return presented || verdicts.get(verification)?.phone === phone;
}

/** Presentations that are good although they were used: by the same signature, or signed anew. */
export async function countDoubleUses(phones: readonly LoadPhone[], told: Told): Promise<number> {
  let uses = 0;
  for (const phone of phones) {
    const newest = told.sent.filter((sent) => sent.phone === phone).slice(-TRIED_AGAIN);
    for (const sent of newest) uses += await useAgain(sent, told);
  }
  return uses;
}

async function useAgain({ phone, verification, body, replay, answered }: Sent, told: Told): Promise<number> {
  let good = answered ? 1 : 0;
  const again = [replay, replay, () => postPresentation(phone, verification, body)];
  for (const use of again) {
    const answer = await use();
    if (!answer.ok) continue;
    good += 1;
    await noteVerdict(phone, answer, told);
  }
  return Math.max(0, good - 1);
}

/** The audit of the tenant, held as far as it is linked, and what it says was used. */
export class AuditWatch {
  holds = true;
  doubleUses = 0;
  readonly #store: Store;
  readonly #said = new Set<string>();
  #head: AuditHead = auditOrigin(TENANT);

  constructor(store: Store) {
    this.#store = store;
  }

  async read(): Promise<void> {
    try {
      await this.#store.linkAudit();
      for (;;) {
        const entries = await this.#store.auditEntries(TENANT, this.#head.seq, AUDIT_PAGE);
        if (entries.length === 0) return;
        this.#head = verifyAudit(TENANT, entries, { start: this.#head });
        for (const { content } of entries) this.#note(JSON.parse(content) as Record<string, unknown>);
      }
    } catch (cause) {
      if (!(cause instanceof AuditBroken)) throw cause;
      this.holds = false;
    }
  }

  /** Verdicts that were told and are not in it. */
  countMissing({ verdicts }: Told): number {
    return [...verdicts].filter(([id, { verdict }]) => !this.#said.has(`verification.${verdict} ${id}`))
      .length;
  }

  #note({ event, verification, attempt }: Readonly<Record<string, unknown>>): void {
    const once =
      event === 'attempt.used'
        ? attempt
        : /^verification\.(?!accepted|later)/.test(String(event)) && verification;
    if (typeof once !== 'string') return;
    const name = `${event} ${once}`;
    if (this.#said.has(name)) this.doubleUses += 1;
    this.#said.add(name);
  }
}
