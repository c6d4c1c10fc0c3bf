import { setTimeout } from 'node:timers/promises';
import type { Actor, RequestPlace, SealedValue } from './records.ts';
import { type KeyEncryption, sealAnew } from './sealed.ts';
import type { Store } from './store.ts';
import type { Random } from './token.ts';

// Puts everything that is sealed under the key that seals now, while verifiers serve: small pieces, each value only where
// it still is what was read (docs/runbook.md, section 3).

const PIECE = 200;
/** Between two pieces: on SQLite what a verifier writes waits while the file is locked. */
const PAUSE_MS = 20;
const CLI: Actor = { kind: 'cli' };

/** Every sealed value, in pieces of one tenant each. What is written meanwhile may be missing. */
async function* sealedPieces(store: Store): AsyncGenerator<readonly SealedValue[]> {
  for (const tenant of await store.tenants()) {
    for (let after = ''; ; ) {
      const piece = await store.sealedOfDevices(tenant, after, PIECE);
      const last = piece.at(-1);
      if (last === undefined) break;
      yield piece;
      after = last.place.row;
    }
  }
  for (let after: RequestPlace = { expiresAt: 0, verification: '' }; ; ) {
    const piece = await store.sealedRequests(after, PIECE);
    const last = piece.at(-1);
    if (last === undefined) return;
    const tenants = new Set(piece.map(({ place }) => place.tenant));
    for (const tenant of tenants) yield piece.filter(({ place }) => place.tenant === tenant);
    after = { expiresAt: last.expiresAt, verification: last.place.row };
  }
}

/** Seals anew what is sealed under another key than the current one. How many values that was. */
export async function resealAll(
  store: Store,
  keys: KeyEncryption,
  now: () => number,
  random: Random,
): Promise<number> {
  let count = 0;
  for await (const piece of sealedPieces(store)) {
    const values = piece
      .filter(({ sealed }) => sealed.kek !== keys.current)
      .map((value) => ({ ...value, anew: sealAnew(keys, value.place, value.sealed, random) }));
    const tenant = values[0]?.place.tenant;
    if (tenant === undefined) continue;
    count += await store.reseal(tenant, values, CLI, now());
    await setTimeout(PAUSE_MS);
  }
  return count;
}

/** How many values stand under each key, by its id. */
export async function countSealed(store: Store): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for await (const piece of sealedPieces(store)) {
    for (const { sealed } of piece) counts.set(sealed.kek, (counts.get(sealed.kek) ?? 0) + 1);
  }
  return counts;
}
