import { readFile } from 'node:fs/promises';
import { artifactFile } from '@akashi/circuits/artifacts';
import { beforeAll, describe, expect, test } from 'vitest';
import { artifactLoader } from './artifact.ts';

const FOLDER = new URL('./artifacts/', import.meta.resolve('@akashi/circuits/artifacts.json'));
const SITE = 'https://phone.example/artifacts';
const { name, sha256: digest } = artifactFile('pin', 'key');

let good: Uint8Array<ArrayBuffer>;
let bad: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  good = new Uint8Array(await readFile(new URL(name, FOLDER)));
  bad = good.map((byte, i) => (i === good.length - 1 ? byte ^ 1 : byte));
});

/** Compared at once: the runner's own comparison walks half a megabyte. */
const isGood = (bytes: Uint8Array | undefined) => bytes !== undefined && Buffer.compare(bytes, good) === 0;

/** A Cache API of one page. */
function newCaches() {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>();
  const cache = {
    match: async (url: URL) => {
      const bytes = kept.get(url.href);
      return bytes && new Response(bytes);
    },
    put: async (url: URL, response: Response) =>
      void kept.set(url.href, new Uint8Array(await response.arrayBuffer())),
    keys: async () => [...kept.keys()].map((url) => ({ url })),
    delete: async (url: string) => kept.delete(url),
  };
  return { kept, caches: { open: async () => cache as unknown as Cache } };
}

function site(bytes: () => BodyInit | null, status = 200) {
  const asked: string[] = [];
  const fetch: typeof globalThis.fetch = async (input) => {
    asked.push(String(input));
    return new Response(bytes(), { status });
  };
  return { asked, fetch };
}

describe('a proving key', () => {
  test('comes by its content-hashed name, once, whether or not the folder ends in a slash', async () => {
    for (const artifactsUrl of [SITE, `${SITE}/`]) {
      const { asked, fetch } = site(() => good);
      const load = artifactLoader({ artifactsUrl, fetch, caches: null });
      expect(isGood(await load('pin'))).toBe(true);
      expect(isGood(await load('pin'))).toBe(true);
      expect(asked).toEqual([`${SITE}/${name}`]);
    }
  });

  test('is read from the disk in Node', async () => {
    const load = artifactLoader({ artifactsUrl: FOLDER });
    expect(isGood(await load('pin'))).toBe(true);
  });

  test.each([
    ['one bit changed', () => bad],
    ['bytes after its end', () => new Blob([good, new Uint8Array(1)])],
    ['a page in its place', () => '<!doctype html>'],
    ['nothing in it', () => ''],
  ])('with %s is never used, and not kept', async (_, bytes) => {
    const { kept, caches } = newCaches();
    const { fetch } = site(bytes);
    const load = artifactLoader({ artifactsUrl: SITE, fetch, caches });
    await expect(load('pin')).rejects.toMatchObject({ code: 'artifact_invalid' });
    expect(kept.size).toBe(0);
  });

  test('of another fact is not taken for this one', async () => {
    const { fetch } = site(() => good);
    const load = artifactLoader({ artifactsUrl: SITE, fetch, caches: null });
    await expect(load('account')).rejects.toMatchObject({ code: 'artifact_invalid' });
  });

  test('that cannot be had says so, and can be had later', async () => {
    let up = false;
    const fetch: typeof globalThis.fetch = async () =>
      up ? new Response(good) : new Response(null, { status: 404 });
    const load = artifactLoader({ artifactsUrl: SITE, fetch, caches: null });
    await expect(load('pin')).rejects.toMatchObject({ code: 'artifact_unavailable', status: 404 });
    up = true;
    expect(isGood(await load('pin'))).toBe(true);
    const offline = artifactLoader({
      artifactsUrl: SITE,
      fetch: () => Promise.reject(new TypeError()),
      caches: null,
    });
    await expect(offline('pin')).rejects.toMatchObject({ code: 'artifact_unavailable' });
    const nowhere = artifactLoader({ artifactsUrl: new URL('nowhere/', FOLDER) });
    await expect(nowhere('pin')).rejects.toMatchObject({ code: 'artifact_unavailable' });
  });

  test('does not keep anyone waiting for ever', async () => {
    const fetch = () => new Promise<never>(() => undefined);
    const load = artifactLoader({ artifactsUrl: SITE, fetch, caches: null, timeoutSeconds: 0.05 });
    await expect(load('pin')).rejects.toMatchObject({ code: 'timeout' });
    await expect(load('pin', AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('the cache', () => {
  test('serves the next page load, and is checked like anything else', async () => {
    const { kept, caches } = newCaches();
    const { asked, fetch } = site(() => good);
    const newPage = () => artifactLoader({ artifactsUrl: SITE, fetch, caches });
    await newPage()('pin');
    expect(isGood(await newPage()('pin'))).toBe(true);
    expect(asked).toHaveLength(1);
    kept.set(`${SITE}/${name}`, bad);
    expect(isGood(await newPage()('pin'))).toBe(true);
    expect(asked).toHaveLength(2);
    expect(isGood(kept.get(`${SITE}/${name}`))).toBe(true);
  });

  test('lets go of what is pinned no more', async () => {
    const { kept, caches } = newCaches();
    kept.set(`${SITE}/pin-0000000000000000.key`, bad);
    const { fetch } = site(() => good);
    await artifactLoader({ artifactsUrl: SITE, fetch, caches })('pin');
    expect([...kept.keys()]).toEqual([`${SITE}/${name}`]);
  });

  test('that is forbidden or full changes nothing', async () => {
    const caches = { open: () => Promise.reject(new DOMException('denied', 'SecurityError')) };
    const { fetch } = site(() => good);
    expect(isGood(await artifactLoader({ artifactsUrl: SITE, fetch, caches })('pin'))).toBe(true);
  });
});

test('the pinned name holds the digest', () => {
  expect(name).toContain(digest.slice(0, 16));
});
