import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AkashiError,
  base64url32,
  decodeBase64url,
  encodeBase64url,
  type PublicJwk,
  publicJwkShape,
} from '@akashi/circuits';
import * as v from 'valibot';
import { queue } from './queue.ts';
import { type DeviceStorage, type KeptDevice, type SealedRecord, sealedStorage } from './storage.ts';

const bytes = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+$/));
const fileShape = v.strictObject({
  jwk: publicJwkShape,
  /** `d` of the device key. */
  privateKey: base64url32,
  storageKey: base64url32,
  records: v.record(v.string(), v.strictObject({ iv: bytes, ciphertext: bytes })),
});
type File = v.InferOutput<typeof fileShape>;

/**
 * Storage in one file below `folder`, readable by its owner only (0600): for devices that run Node, and for tests. The keys
 * lie beside what they encrypt, so whoever reads the file has the device; the PIN is still not in it. One process at a time.
 */
export function fileStorage(folder: string): DeviceStorage {
  const path = join(folder, 'device.json');

  const load = async (): Promise<File | null> => {
    const text = await readText(path);
    if (text === null) return null;
    try {
      return v.parse(fileShape, JSON.parse(text));
    } catch {
      return null; // damaged: as good as lost, see wasKept
    }
  };
  const save = (file: File) => storing(() => writeDurably(folder, path, JSON.stringify(file)));

  return sealedStorage({
    extractable: true,
    async device() {
      const file = await load();
      return file && importDevice(file);
    },
    async record(name) {
      const sealed = (await load())?.records[name];
      return sealed ? storing(async () => decodeRecord(sealed)) : null;
    },
    async replace(device, records) {
      const [privateKey, storageKey] = await Promise.all([
        crypto.subtle.exportKey('jwk', device.privateKey),
        crypto.subtle.exportKey('raw', device.storageKey),
      ]);
      await save(
        v.parse(fileShape, {
          jwk: device.jwk,
          privateKey: privateKey.d,
          storageKey: encodeBase64url(new Uint8Array(storageKey)),
          records: Object.fromEntries([...records].map(([name, record]) => [name, encodeRecord(record)])),
        }),
      );
    },
    async put(name, record) {
      const file = await load();
      if (file === null) throw new AkashiError('not_enrolled');
      await save({ ...file, records: { ...file.records, [name]: encodeRecord(record) } });
    },
    clear: () => storing(() => rm(path, { force: true })),
    wasKept: async () => (await readText(path)) !== null,
    exclusive: queue(),
  });
}

async function importDevice(file: File): Promise<KeptDevice | null> {
  try {
    const [privateKey, storageKey] = await Promise.all([
      importSigningKey(file.jwk, file.privateKey),
      crypto.subtle.importKey('raw', copy(decodeBase64url(file.storageKey)), 'AES-GCM', true, [
        'encrypt',
        'decrypt',
      ]),
    ]);
    return { jwk: file.jwk, privateKey, storageKey };
  } catch {
    return null;
  }
}

function importSigningKey(jwk: PublicJwk, d: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('jwk', { ...jwk, d }, { name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
  ]);
}

const encodeRecord = ({ iv, ciphertext }: SealedRecord) => ({
  iv: encodeBase64url(iv),
  ciphertext: encodeBase64url(ciphertext),
});

const decodeRecord = ({
  iv,
  ciphertext,
}: {
  readonly iv: string;
  readonly ciphertext: string;
}): SealedRecord => ({
  iv: copy(decodeBase64url(iv)),
  ciphertext: copy(decodeBase64url(ciphertext)),
});

/** The same bytes on a buffer of their own, as WebCrypto's types want them. */
function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

async function readText(path: string): Promise<string | null> {
  return storing(async () => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    }
  });
}

/** After a crash the file holds the old text or the new one, never a part. */
async function writeDurably(folder: string, path: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  await rm(draft, { force: true }); // one left by a crash may have other permissions
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

async function storing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new AkashiError('storage_unavailable', { cause });
  }
}
