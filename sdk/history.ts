import {
  AkashiError,
  askedClaim,
  askedId,
  base64url16,
  direction,
  mode,
  purpose,
  reference,
  text,
  time,
  transaction,
  verdict,
} from '@akashi/circuits';
import * as v from 'valibot';
import { type Identity, loadIdentity, parseStored } from './holder-record.ts';
import type { Asked, CheckedRequest } from './request.ts';
import type { DeviceStorage } from './storage.ts';

// Who asked this device, and what came of it: kept on the device only, encrypted, the newest first.

const HISTORY_RECORD = 'history';
export const HISTORY_MAX = 50;

const askedShape = v.strictObject({
  tenant: v.strictObject({ id: reference, name: text }),
  operator: v.nullable(text),
  mode,
  direction,
  purpose,
  transaction: v.nullable(transaction),
  facts: v.array(askedId),
  /** Not in what earlier versions wrote. */
  claims: v.optional(v.array(askedClaim), []),
});

const entryShape = v.strictObject({
  id: base64url16,
  /** UTC seconds by the verifier's time. */
  seenAt: time,
  expiresAt: time,
  asked: askedShape,
  verdict: v.nullable(verdict),
});
type StoredEntry = v.InferOutput<typeof entryShape>;
const historyShape = v.array(entryShape);

export interface HistoryEntry {
  readonly id: string;
  /** UTC seconds by the verifier's time. */
  readonly seenAt: number;
  readonly asked: Asked;
  /** `open` while it can still be answered, `unanswered` when its life ended and no verdict came to this device. */
  readonly outcome: NonNullable<CheckedRequest['verdict']> | 'open' | 'unanswered';
}

/** @param now UTC seconds */
export async function readHistory(storage: DeviceStorage, now: number): Promise<readonly HistoryEntry[]> {
  return (await load(storage)).map(({ id, seenAt, expiresAt, asked, verdict: outcome }) => ({
    id,
    seenAt,
    asked,
    outcome: outcome ?? (expiresAt > now ? 'open' : 'unanswered'),
  }));
}

/** What a request that is done had said, if this device saw it. */
export async function remember(storage: DeviceStorage, id: string): Promise<Asked | null> {
  return (await load(storage)).find((entry) => entry.id === id)?.asked ?? null;
}

/**
 * Writes down what is new about these requests; nothing where nothing is.
 * @throws AkashiError `not_enrolled` when another tab enrolled anew or removed the device meanwhile
 */
export async function recordHistory(
  storage: DeviceStorage,
  { record }: Identity,
  requests: readonly CheckedRequest[],
  now: number,
): Promise<void> {
  if (!isNews(await load(storage), requests)) return;
  await storage.exclusive(async () => {
    const current = await loadIdentity(storage, record.verifier);
    if (current?.record.device !== record.device) throw new AkashiError('not_enrolled');
    const entries = requests.reduce((list, request) => withRequest(list, request, now), await load(storage));
    await storage.write(HISTORY_RECORD, entries.slice(0, HISTORY_MAX));
  });
}

function isNews(entries: readonly StoredEntry[], requests: readonly CheckedRequest[]): boolean {
  return requests.some(({ id, asked, verdict: outcome }) => {
    const known = entries.find((entry) => entry.id === id);
    return known ? known.verdict !== outcome : asked !== null;
  });
}

function withRequest(entries: readonly StoredEntry[], request: CheckedRequest, now: number): StoredEntry[] {
  const { id, expiresAt, asked, verdict: outcome } = request;
  const known = entries.find((entry) => entry.id === id);
  if (known) return entries.map((entry) => (entry === known ? { ...entry, verdict: outcome } : entry));
  if (asked === null) return [...entries];
  const entry = parseStored(entryShape, { id, seenAt: now, expiresAt, asked, verdict: outcome });
  return [entry, ...entries];
}

/** A history that cannot be read is an empty one: it must not stand in the way of a verification. */
async function load(storage: DeviceStorage): Promise<StoredEntry[]> {
  try {
    return parseStored(historyShape, (await storage.read(HISTORY_RECORD)) ?? []);
  } catch {
    return [];
  }
}
