import { setTimeout } from 'node:timers/promises';
import type { RetentionKind } from './records.ts';
import type { Store } from './store.ts';

// What tenants do not keep for ever goes (docs/runbook.md, section 5). Devices after their verifications, which refer to them.

/** Between two pieces, so that whoever is served meanwhile gets most of the time. */
const PAUSE_MS = 50;

const KINDS: readonly RetentionKind[] = ['verifications', 'devices', 'audit'];

/** Erases in small pieces until nothing is over its time, or `signal` says to stop. How many rows, by tenant and table. */
export async function applyRetention(
  { store, now }: { readonly store: Store; readonly now: () => number },
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, ReadonlyMap<string, number>>> {
  // Idempotency keys refer to verifications, and live a day.
  await store.sweep(now());
  const tenants = new Map<string, Map<string, number>>();
  for (const tenant of await store.tenants()) {
    const tables = new Map<string, number>();
    const days = await store.retention(tenant);
    for (const kind of KINDS.filter((kind) => days[kind] !== null)) {
      for (;;) {
        if (signal?.aborted) return tenants;
        const erased = Object.entries(await store.erase(tenant, kind, now()));
        if (erased.length === 0) break;
        for (const [table, rows] of erased) tables.set(table, (tables.get(table) ?? 0) + rows);
        await setTimeout(PAUSE_MS);
      }
    }
    if (tables.size > 0) tenants.set(tenant, tables);
  }
  return tenants;
}
