import { and, asc, eq, gt, sql } from 'drizzle-orm';
import { sealedCodec } from './columns.ts';
import type { Actor, RequestPlace, ResealedValue, SealedValue } from './records.ts';
import { command, selection, type Transaction, type Verb } from './statement.ts';
import { record } from './stored-audit.ts';
import { isOpen } from './stored-verifications.ts';

// Every sealed value, so that all can be put under another key-encryption key (reseal.ts).

const ofDevices = selection(({ query, tables: { devices } }) => {
  const { tenant, device, evaluationKey, pendingKey } = devices;
  return query
    .select({ device, evaluationKey, pendingKey })
    .from(devices)
    .where(and(eq(tenant, sql.placeholder('tenant')), gt(device, sql.placeholder('after'))))
    .orderBy(asc(device))
    .limit(sql.placeholder('limit'));
});

export function* sealedOfDevices(tenant: string, after: string, limit: number): Verb<readonly SealedValue[]> {
  const rows = yield* ofDevices.all({ tenant, after, limit });
  return rows.flatMap(({ device, evaluationKey, pendingKey }): SealedValue[] => {
    const place = { kind: 'evaluation-key', tenant, row: device } as const;
    const pending = pendingKey && { place, column: 'pendingKey' as const, sealed: pendingKey };
    return [{ place, column: 'evaluationKey', sealed: evaluationKey }, ...(pending ? [pending] : [])];
  });
}

// By their ends: so both databases use the index of those that are open.
const ofOpen = selection(({ query, tables }) => {
  const { tenant, verification, expiresAt, request } = tables.verifications;
  const after = sql`(${expiresAt}, ${verification}) > (${sql.placeholder('end')}, ${sql.placeholder('after')})`;
  return query
    .select({ tenant, verification, expiresAt, request })
    .from(tables.verifications)
    .where(and(isOpen(tables), after))
    .orderBy(asc(expiresAt), asc(verification))
    .limit(sql.placeholder('limit'));
});

export function* sealedRequests(
  { expiresAt: end, verification: after }: RequestPlace,
  limit: number,
): Verb<readonly (SealedValue & { readonly expiresAt: number })[]> {
  const rows = yield* ofOpen.all({ end, after, limit });
  return rows.flatMap(({ tenant, verification: row, expiresAt, request: sealed }) => {
    const place = { kind: 'request', tenant, row } as const;
    return sealed === null ? [] : [{ place, column: 'request' as const, sealed, expiresAt }];
  });
}

// Only where the old value still stands: what was written since is of a verifier that has the new key. Both are given as
// the texts that they are kept as.
const old = sql.placeholder('old');
const anew = sql`${sql.placeholder('anew')}`;
const ofDevice = (column: 'evaluationKey' | 'pendingKey') =>
  command(({ query, tables: { devices } }) =>
    query
      .update(devices)
      .set({ [column]: anew })
      .where(
        and(
          eq(devices.tenant, sql.placeholder('tenant')),
          eq(devices.device, sql.placeholder('row')),
          sql`${devices[column]} = ${old}`,
        ),
      ),
  );
const putAnew = {
  evaluationKey: ofDevice('evaluationKey'),
  pendingKey: ofDevice('pendingKey'),
  request: command(({ query, tables: { verifications } }) =>
    query
      .update(verifications)
      .set({ request: anew })
      .where(
        and(
          eq(verifications.tenant, sql.placeholder('tenant')),
          eq(verifications.verification, sql.placeholder('row')),
          sql`${verifications.request} = ${old}`,
        ),
      ),
  ),
};

export function* reseal(
  tx: Transaction,
  tenant: string,
  values: readonly ResealedValue[],
  actor: Actor,
  at: number,
): Verb<number> {
  let count = 0;
  for (const { place, column, sealed, anew } of values) {
    const [old, written] = [sealed, anew].map(sealedCodec.toDriver);
    count += yield* putAnew[column].count({ tenant, row: place.row, old, anew: written });
  }
  const keys = [...new Set(values.map(({ anew }) => anew.kek))];
  if (count > 0) yield* record(tx, { tenant, at, actor, event: 'keys.resealed', about: { count, keys } });
  return count;
}
