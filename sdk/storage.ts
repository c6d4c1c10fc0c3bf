import {
  AkashiError,
  type DeviceKey,
  type PublicJwk,
  parse,
  publicJwkShape,
  thumbprint,
} from '@akashi/circuits';
import * as v from 'valibot';
import { queue } from './queue.ts';

// What a device keeps: one signing key, and records encrypted under a key of their own. All of it belongs to one
// enrolment; the next one replaces it in a single step, so that a crash leaves the old state or the new one.

export interface DeviceStorage {
  /** A new device key. It is kept only once {@link DeviceStorage.replace} is told to. */
  createKey(): Promise<DeviceKey>;
  /** The key kept here, or `null`. */
  key(): Promise<DeviceKey | null>;
  /** Lets this key and these records take the place of everything kept, in one step. */
  replace(key: DeviceKey, records: Records): Promise<void>;
  /**
   * A record of the device kept here, or `undefined`.
   * @throws AkashiError `storage_unavailable` when it cannot be decrypted
   */
  read(name: string): Promise<unknown>;
  /** Writes one record of the device kept here. @throws AkashiError `not_enrolled` when there is none */
  write(name: string, value: unknown): Promise<void>;
  clear(): Promise<void>;
  /** Whether a device was kept here that nobody cleared: with no key left, its storage was lost. */
  wasKept(): Promise<boolean>;
  /** Runs `work` while no other tab or task runs one of its own. Not to be nested. */
  exclusive<T>(work: () => Promise<T>): Promise<T>;
}

/** JSON values by name. */
export type Records = Readonly<Record<string, unknown>>;

/** A device as a {@link Shelf} keeps it. */
export interface KeptDevice {
  readonly jwk: PublicJwk;
  readonly privateKey: CryptoKey;
  /** AES-256-GCM, for the records. */
  readonly storageKey: CryptoKey;
}

export interface SealedRecord {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly ciphertext: Uint8Array<ArrayBuffer>;
}

/**
 * Where the bytes lie. Each verb is atomic. Content that cannot be read is as good as none: `device` is `null` then,
 * and `wasKept` still true.
 */
export interface Shelf {
  /** Whether keys must be exportable to be kept. */
  readonly extractable: boolean;
  device(): Promise<KeptDevice | null>;
  record(name: string): Promise<SealedRecord | null>;
  replace(device: KeptDevice, records: ReadonlyMap<string, SealedRecord>): Promise<void>;
  put(name: string, record: SealedRecord): Promise<void>;
  clear(): Promise<void>;
  wasKept(): Promise<boolean>;
  exclusive<T>(work: () => Promise<T>): Promise<T>;
}

/** Device storage over any shelf: makes the keys and seals the records. */
export function sealedStorage(shelf: Shelf): DeviceStorage {
  const create = async (): Promise<DeviceKey> => {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, shelf.extractable, [
      'sign',
      'verify',
    ]);
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
    return { jwk: parse(publicJwkShape, { kty, crv, x, y }), privateKey: pair.privateKey };
  };

  return {
    createKey: create,
    async key() {
      const device = await shelf.device();
      return device && { jwk: device.jwk, privateKey: device.privateKey };
    },
    async replace(key, records) {
      const storageKey = await crypto.subtle.generateKey(
        { name: 'AES-GCM', length: 256 },
        shelf.extractable,
        ['encrypt', 'decrypt'],
      );
      const device: KeptDevice = { ...key, storageKey };
      const sealed = new Map<string, SealedRecord>();
      for (const [name, value] of Object.entries(records)) sealed.set(name, await seal(device, name, value));
      await shelf.replace(device, sealed);
    },
    async read(name) {
      const [device, record] = await Promise.all([shelf.device(), shelf.record(name)]);
      return device && record ? open(device, name, record) : undefined;
    },
    async write(name, value) {
      const device = await shelf.device();
      if (device === null) throw new AkashiError('not_enrolled');
      await shelf.put(name, await seal(device, name, value));
    },
    clear: () => shelf.clear(),
    wasKept: () => shelf.wasKept(),
    exclusive: (work) => shelf.exclusive(work),
  };
}

/** Keeps everything in memory: for tests, and for pages that must leave nothing behind. */
export function memoryStorage(): DeviceStorage {
  let kept: { readonly device: KeptDevice; readonly records: Map<string, SealedRecord> } | null = null;
  return sealedStorage({
    extractable: false,
    device: async () => kept?.device ?? null,
    record: async (name) => kept?.records.get(name) ?? null,
    replace: async (device, records) => {
      kept = { device, records: new Map(records) };
    },
    put: async (name, record) => {
      kept?.records.set(name, record);
    },
    clear: async () => {
      kept = null;
    },
    wasKept: async () => kept !== null,
    exclusive: queue(),
  });
}

// Looked up when used: pages without TLS have no CryptoKey, and should get an error of ours.
const cryptoKey = v.custom<CryptoKey>((value) => value instanceof CryptoKey);

/** The shape of a kept device where keys are kept as they are. */
export const keptDeviceShape = v.strictObject({
  jwk: publicJwkShape,
  privateKey: cryptoKey,
  storageKey: cryptoKey,
});

const bytes = v.custom<Uint8Array<ArrayBuffer>>((value) => value instanceof Uint8Array);
export const sealedRecordShape = v.strictObject({ iv: bytes, ciphertext: bytes });

// A record opens only under its own name and for its own device.
async function additionalData(device: KeptDevice, name: string): Promise<Uint8Array<ArrayBuffer>> {
  return new TextEncoder().encode(`akashi/record/v1\0${await thumbprint(device.jwk)}\0${name}`);
}

async function seal(device: KeptDevice, name: string, value: unknown): Promise<SealedRecord> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const ciphertext = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: await additionalData(device, name) },
    device.storageKey,
    new TextEncoder().encode(JSON.stringify(value)),
  );
  return { iv, ciphertext: new Uint8Array(ciphertext) };
}

async function open(device: KeptDevice, name: string, { iv, ciphertext }: SealedRecord): Promise<unknown> {
  try {
    const plain = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv, additionalData: await additionalData(device, name) },
      device.storageKey,
      ciphertext,
    );
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(plain));
  } catch (cause) {
    throw new AkashiError('storage_unavailable', { cause });
  }
}
