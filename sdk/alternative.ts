import { AkashiError, isRequestedFact, type Request, type Requested } from '@akashi/circuits';
import { findAccount } from './accounts.ts';
import { findClaims, type IssuedClaims, readClaims } from './claims.ts';
import { type Identity, isOpen } from './holder-record.ts';
import type { DeviceStorage } from './storage.ts';

// Which of a request's alternatives this device shows (docs/protocol.md, section 6). Loaded for requests that have any.

/** What this device has of an entry; what only wrapped secrets could tell is left open. */
type Has = 'yes' | 'no' | 'unknown';

/**
 * The first that this device can surely show, or else the first that it may, or else the first: what is wrong with that one
 * is then said when it is shown.
 * @param now UTC seconds by the verifier's time
 */
export async function chooseAlternative(
  storage: DeviceStorage,
  identity: Identity,
  { facts, alternatives = [] }: Pick<Request, 'facts' | 'alternatives'>,
  now: number,
): Promise<number> {
  const issued = isOpen(identity) ? await readClaims(storage, identity) : null;
  const has = await Promise.all(facts.map((entry) => hasFor(entry, identity, issued, now)));
  const first = (fits: readonly Has[]) =>
    alternatives.findIndex((places) => places.every((place) => fits.includes(has[place] ?? 'no')));
  return [first(['yes']), first(['yes', 'unknown']), 0].find((place) => place >= 0) ?? 0;
}

async function hasFor(
  entry: Requested,
  identity: Identity,
  issued: readonly IssuedClaims[] | null,
  now: number,
): Promise<Has> {
  const { record } = identity;
  if (entry.fact === 'pin') return 'yes';
  if (!isRequestedFact(entry)) return record.passkeys.some(({ rpId }) => rpId === entry.rpId) ? 'yes' : 'no';
  if (entry.fact === 'account') {
    if (record.accountsExpireAt <= now) return 'no';
    if (!isOpen(identity)) return entry.accountRef === '0' ? 'yes' : 'unknown';
    return isThere(() => findAccount(identity.record.issued, entry));
  }
  return issued === null ? 'unknown' : isThere(() => findClaims(issued, entry, now));
}

async function isThere(find: () => unknown): Promise<Has> {
  try {
    await find();
    return 'yes';
  } catch (error) {
    if (error instanceof AkashiError) return 'no';
    throw error;
  }
}
