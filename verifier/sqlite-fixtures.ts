import { join } from 'node:path';
import { temporaryFolder } from './folder-fixtures.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';
import type { StoreHarness } from './store-fixtures.ts';
import { race, StorePeer } from './store-peers.ts';

/** A new SQLite store, and two other processes with a store on the same file. */
export async function openSqliteHarness(
  peers: readonly StorePeer[],
  openStore: (file: string) => Store | Promise<Store> = (file) => openSqliteStore({ file }),
): Promise<StoreHarness> {
  const { folder, remove } = await temporaryFolder();
  const file = join(folder, 'data', 'akashi.sqlite');
  const store = await openStore(file);
  const open = { task: 'open', engine: 'sqlite', location: file } as const;
  let opened = false;
  return {
    store,
    race: async (calls) => {
      if (!opened) await Promise.all(peers.map((peer) => peer.ask(open)));
      opened = true;
      return race(peers, calls);
    },
    callAndDie: async (call) => {
      const peer = new StorePeer();
      await peer.ask(open);
      await peer.die(call);
    },
    dispose: async () => {
      if (opened) await Promise.all(peers.map((peer) => peer.ask({ task: 'close' })));
      await store.close();
      await remove();
    },
  };
}
