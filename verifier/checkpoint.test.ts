import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { signJws } from '@akashi/circuits';
import { base64url } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditHead, auditOrigin, entryHash, nextLink, verifyAudit } from './audit.ts';
import {
  type Checkpoint,
  createCheckpointCheck,
  createCheckpoints,
  heldOf,
  readCheckpoints,
} from './checkpoint.ts';
import { addressSink, checkpointSink, fileSink } from './checkpoint-sink.ts';
import { temporaryFolder } from './folder-fixtures.ts';
import { createDevelopmentKeys, type Keys, openKeys, publishedKeys, signingKey } from './keys.ts';
import type { AuditEntry } from './records.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';
import { addTenants, NOW, started } from './store-fixtures.ts';

const ORIGIN = 'https://verifier.example';
const NEVER = new AbortController().signal;

let store: Store;
let keys: Keys;
let folder: string;
let dispose = async () => {};

beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = temporary.folder;
  store = openSqliteStore({ file: join(folder, 'akashi.db') });
  dispose = async () => {
    await store.close();
    await temporary.remove();
  };
  keys = await openKeys((await createDevelopmentKeys(ORIGIN, NOW, randomBytes)).keys);
  await addTenants(store);
  await store.linkAudit();
});
afterEach(() => dispose());

const jwks = () => ({
  keys: publishedKeys(keys, NOW).map(({ jwk, kid, nbf, exp }) => ({ ...jwk, kid, use: 'sig', nbf, exp })),
});
const entries = () => store.auditEntries('bank', 0, 1_000);
const lineOf = (checkpoint: string) => JSON.stringify({ checkpoint });
const writer = (sink: Parameters<typeof createCheckpoints>[1], of: Keys = keys) =>
  createCheckpoints({ store, keys: of, origin: ORIGIN, now: () => NOW }, sink);

/** One more entry, linked, and the checkpoints of all heads. */
async function checkpointAfter(label: string, of: Keys = keys): Promise<readonly string[]> {
  await started(store, label);
  await store.linkAudit();
  const lines: string[] = [];
  await writer(async (some) => void lines.push(...some.map(lineOf)), of).write(NEVER);
  return lines;
}

/** Where a chain is known not to hold; `null`: it holds. */
async function faultOf(chain: readonly AuditEntry[], lines: readonly string[]) {
  const { checkpoints } = await readCheckpoints(lines, jwks(), 'bank');
  const check = createCheckpointCheck('bank', checkpoints);
  verifyAudit('bank', chain);
  for (const entry of chain) check.entry(entry);
  try {
    check.end(auditOrigin('bank'));
    return null;
  } catch (cause) {
    return cause instanceof Error && 'at' in cause ? `${cause.message} at ${cause.at}` : String(cause);
  }
}

/** A whole new chain of these entries, as its owner could make it. */
function forged(chain: readonly Pick<AuditEntry, 'at' | 'content'>[]): readonly AuditEntry[] {
  let head: AuditHead = auditOrigin('bank');
  return chain.map(({ at, content }, i) => {
    const entry = { tenant: 'bank', id: `entry ${i}`, at, content };
    const hash = entryHash(entry);
    head = { seq: head.seq + 1, link: nextLink(head.link, hash) };
    return { ...entry, hash, ...head };
  });
}

describe('checkpoints', () => {
  it('are handed over signed, once for each head, and again after a failure', async () => {
    const taken: string[] = [];
    let fails = true;
    const { write } = writer(async (some) => {
      if (fails) throw new Error('not there');
      taken.push(...some);
    });
    await expect(write(NEVER)).rejects.toThrow('not there');
    fails = false;
    await write(NEVER);
    await write(NEVER);
    expect(taken).toHaveLength(2);
    await started(store, 'v');
    await store.linkAudit();
    await write(NEVER);
    const { checkpoints, unreadable } = await readCheckpoints(taken.map(lineOf), jwks(), 'bank');
    const heads = (await entries()).map(({ seq, link }) => [seq, base64url.encode(link ?? '')]);
    expect(checkpoints.map(({ seq, link }) => [seq, link])).toEqual(heads.slice(1));
    expect(checkpoints[0]).toMatchObject({ iss: ORIGIN, tenant: 'bank', epoch: 1, iat: NOW });
    expect([taken.length, unreadable]).toEqual([3, 0]);
  });

  it('say at once that a chain went back, and keep what it says now', async () => {
    let heads = await store.auditHeads();
    const taken: string[] = [];
    const watched = { ...store, auditHeads: async () => heads };
    const { write } = createCheckpoints(
      { store: watched, keys, origin: ORIGIN, now: () => NOW },
      async (some) => void taken.push(...some),
    );
    await write(NEVER);
    heads = heads.map((head) => (head.tenant === 'bank' ? { ...head, seq: head.seq - 1 } : head));
    await expect(write(NEVER)).rejects.toMatchObject({ fault: 'checkpoint', tenant: 'bank', at: 1 });
    expect(taken).toHaveLength(3);
    await write(NEVER);
  });

  it('of another key, kind, time or form are none', async () => {
    const [good = ''] = await checkpointAfter('v');
    const { checkpoint } = JSON.parse(good);
    const claims = JSON.parse(Buffer.from(checkpoint.split('.')[1], 'base64url').toString());
    const stranger = await openKeys((await createDevelopmentKeys(ORIGIN, NOW, randomBytes)).keys);
    const own = signingKey(keys, NOW);
    const bad = [
      await signJws('checkpoint', claims, signingKey(stranger, NOW)),
      await signJws('evidence', claims, own),
      await signJws('checkpoint', { ...claims, iat: own.exp }, own),
      await signJws('checkpoint', { ...claims, iat: own.nbf - 1 }, own),
      await signJws('checkpoint', { ...claims, extra: 1 }, own),
      await signJws('checkpoint', { ...claims, seq: 0 }, own),
    ].map(lineOf);
    bad.push(good.slice(0, -20), 'x');
    const read = await readCheckpoints([good, ...bad], jwks(), 'bank');
    expect([read.checkpoints.length, read.unreadable]).toEqual([1, bad.length]);
    expect((await readCheckpoints([good], jwks(), 'nobody')).checkpoints).toEqual([]);
  });
});

describe('a chain that its owner made anew', () => {
  it('holds by itself and does not lead to the checkpoints: cut, changed, put in between', async () => {
    const lines: string[] = [];
    for (const label of ['u', 'v', 'w']) lines.push(...(await checkpointAfter(label)));
    const chain = await entries();
    const n = chain.length;
    expect(await faultOf(chain, lines)).toBeNull();
    expect(await faultOf(forged(chain.slice(0, -1)), lines)).toContain('checkpoint at');
    expect(await faultOf(chain.slice(0, -1), lines)).toBe(`audit chain broken: checkpoint at ${n}`);
    const changed = chain.map((entry, i) => (i === 1 ? { ...entry, content: '{"event":"x"}' } : entry));
    expect(await faultOf(forged(changed), lines)).toContain('checkpoint at');
    expect(await faultOf(forged([...chain.slice(0, 1), ...chain]), lines)).toContain('checkpoint at');
    expect(await faultOf([], lines)).toContain('checkpoint at');
    // Longer is what a chain becomes.
    await started(store, 'x');
    await store.linkAudit();
    expect(await faultOf(await entries(), lines)).toBeNull();
  });

  it('is not excused by a restoration that the keys know nothing of', async () => {
    const lines = [...(await checkpointAfter('u')), ...(await checkpointAfter('v'))];
    const [first, ...rest] = await entries();
    const restored = {
      at: NOW,
      content: JSON.stringify({ actor: {}, event: 'database.restored', epoch: 2, after: 1 }),
    };
    if (first === undefined) throw new TypeError('there are entries');
    const excuse = forged([first, restored, ...rest]);
    expect(await faultOf(excuse, lines)).toContain('checkpoint at');
    // The verifier's own word for the new epoch, about the chain that it then had.
    const { seq, link } = excuse.at(-1) ?? {};
    const later = {
      iss: ORIGIN,
      tenant: 'bank',
      seq,
      link: base64url.encode(link ?? ''),
      epoch: 2,
      iat: NOW,
    };
    const word = lineOf(await signJws('checkpoint', later, signingKey(keys, NOW)));
    expect(await faultOf(excuse, [...lines, word])).toBeNull();
    // Which is no word for another one.
    expect(await faultOf(forged([first, restored, ...rest.slice(1)]), [...lines, word])).toContain(
      'checkpoint at',
    );
  });
});

describe('a restoration', () => {
  const checkpoint = (seq: number, epoch: number): Checkpoint => ({
    ...{ iss: ORIGIN, tenant: 'bank', seq, epoch, iat: NOW },
    link: base64url.encode(new Uint8Array(32).fill(epoch)),
  });
  const lost = (...checkpoints: readonly Checkpoint[]) => {
    const check = createCheckpointCheck('bank', checkpoints);
    check.start({ seq: 20, link: new Uint8Array(32).fill(2) });
    return check.end({ seq: 20, link: new Uint8Array(32).fill(2) });
  };

  it('whose entry is erased is known by the checkpoints since, and these are none of its chain', () => {
    const known = [checkpoint(10, 1), checkpoint(30, 1), checkpoint(18, 2), checkpoint(20, 2)];
    const found = lost(...known);
    expect(found).toEqual([{ after: 18, upTo: 30, epoch: 2 }]);
    expect(heldOf(known, found)).toEqual([checkpoint(10, 1), checkpoint(18, 2), checkpoint(20, 2)]);
    expect(() => lost(checkpoint(30, 1), checkpoint(31, 2))).toThrow('checkpoint');
    expect(() => lost(checkpoint(30, 2), checkpoint(20, 1))).toThrow('checkpoint');
  });
});

describe('a sink', () => {
  it('of a file adds lines to what is there, after half a line too', async () => {
    const file = join(folder, 'checkpoints');
    await writeFile(file, '{"checkpoint":"ha');
    const sink = await fileSink(file);
    await sink(['a', 'b'], NEVER);
    await sink(['c'], NEVER);
    expect((await readFile(file, 'utf8')).split('\n')).toEqual([
      ...['{"checkpoint":"ha', '{"checkpoint":"a"}', '{"checkpoint":"b"}', '{"checkpoint":"c"}', ''],
    ]);
    await expect(fileSink(join(folder, 'nowhere', 'checkpoints'))).rejects.toThrow('cannot be written');
  });

  it('of an address is done when it took them, follows nobody, and is https', async () => {
    const bodies: string[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        bodies.push(body);
        if (request.url === '/moved') response.writeHead(307, { location: '/good' }).end();
        else response.writeHead(request.url === '/good' ? 204 : 500).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new TypeError('no port');
    const at = (path: string) => addressSink(`http://127.0.0.1:${address.port}${path}`, fetch);
    await at('/good')(['a'], NEVER);
    await expect(at('/bad')(['a'], NEVER)).rejects.toThrow('did not take');
    await expect(at('/moved')(['a'], NEVER)).rejects.toThrow();
    await expect(at('/good')(['a'], AbortSignal.abort())).rejects.toThrow();
    expect(bodies).toEqual(Array(3).fill('{"checkpoints":["a"]}'));
    await new Promise((resolve) => server.close(resolve));
    for (const setting of ['http://log.example/x', 'https://user:secret@log.example/x', 'https://'])
      await expect(checkpointSink(setting)).rejects.toThrow('AKASHI_CHECKPOINTS');
  });
});
