import { writeSync } from 'node:fs';
import { openPostgresStore } from './postgres-store.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';
import type { PeerMessage, StoreCall } from './store-peers.ts';

// A process with a store of its own on a shared database: what races and kills are tested with (store-peers.ts).

const OPENERS = {
  sqlite: async (location: string): Promise<Store> => openSqliteStore({ file: location }),
  postgres: (location: string): Promise<Store> => openPostgresStore({ url: location }),
};

let store: Store | undefined;

process.on('message', async (message: PeerMessage) => {
  try {
    const value = await handle(message);
    process.send?.({ id: message.id, value });
  } catch (cause) {
    process.send?.({ id: message.id, fault: String(cause) });
  }
});

async function handle(message: PeerMessage): Promise<unknown> {
  switch (message.task) {
    case 'open':
      await store?.close();
      store = await OPENERS[message.engine](message.location);
      return undefined;
    case 'race':
      // All peers begin at one time, so that their transactions meet.
      while (Date.now() < message.at);
      return Promise.all(message.calls.map(perform));
    case 'die':
      await perform(message.call);
      // Not by the channel: sending is asynchronous, and nothing may happen between the answer and the end.
      writeSync(1, 'resolved');
      process.kill(process.pid, 'SIGKILL');
      return undefined;
    case 'close':
      await store?.close();
      store = undefined;
      return undefined;
  }
}

async function perform({ verb, args }: StoreCall): Promise<unknown> {
  if (store === undefined) throw new TypeError('no store is open');
  return Reflect.apply(store[verb], store, verb === 'claim' ? withMatches(args) : args);
}

/** A function does not travel between processes: `matches` is sent as the ids that match. */
function withMatches([claim, ...rest]: readonly unknown[]): readonly unknown[] {
  const { matches, ...others } = claim as { readonly matches: readonly string[] };
  return [{ ...others, matches: (verification: string) => matches.includes(verification) }, ...rest];
}
