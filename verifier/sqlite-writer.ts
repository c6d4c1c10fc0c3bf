import { randomBytes } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { SqliteDatabase } from './sqlite-database.ts';
import { sentFault, type WriterMessage, type WriterOrder } from './sqlite-thread.ts';
import { writesOn } from './store-writes.ts';

/** Does at its end of the line what sqlite-thread.ts orders at the other. What comes was typed there, and is not parsed again. */
export function serveWrites(port: MessagePort, file: string): void {
  const say = (message: WriterMessage) => port.postMessage(message);
  const database = new SqliteDatabase({
    ...{ file, random: randomBytes },
    told: (topics) => say({ kind: 'topics', topics: [...topics] }),
  });
  const writes = writesOn(database, (verdict) => say({ kind: 'verdict', verdict }));

  const perform = (order: Asked): Promise<unknown> =>
    order.kind === 'ping' ? database.ping() : Reflect.apply(writes[order.name], undefined, order.args);
  const answer = async (order: Asked) => {
    try {
      say({ kind: 'answer', id: order.id, value: await perform(order) });
    } catch (cause) {
      say({ kind: 'fault', id: order.id, fault: sentFault(cause) });
    }
  };

  const underWay = new Set<Promise<void>>();
  port.on('message', async (order: WriterOrder) => {
    if (order.kind !== 'close') {
      const answered = answer(order).finally(() => underWay.delete(answered));
      underWay.add(answered);
      return;
    }
    await Promise.all(underWay);
    await database.close();
    port.close();
  });
}

type Asked = Exclude<WriterOrder, { readonly kind: 'close' }>;
