import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import {
  asUser,
  createTestDatabase,
  openTestStore,
  postgresHarness,
  type TestDatabase,
} from './postgres-fixtures.ts';
import type { Store } from './store.ts';
import { storeContract } from './store-contract.ts';
import { addTenants, searchEverywhere, started, unclaimedPass } from './store-fixtures.ts';
import { StorePeer } from './store-peers.ts';

const peers: StorePeer[] = [];
let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  peers.push(new StorePeer(), new StorePeer());
  database = await createTestDatabase();
  store = await openTestStore(database);
});
afterAll(async () => {
  for (const peer of peers) peer.stop();
  await store.close();
  await database.remove();
});

storeContract(
  'postgres',
  postgresHarness(
    () => database,
    () => store,
    peers,
  ),
);

it('searches no table of postgres row by row, whatever row-level security adds', async () => {
  await database.empty();
  const texts = new Set<string>();
  const query = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
    this: pg.Client,
    ...args: unknown[]
  ) {
    const [first] = args;
    const text = typeof first === 'object' && first !== null && 'text' in first ? String(first.text) : '';
    if (/^(?:select|update|delete|with) /.test(text)) texts.add(text);
    return Reflect.apply(original, this, args);
  });
  const watched = await openTestStore(database);
  await addTenants(watched);
  await searchEverywhere(watched);
  await unclaimedPass(watched, 'pass');
  await started(watched, 'open');
  await watched.close();
  query.mockRestore();
  const searched = await plansOf([...texts]);
  expect(searched.length).toBeGreaterThan(30);
  // What is due is read in the order of its own index.
  const allowed = /audit_entries_unlinked|audit_heads_by_position/;
  const bad = searched.filter(
    ({ plan }) => /Seq Scan/.test(plan) || (!/Index Cond/.test(plan) && !allowed.test(plan)),
  );
  expect(bad).toEqual([]);
  for (const index of INDEXES) expect(searched.map(({ plan }) => plan).join()).toContain(index);
});

const INDEXES = [
  'verifications_by_operator',
  'verifications_by_claimer',
  'verifications_live',
  'devices_by_subject',
];
const { query: original } = pg.Client.prototype;

/** Many more of what there is, so that one index is better than another. */
const CROWD = `
  INSERT INTO verifications
    SELECT (jsonb_populate_record(v, jsonb_build_object('verification', v.verification || n, 'subject', 'c-' || n))).*
    FROM verifications v, generate_series(1, 3000) n;
  INSERT INTO devices
    SELECT (jsonb_populate_record(d, jsonb_build_object('device', d.device || n, 'thumbprint', d.thumbprint || n))).*
    FROM devices d, generate_series(1, 1000) n;
  ANALYZE`;

/** How the server would run them for values that it does not know, if tables were as large as they get. */
function plansOf(
  texts: readonly string[],
): Promise<readonly { readonly text: string; readonly plan: string }[]> {
  return asUser(database.superuser, async (client) => {
    await client.query(CROWD);
    // Whom row-level security binds.
    await client.query(`SET ROLE ${database.role}`);
    await client.query('SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan');
    const plans = [];
    for (const [i, text] of texts.entries()) {
      await client.query(`PREPARE plan_${i} AS ${text}`);
      const places = new Set(text.match(/\$\d+/g) ?? []).size;
      const values = places === 0 ? '' : `(${Array.from({ length: places }, () => 'NULL').join()})`;
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN EXECUTE plan_${i}${values}`);
      plans.push({ text, plan: rows.map((row) => row['QUERY PLAN']).join('\n') });
    }
    return plans;
  });
}
