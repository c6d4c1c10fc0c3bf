import { inflateSync } from 'node:zlib';
import {
  parse,
  parseStatusList,
  publicJwkShape,
  STATUS_LIST_SIZE,
  type Status,
  statusAt,
  verifyJws,
} from '@akashi/circuits';
import { base64url } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CredentialStore, memoryCredentials } from './credential-store.ts';
import { openPublication, type Publication } from './publication.ts';
import { newId, newSigner, type Signer } from './scripted-keys.ts';

const URL_OF = 'https://bank.example/akashi/';
const JKT = newId(32);
const clock = { now: 1_900_000_000 };

let signer: Signer;
let retired: Signer;
let credentials: CredentialStore;
let publication: Publication;
let built: number;

beforeEach(async () => {
  clock.now = 1_900_000_000;
  signer = await newSigner();
  retired = await newSigner();
  credentials = memoryCredentials();
  built = 0;
  publication = open();
});

function open(change: object = {}) {
  const store: CredentialStore = {
    ...credentials,
    async revoked(list, now) {
      built += 1;
      return credentials.revoked(list, now);
    },
  };
  return openPublication(
    { url: URL_OF, credentials: store, ...change },
    { signingKey: signer, published: [signer.jwk, retired.jwk], now: () => clock.now },
  );
}

const place = (subject: string, jkt = JKT) => {
  const times = { issuedAt: clock.now, expiresAt: clock.now + 1000 };
  return publication.place({ subject, jkt, schema: 'akashi/accounts/v1', ...times });
};
const get = (path: string) => publication.answer(`${URL_OF}${path}`);
const listAt = async (path = 'status/0') =>
  parseStatusList(
    await verifyJws('statusList', await (await get(path)).text(), (kid) =>
      kid === signer.kid ? signer.jwk : undefined,
    ),
  );
async function statusOf({ status_list: { idx, uri } }: Status) {
  const { sub, status_list: packed } = await listAt(uri.slice(URL_OF.length));
  expect(sub).toBe(uri);
  const bytes = inflateSync(base64url.decode(packed.lst));
  expect(bytes.length).toBe(STATUS_LIST_SIZE / 8);
  return statusAt(bytes, packed.bits, idx);
}

describe('a status list', () => {
  test('is signed by the issuer, for its address, with its lifetime', async () => {
    const answer = await get('status/0');
    expect(answer.headers.get('content-type')).toBe('application/statuslist+jwt');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    expect(await listAt()).toMatchObject({
      ...{ sub: `${URL_OF}status/0`, iat: clock.now, exp: clock.now + 3600, ttl: 60 },
    });
  });

  test('says of each credential whether it was revoked, at once', async () => {
    const first = await place('c-1');
    const second = await place('c-2');
    expect([await statusOf(first), await statusOf(second)]).toEqual([0, 0]);
    expect(await publication.revoke({ subject: 'c-1' })).toBe(1);
    expect([await statusOf(first), await statusOf(second)]).toEqual([1, 0]);
  });

  test('revokes a credential when the device is issued the next', async () => {
    const first = await place('c-1');
    const other = await place('c-1', newId(32));
    expect(await statusOf(first)).toBe(0);
    const second = await place('c-1');
    expect([await statusOf(first), await statusOf(other), await statusOf(second)]).toEqual([1, 0, 0]);
  });

  test('holds what another back end revoked after five seconds', async () => {
    const first = await place('c-1');
    expect(await statusOf(first)).toBe(0);
    await credentials.revoke({ subject: 'c-1' });
    clock.now += 5;
    expect(await statusOf(first)).toBe(1);
  });

  test('is made once for all who ask within five seconds', async () => {
    await Promise.all(Array.from({ length: 30 }, () => get('status/0')));
    expect(built).toBe(1);
    clock.now += 4;
    await get('status/0');
    expect(built).toBe(1);
  });

  test('that could not be made is made for the next who asks', async () => {
    const { revoked } = credentials;
    credentials.revoked = () => Promise.reject(new Error('database away'));
    await expect(get('status/0')).rejects.toThrow('database away');
    credentials.revoked = revoked;
    expect((await get('status/0')).status).toBe(200);
  });

  test('gives places in an order that nobody can tell', async () => {
    const places = await Promise.all(Array.from({ length: 200 }, (_, i) => place(`c-${i}`)));
    const indices = places.map(({ status_list }) => status_list.idx);
    expect(new Set(indices).size).toBe(200);
    // Runs of a random order: 200 places rise about 100 times; 60 or 140 are more than nine deviations away.
    const rises = indices.filter((index, i) => index > (indices[i - 1] ?? 0)).length;
    expect(rises).toBeGreaterThan(60);
    expect(rises).toBeLessThan(140);
    expect(Math.max(...indices)).toBeGreaterThan(STATUS_LIST_SIZE / 2);
  });

  test('gives way to the next when most places are taken', async () => {
    const { add } = credentials;
    credentials.add = async (credential) => (credential.list === 0 ? null : add(credential));
    publication = open();
    const { status_list } = await place('c-1');
    expect(status_list.uri).toBe(`${URL_OF}status/1`);
    expect((await get('status/1')).status).toBe(200);
    expect((await get('status/0')).status).toBe(200);
  });
});

test('keys are published under their thumbprints, those that were retired too', async () => {
  const answer = await get('jwks');
  expect(answer.headers.get('content-type')).toBe('application/jwk-set+json');
  const { keys } = await answer.json();
  expect(keys).toEqual([
    { ...signer.jwk, kid: signer.kid, use: 'sig', alg: 'ES256' },
    { ...retired.jwk, kid: retired.kid, use: 'sig', alg: 'ES256' },
  ]);
  for (const { kid: _, use: __, alg: ___, ...jwk } of keys) expect(parse(publicJwkShape, jwk)).toEqual(jwk);
});

test.each([
  ...[
    '',
    'status',
    'status/',
    'status/1',
    'status/00',
    'status/0/',
    'status/x',
    'status/-1',
    'jwks/',
    'jwksx',
  ],
  ...['../akashi', 'status/1e0', 'status/99999999999999999999'],
])('nothing is published at %j', async (path) => {
  expect((await get(path)).status).toBe(404);
});

test('only the path of an address counts: a proxy may have changed the rest', async () => {
  expect((await publication.answer('http://10.0.0.1:8080/akashi/jwks?x=1')).status).toBe(200);
  expect((await publication.answer('/akashi/status/0')).status).toBe(200);
});

test.each([
  { url: 'https://bank.example/akashi' },
  { url: 'bank.example/' },
  { freshSeconds: 0 },
  { freshSeconds: 7200 },
])('a publication is not opened with %o', (change) => {
  expect(() => open(change)).toThrow();
});
