import { afterAll, beforeAll } from 'vitest';
import {
  createTestDatabase,
  openTestStore,
  postgresHarness,
  type TestDatabase,
} from './postgres-fixtures.ts';
import type { Store } from './store.ts';
import { storeContract } from './store-contract.ts';
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
