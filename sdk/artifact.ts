import { AkashiError, type FactId } from '@akashi/circuits';
import { ARTIFACTS, artifactFile } from '@akashi/circuits/artifacts';
import { withinTime } from './time-limit.ts';

// The proving key of a fact. Bytes are used only once they have the digest that this build of
// @akashi/circuits pins, wherever they came from: network, cache or disk.

export interface ArtifactOptions {
  /** Folder of the artifacts. */
  readonly artifactsUrl: URL | string;
  readonly fetch?: typeof fetch | undefined;
  /** Where browsers keep them; `null` for memory only. */
  readonly caches?: Pick<CacheStorage, 'open'> | null | undefined;
  readonly timeoutSeconds?: number | undefined;
}

export type LoadArtifact = (fact: FactId, signal?: AbortSignal) => Promise<Uint8Array<ArrayBuffer>>;

const CACHE = 'akashi-artifacts';

/**
 * A loader that fetches each key once.
 * Its calls throw AkashiError `artifact_unavailable` (no bytes), `artifact_invalid` (other bytes than pinned),
 * `timeout`, `aborted`.
 */
export function artifactLoader(options: ArtifactOptions): LoadArtifact {
  const { fetch: given, caches = pageCaches(), timeoutSeconds = 60 } = options;
  const folder = folderUrl(options.artifactsUrl);
  const fetchBytes = async (url: URL, signal: AbortSignal) => {
    if (url.protocol === 'file:') return readFileUrl(url);
    const response = await (given ?? globalThis.fetch)(url, { signal, credentials: 'omit' });
    if (!response.ok) throw new AkashiError('artifact_unavailable', { status: response.status });
    return new Uint8Array(await response.arrayBuffer());
  };
  const loaded = new Map<string, Uint8Array<ArrayBuffer>>();

  return async (fact, outer) => {
    const { name, sha256: digest } = artifactFile(fact, 'key');
    const held = loaded.get(name);
    if (held) return held;
    const url = new URL(name, folder);
    const bytes = await withinTime({ seconds: timeoutSeconds, signal: outer }, async (signal) => {
      const cached = await readCache(caches, url);
      if (cached && (await digestOf(cached)) === digest) return cached;
      const fetched = await orUnavailable(() => fetchBytes(url, signal));
      if ((await digestOf(fetched)) !== digest) throw new AkashiError('artifact_invalid');
      await writeCache(caches, url, fetched);
      return fetched;
    });
    loaded.set(name, bytes);
    return bytes;
  };
}

/** SHA-256, hex. */
async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function folderUrl(url: URL | string): URL {
  const folder = new URL(url, globalThis.location?.href);
  if (!folder.pathname.endsWith('/')) folder.pathname += '/';
  return folder;
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof AkashiError) throw cause;
    throw new AkashiError('artifact_unavailable', { cause });
  }
}

/** Node reads its own disk; asked for in this way, no bundler takes it for an import. */
async function readFileUrl(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  const files = globalThis.process?.getBuiltinModule?.('node:fs/promises');
  if (!files) throw new AkashiError('artifact_unavailable');
  return new Uint8Array(await files.readFile(url));
}

function pageCaches(): CacheStorage | null {
  try {
    return globalThis.caches ?? null;
  } catch {
    return null; // a page that may keep nothing
  }
}

type Caches = Pick<CacheStorage, 'open'> | null;

async function readCache(caches: Caches, url: URL): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const response = await (await caches?.open(CACHE))?.match(url);
    return response ? new Uint8Array(await response.arrayBuffer()) : null;
  } catch {
    return null;
  }
}

/** Keeps the bytes and lets go of artifacts that nothing pins any more. A full disk is no error: memory has them. */
async function writeCache(caches: Caches, url: URL, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    const cache = await caches?.open(CACHE);
    if (!cache) return;
    await cache.put(url, new Response(bytes));
    const names = new Set(Object.values(ARTIFACTS).flatMap(({ files }) => Object.keys(files)));
    for (const { url: kept } of await cache.keys()) {
      if (!names.has(kept.slice(kept.lastIndexOf('/') + 1))) await cache.delete(kept);
    }
  } catch {
    // the next page load fetches again
  }
}
