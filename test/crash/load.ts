import { randomInt } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { parse, pendingRequest } from '@akashi/circuits';
import { bindProof } from '../../sdk/binding.ts';
import type { Preparation } from '../../sdk/groth16.ts';
import { policyOf } from '../harness.ts';
import { prover } from '../proofs.ts';
import {
  acceptRequest,
  blindPin,
  boundChallenge,
  codeOf,
  factOf,
  newId,
  type OpenRequest,
  type RawPhone,
} from '../raw-phone.ts';

// Phones and a back end that keep a verifier busy until it is gone, and remember what it told them.

const LIMIT_PAUSE_MS = 200;

/** A phone whose proofs of its PIN are prepared: the load shares the machine with the verifier. */
export interface LoadPhone extends RawPhone {
  readonly prepared: Preparation;
}

export async function prepared(phone: RawPhone): Promise<LoadPhone> {
  return { ...phone, prepared: await prover.prepare('pin', phone.secrets) };
}

/** One presentation that was sent; whether an answer came is another matter. */
export interface Sent {
  readonly phone: LoadPhone;
  readonly verification: string;
  readonly attempt: string;
  readonly body: object;
  /** The same call once more, by the same signature. */
  readonly replay: () => Promise<Response>;
  answered: boolean;
}

/** What was acknowledged, by who was told. */
export interface Told {
  readonly verdicts: Map<string, { readonly phone: LoadPhone; readonly verdict: string }>;
  /** Verification by idempotency key. */
  readonly starts: Map<string, string>;
  /** Tries that a device has left, after its last evaluation; none since its PIN was proven. */
  readonly tries: Map<LoadPhone, number>;
  readonly sent: Sent[];
}

export interface Backend {
  readonly origin: string;
  readonly apiKey: string;
}

export interface Started {
  readonly verification: string;
  readonly code: string;
}

/** A start under a key, which can be repeated. */
export async function startUnder(backend: Backend, subject: string, key: string): Promise<Response> {
  const start = {
    subject,
    policy: policyOf('pin'),
    purpose: 'identify',
    mode: 'call',
    call: { direction: 'inbound' },
  };
  return fetch(`${backend.origin}/v1/verifications`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${backend.apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify(start),
  });
}

/** What a start gave, as soon as the limit of its subject lets it. */
export async function startedUnder(backend: Backend, subject: string, key: string): Promise<Started> {
  for (;;) {
    const started = await startUnder(backend, subject, key);
    if (started.ok) return (await started.json()) as Started;
    if (started.status !== 429) throw new Error(await codeOf(started));
    await setTimeout(LIMIT_PAUSE_MS);
  }
}

export interface BusyOptions {
  /** With which of the eight kinds of verification it begins. */
  readonly first?: number;
  readonly enough?: () => boolean;
}

/** Verifications one after the other: declined, reported, failed, passed. Ends when no answer comes any more, or enough did. */
export async function keepBusy(
  backend: Backend,
  phone: LoadPhone,
  told: Told,
  { first = randomInt(8), enough = () => false }: BusyOptions = {},
): Promise<void> {
  for (let i = first; !enough(); i++) {
    const key = newId();
    const { verification, code } = await startedUnder(backend, phone.subject, key);
    told.starts.set(key, verification);
    const open = await acceptRequest(phone, verification);
    if (i % 4 === 0) await end(phone, verification, i % 8 === 0 ? 'decline' : 'report', told);
    else await presentUntilDone(phone, { open, code, wrongFirst: i % 4 === 1 }, told);
  }
}

async function end(
  phone: LoadPhone,
  verification: string,
  how: 'decline' | 'report',
  told: Told,
): Promise<void> {
  const path = `/v1/requests/${verification}/${how}`;
  await noteVerdict(phone, await phone.connection.send({ method: 'POST', path }), told);
}

async function presentUntilDone(
  phone: LoadPhone,
  {
    open,
    code,
    wrongFirst,
  }: { readonly open: OpenRequest; readonly code: string; readonly wrongFirst: boolean },
  told: Told,
): Promise<void> {
  const { verification } = open;
  if (wrongFirst) {
    await evaluate(phone, verification, told);
    const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, '0');
    // The proof is for the right code: it holds under no other, so the try stays used.
    const body = { ...(await presentation(phone, open, code)), code: wrong };
    await present(phone, open, body, told);
    return;
  }
  await present(phone, open, await presentation(phone, open, code), told);
}

export async function presentation(phone: LoadPhone, open: OpenRequest, code: string) {
  const [asked] = open.facts;
  if (asked === undefined) throw new TypeError('the policy asks for the PIN');
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const proof = await bindProof(phone.prepared, boundChallenge(open, 0, code), random);
  return { attempt: open.attempt, code, facts: [factOf(phone, asked, proof)] };
}

async function evaluate(phone: LoadPhone, verification: string, told: Told): Promise<void> {
  const { blinded } = blindPin(phone.pin);
  const body = { use: 'verification', verification, blinded };
  const answer = await phone.connection.send({ method: 'POST', path: '/v1/devices/current/oprf', body });
  if (!answer.ok) return;
  const { triesLeft } = (await answer.json()) as { triesLeft: number };
  told.tries.set(phone, triesLeft);
}

async function present(phone: LoadPhone, open: OpenRequest, body: object, told: Told): Promise<void> {
  const { verification, attempt } = open;
  const path = `/v1/requests/${verification}/presentation`;
  const replay = await phone.connection.prepare({ method: 'POST', path, body });
  const sent: Sent = { phone, verification, attempt, body, replay, answered: false };
  told.sent.push(sent);
  const answer = await replay();
  sent.answered = answer.ok;
  await noteVerdict(phone, answer, told);
}

/** What a phone was told; it is bound to stay. */
export async function noteVerdict(phone: LoadPhone, answer: Response, told: Told): Promise<void> {
  if (!answer.ok) throw new Error(await codeOf(answer));
  const { verification, verdict } = parse(pendingRequest, await answer.json());
  if (verdict === undefined) return;
  told.verdicts.set(verification, { phone, verdict });
  if (verdict === 'passed') told.tries.delete(phone);
}
