import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parse, problemShape } from '@akashi/circuits';
import { createTestDatabase } from '../../verifier/postgres-fixtures.ts';
import { openStore } from '../../verifier/stores.ts';
import {
  type Backend,
  keepBusy,
  type LoadPhone,
  presentation,
  startedUnder,
  startUnder,
  type Told,
} from '../crash/load.ts';
import {
  AuditWatch,
  countDoubleUses,
  countLost,
  enrolPhones,
  untilBusy,
  untilReady,
} from '../crash/rounds.ts';
import { acceptRequest, blindPin, codeOf, newId, type OpenRequest, readRequest } from '../raw-phone.ts';
import { newPrivateFolder, newTraceFolder } from '../run.ts';
import { compileVerifierProcess, startVerifierProcess, type VerifierProcess } from '../verifier-process.ts';
import type { Fault } from './disk.ts';

// Rounds of load into which a disk fails: whoever calls is told to come back, nothing is answered that is not there
// afterwards, and the verifier is well again by itself when its disk is.

export interface DiskResult {
  readonly fault: string;
  readonly rounds: number;
  readonly acknowledged: number;
  /** Calls that write, sent while the disk was bad: how many were refused as they must, the slowest, and what was answered to others. */
  readonly refused: number;
  readonly slowestRefusalMs: number;
  readonly answeredOtherwise: readonly string[];
  /** Rounds in which health said ready, or liveness that the process is not alive. */
  readonly wrongHealth: number;
  readonly lost: number;
  readonly doubleUses: number;
  readonly auditOk: boolean;
  /** From the end of the fault until the verifier says that it is ready. */
  readonly slowestReadyMs: number;
  /** Rounds after which a presentation was good that was made before the fault and refused meanwhile; or was used. */
  readonly passedAfterwards: number;
}

export interface DiskPlace {
  readonly engine: 'sqlite' | 'postgres';
  /** For the SQLite file. */
  readonly databaseFolder?: string;
  readonly fault: (process: VerifierProcess) => Fault;
  /** There is room for some writes although there is none for others: those may be answered. */
  readonly someMayPass?: boolean;
  /** Every second round the verifier is killed (kill -9) while its disk is bad. */
  readonly kills?: boolean;
}

const LEAST_TOLD = 6;
/** Between two looks at a bad disk. */
const LOOKS = 3;

export async function diskRounds(
  name: string,
  rounds: number,
  place: DiskPlace,
  say: (line: string) => void = () => {},
): Promise<DiskResult> {
  const folder = newTraceFolder();
  const database = place.engine === 'postgres' ? await createTestDatabase() : undefined;
  const program = await compileVerifierProcess(newPrivateFolder());
  const { databaseFolder = folder } = place;
  const location = database ? { databaseUrl: database.url } : { databaseFolder };
  const options = { folder, keysFile: join(newPrivateFolder(), 'keys.json'), ...location };
  let process = await startVerifierProcess({ ...options, port: 0 }, program);
  const store = await openStore(
    database ? { databaseUrl: database.url } : { file: process.file },
    randomBytes,
  );
  const told: Told = { verdicts: new Map(), starts: new Map(), tries: new Map(), sent: [] };
  const audit = new AuditWatch(store);
  const sums = { acknowledged: 0, lost: 0, doubleUses: 0 };
  const bad: BadDisk = { refused: 0, slowestRefusalMs: 0, answeredOtherwise: [], wrongHealth: 0 };
  let [slowestReadyMs, passedAfterwards] = [0, 0];
  try {
    const { backend, phones } = await enrolPhones(store, process.origin);
    const [held, ...busy] = phones;
    if (held === undefined) throw new TypeError('no phones');
    for (let round = 1; round <= rounds; round++) {
      for (const part of [told.verdicts, told.starts, told.tries]) part.clear();
      told.sent.length = 0;
      const calls = await prepareCalls(backend, held);
      const load = Promise.allSettled(busy.map((phone) => keepBusy(backend, phone, told)));
      await untilBusy(told, LEAST_TOLD);
      const mend = await place.fault(process)();
      const killed = place.kills === true && round % 2 === 0;
      try {
        requireRefused(await load);
        for (let look = 0; look < LOOKS; look++)
          await lookAt(calls, place, backend, { bad, told, phone: held });
        sums.acknowledged += told.verdicts.size + told.starts.size + told.tries.size;
        if (killed) await process.kill();
      } finally {
        await mend();
      }
      const began = performance.now();
      if (killed) process = await startVerifierProcess({ ...options, port: process.port }, program);
      await untilReady(process.origin);
      const readyMs = performance.now() - began;
      slowestReadyMs = Math.max(slowestReadyMs, readyMs);
      if (await passes(held, calls, place)) passedAfterwards += 1;
      sums.lost += await countLost(backend, phones, told);
      sums.doubleUses += await countDoubleUses(phones, told);
      await audit.read();
      sums.lost += audit.countMissing(told);
      say(
        `${name} ${round}: ${told.verdicts.size} verdicts, ready in ${Math.round(readyMs)} ms, ${bad.answeredOtherwise.length} answered otherwise so far`,
      );
    }
  } finally {
    await process.kill();
    await store.close();
    await database?.remove();
  }
  return {
    ...{ fault: name, rounds, ...sums, doubleUses: sums.doubleUses + audit.doubleUses, auditOk: audit.holds },
    ...{ ...bad, slowestRefusalMs: Math.round(bad.slowestRefusalMs) },
    ...{ slowestReadyMs: Math.round(slowestReadyMs), passedAfterwards },
  };
}

/** What callers saw of a disk while it was bad. */
interface BadDisk {
  refused: number;
  slowestRefusalMs: number;
  readonly answeredOtherwise: string[];
  wrongHealth: number;
}

/** Sends a call of each kind that writes, and asks for health. */
async function lookAt(
  calls: Calls,
  place: DiskPlace,
  backend: Backend,
  { bad, told, phone }: { readonly bad: BadDisk; readonly told: Told; readonly phone: LoadPhone },
): Promise<void> {
  for (const { refused, status, text, ms } of await Promise.all(calls.all.map(timed))) {
    if (refused) {
      bad.refused += 1;
      bad.slowestRefusalMs = Math.max(bad.slowestRefusalMs, ms);
    } else if (!(place.someMayPass && status < 500)) {
      bad.answeredOtherwise.push(`${status} ${text.slice(0, 200)}`);
    } else if (status < 300) {
      // What found room is to be there afterwards, as all that was acknowledged.
      const { verification, verdict } = JSON.parse(text) as {
        verification?: string;
        verdict?: string | null;
      };
      if (verification !== undefined && verdict != null) told.verdicts.set(verification, { phone, verdict });
    }
  }
  const [ready, live] = await Promise.all([statusOf(backend, 'health'), statusOf(backend, 'health/live')]);
  if (ready !== 503 || live !== 200) bad.wrongHealth += 1;
}

type Call = () => Promise<Response>;

interface Calls {
  readonly verification: string;
  /** Its presentation, which would pass. */
  readonly present: Call;
  /** Of each kind that writes. */
  readonly all: readonly Call[];
}

/** What a customer's phone and the tenant's back end are about to send when the disk fails. */
async function prepareCalls(backend: Backend, phone: LoadPhone): Promise<Calls> {
  const start = () => startUnder(backend, phone.subject, newId());
  const pending = await startedUnder(backend, phone.subject, newId());
  const { verification, code } = await startedUnder(backend, phone.subject, newId());
  const open: OpenRequest = await acceptRequest(phone, verification);
  const body = await presentation(phone, open, code);
  const of = (id: string, verb: string, sent?: object): Call => {
    const path = `/v1/requests/${id}/${verb}`;
    return () => phone.connection.send({ method: 'POST', path, ...(sent && { body: sent }) });
  };
  const oprf = { use: 'verification', verification, blinded: blindPin(phone.pin).blinded };
  const authorization = `Bearer ${backend.apiKey}`;
  const byBackend = (method: string, path: string, sent?: object): Call => {
    const headers = { authorization, 'content-type': 'application/json' };
    return () =>
      fetch(`${backend.origin}/v1/${path}`, { method, headers, ...(sent && { body: JSON.stringify(sent) }) });
  };
  const present = of(verification, 'presentation', body);
  return {
    verification,
    present,
    all: [
      ...[present, start, of(pending.verification, 'accept'), of(pending.verification, 'decline')],
      () => phone.connection.send({ method: 'POST', path: '/v1/devices/current/oprf', body: oprf }),
      byBackend('DELETE', `verifications/${pending.verification}`),
      byBackend('POST', 'enrolments', { subject: phone.subject }),
    ],
  };
}

/** Whether a call was refused as one is that cannot be written down: come back later, and nothing else. */
async function timed(call: Call): Promise<{
  readonly refused: boolean;
  readonly status: number;
  readonly text: string;
  readonly ms: number;
}> {
  const began = performance.now();
  const answer = await call();
  const ms = performance.now() - began;
  const text = await answer.text();
  const { status, headers } = answer;
  const refused =
    status === 503 &&
    headers.get('content-type') === 'application/problem+json' &&
    Number(headers.get('retry-after')) > 0 &&
    parse(problemShape, JSON.parse(text)).code === 'busy';
  return { refused, status, text, ms };
}

async function passes(
  phone: LoadPhone,
  { verification, present }: Calls,
  place: DiskPlace,
): Promise<boolean> {
  const answer = await present();
  // Its attempt could be written down, and its result could not: it stays used, as after a crash.
  if (place.someMayPass && !answer.ok && (await codeOf(answer)) === 'attempt_used') return true;
  return (await readRequest(phone, verification)).verdict === 'passed';
}

async function statusOf({ origin }: Backend, path: string): Promise<number> {
  const answer = await fetch(`${origin}/v1/${path}`);
  await answer.arrayBuffer();
  return answer.status;
}

/** The load ends with calls that are told to come back, and with nothing else. @throws what else it ended with */
function requireRefused(ends: readonly PromiseSettledResult<void>[]): void {
  for (const end of ends) {
    if (end.status !== 'rejected') throw new Error('the load ended by itself');
    if (!(end.reason instanceof Error && end.reason.message === 'busy')) throw end.reason;
  }
}
