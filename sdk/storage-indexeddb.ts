import { AkashiError } from '@akashi/circuits';
import * as v from 'valibot';
import { queue } from './queue.ts';
import {
  type DeviceStorage,
  keptDeviceShape,
  type SealedRecord,
  sealedRecordShape,
  sealedStorage,
} from './storage.ts';

export interface IndexedDbStorageOptions {
  /** One name per enrolment kept side by side: a tenant, usually. */
  readonly name: string;
  readonly indexedDB?: IDBFactory;
  /** Holds one mark that outlives the database when a browser evicts only that; `null` for none. */
  readonly marks?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null;
  /** `null` for none: then only tasks of one tab wait for each other. */
  readonly locks?: Pick<LockManager, 'request'> | null;
  /** Asks the browser to keep the storage when space gets short. */
  readonly persist?: (() => Promise<unknown>) | null;
}

const STORE = 'kept';
const DEVICE = 'device';
const recordId = (name: string) => `record:${name}`;

/**
 * Storage of a page: keys are WebCrypto keys that cannot be exported, kept as such in IndexedDB.
 * Its methods throw AkashiError `storage_unavailable` where the browser gives no database.
 */
export function indexedDbStorage(options: IndexedDbStorageOptions): DeviceStorage {
  const { name, indexedDB: factory = globalThis.indexedDB, marks = pageMarks() } = options;
  const { locks = globalThis.navigator?.locks ?? null, persist = pagePersist() } = options;
  const id = `akashi:${name}`;
  const database = lazyDatabase(factory, id);
  const inTab = queue();

  const read = <S extends v.GenericSchema>(key: string, shape: S): Promise<v.InferOutput<S> | null> =>
    database('readonly', async (store) => {
      const result = v.safeParse(shape, await settled(store.get(key)));
      return result.success ? result.output : null;
    });
  const write = (change: (store: IDBObjectStore) => void) =>
    database('readwrite', async (store) => {
      change(store);
    });

  return sealedStorage({
    extractable: false,
    device: () => read(DEVICE, keptDeviceShape),
    record: (record) => read<typeof sealedRecordShape>(recordId(record), sealedRecordShape),
    async replace(device, records: ReadonlyMap<string, SealedRecord>) {
      // Not awaited: some browsers ask the customer first, and enrolment does not depend on the answer.
      persist?.().catch(() => undefined);
      await write((store) => {
        store.clear();
        store.put(device, DEVICE);
        for (const [record, sealed] of records) store.put(sealed, recordId(record));
      });
      mark(() => marks?.setItem(id, 'enrolled'));
    },
    put: (record, sealed) => write((store) => store.put(sealed, recordId(record))),
    async clear() {
      await write((store) => store.clear());
      mark(() => marks?.removeItem(id));
    },
    async wasKept() {
      if (marks?.getItem(id)) return true;
      return database('readonly', async (store) => (await settled(store.count())) > 0);
    },
    async exclusive<T>(work: () => Promise<T>): Promise<T> {
      if (locks === null) return inTab(work);
      return locks.request(id, work) as Promise<Awaited<T>>;
    },
  });
}

type Transaction = <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => Promise<T>) => Promise<T>;

/** Transactions on a database that is opened when first needed, and again after the browser closed it. */
function lazyDatabase(factory: IDBFactory | undefined, id: string): Transaction {
  let opened: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> => {
    if (!factory) throw new TypeError('no indexedDB');
    const request = factory.open(id, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    return settled(request).then((db) => {
      const forget = () => {
        opened = undefined;
      };
      db.onclose = forget;
      db.onversionchange = () => {
        forget();
        db.close();
      };
      return db;
    });
  };
  return async (mode, work) => {
    try {
      opened ??= open();
      const transaction = (await opened).transaction(STORE, mode, { durability: 'strict' });
      const complete = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
        transaction.onerror = () => reject(transaction.error);
      });
      const [result] = await Promise.all([work(transaction.objectStore(STORE)), complete]);
      return result;
    } catch (cause) {
      opened = undefined;
      throw new AkashiError('storage_unavailable', { cause });
    }
  };
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** A mark is a comfort: a full or forbidden localStorage must not fail what is stored already. */
function mark(change: () => void): void {
  try {
    change();
  } catch {
    // then a loss looks like a fresh start
  }
}

function pageMarks(): Storage | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // a page that may keep nothing
  }
}

function pagePersist(): (() => Promise<unknown>) | null {
  const manager = globalThis.navigator?.storage;
  return manager?.persist ? () => manager.persist() : null;
}
