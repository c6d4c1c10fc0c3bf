import { STATUS_BYTES_MAX, thumbprint } from '@akashi/circuits';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ListChange, newIssuerKey, Publisher } from './issuer-fixtures.ts';
import { type Issuers, type IssuersOptions, openIssuers } from './issuers.ts';
import type { IssuerSource } from './records.ts';

const clock = { now: 1_900_000_000 };
const now = () => clock.now;

let bank: Publisher;
let shop: Publisher;
let sources: Record<string, IssuerSource>;
let pinned: Record<string, Publisher['signer']['jwk']>;
let faults: unknown[];
let issuers: Issuers;

beforeEach(async () => {
  clock.now = 1_900_000_000;
  bank = await Publisher.open('https://bank.example/akashi/', now);
  shop = await Publisher.open('https://shop.example/akashi/', now);
  sources = {};
  for (const [tenant, { jwks, statusLists }] of [
    ['bank', bank],
    ['shop', shop],
  ] as const)
    sources[tenant] = { jwks, statusLists, staleSeconds: 0 };
  pinned = {};
  faults = [];
  issuers = open();
});

/** On a slow machine nothing here may run out of patience but what is to. */
function open(options: Partial<IssuersOptions> = {}): Issuers {
  return openIssuers({
    store: {
      issuerKey: async (tenant, issuer) => pinned[`${tenant} ${issuer}`],
      issuerSource: async (tenant) => sources[tenant],
    },
    now,
    development: false,
    patience: 60_000,
    onFault: (fault) => faults.push(fault),
    read: (document, signal) => (document.url.startsWith(bank.base) ? bank : shop).answer(document, signal),
    ...options,
  });
}

const keyOf = (publisher = bank) => issuers.key('bank', publisher.signer.kid);
const statusAt = (idx: number, list?: string) => issuers.status('bank', bank.place(idx, list));
const count = (path: string) => bank.asked.filter((asked) => asked === path).length;
/** What was begun in the background has ended. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 300));

describe('a key of an issuer', () => {
  test('that is pinned is believed without asking anyone', async () => {
    const key = await newIssuerKey();
    pinned[`bank ${key.kid}`] = key.jwk;
    expect(await issuers.key('bank', key.kid)).toEqual(key.jwk);
    expect(bank.asked).toEqual([]);
  });

  test('is found in the published set, which is fetched once in five minutes', async () => {
    for (const seconds of [0, 1, 298]) {
      clock.now += seconds;
      expect(await keyOf()).toEqual(bank.signer.jwk);
    }
    expect(count('keys')).toBe(1);
    clock.now += 1;
    expect(await keyOf()).toEqual(bank.signer.jwk);
    expect(count('keys')).toBe(2);
  });

  test('is one of the own tenant’s only', async () => {
    expect(await issuers.key('bank', shop.signer.kid)).toBe('issuer');
    expect(await issuers.key('shop', bank.signer.kid)).toBe('issuer');
    delete sources.bank;
    expect(await keyOf()).toBe('issuer');
  });

  test('that is new is found the moment it is used, and the one before still is', async () => {
    const [before] = bank.keys;
    await keyOf();
    bank.signer = await newIssuerKey();
    bank.keys.push(bank.signer);
    expect(await keyOf()).toEqual(bank.signer.jwk);
    expect(await issuers.key('bank', before?.kid ?? '')).toEqual(before?.jwk);
    expect(count('keys')).toBe(2);
  });

  test('that was published while a fetch was under way is found by the next', async () => {
    await keyOf();
    const { kid } = await newIssuerKey();
    let release = () => {};
    let held: Promise<void> | undefined = new Promise((resolve) => {
      release = resolve;
    });
    const answer = bank.answer.bind(bank);
    bank.answer = async (document, signal) => {
      const text = await answer(document, signal);
      await held;
      return text;
    };
    const first = issuers.key('bank', kid);
    await settle();
    held = undefined;
    bank.signer = await newIssuerKey();
    bank.keys.push(bank.signer);
    const second = keyOf();
    await settle();
    release();
    expect(await first).toBe('issuer');
    expect(await second).toEqual(bank.signer.jwk);
  });

  test('that was taken back is not believed for longer than five minutes', async () => {
    await keyOf();
    bank.keys = [await newIssuerKey()];
    clock.now += 299;
    expect(await keyOf()).toEqual(bank.signer.jwk);
    clock.now += 1;
    expect(await keyOf()).toBe('issuer');
  });

  test('that nobody has is asked for ten times at once and then every ten seconds, whoever invents it', async () => {
    const invented = await Promise.all(Array.from({ length: 40 }, () => newIssuerKey()));
    for (const { kid } of invented) expect(await issuers.key('bank', kid)).toBe('issuer');
    expect(count('keys')).toBe(11);
    bank.signer = await newIssuerKey();
    bank.keys.push(bank.signer);
    expect(await keyOf()).toBe('issuer');
    clock.now += 10;
    expect(await keyOf()).toEqual(bank.signer.jwk);
    expect(count('keys')).toBe(12);
  });

  test('is believed for an hour more while nobody answers, and then is unavailable', async () => {
    await keyOf();
    bank.state = 'down';
    clock.now += 300 + 3599;
    expect(await keyOf()).toEqual(bank.signer.jwk);
    clock.now += 5;
    expect(await keyOf()).toBe('issuer_unavailable');
    bank.state = 'up';
    expect(await keyOf()).toBe('issuer_unavailable');
    clock.now += 5;
    expect(await keyOf()).toEqual(bank.signer.jwk);
  });

  test('that is new cannot be told from one that is none while nobody answers', async () => {
    await keyOf();
    const { kid } = await newIssuerKey();
    bank.state = 'down';
    expect(await issuers.key('bank', kid)).toBe('issuer_unavailable');
    expect(await keyOf()).toEqual(bank.signer.jwk);
    bank.state = 'up';
    clock.now += 5;
    expect(await issuers.key('bank', kid)).toBe('issuer');
  });

  test.each([
    ['no JSON', 'x'],
    ['no set', '{"keys":1}'],
    ['too many keys', JSON.stringify({ keys: Array(33).fill({}) })],
  ])('is not found in what is %s', async (_, text) => {
    bank.answer = async () => text;
    expect(await keyOf()).toBe('issuer_unavailable');
    expect(faults).toHaveLength(1);
  });

  test('is found beside keys of other kinds, whatever the set calls it', async () => {
    const { jwk } = bank.signer;
    const others = [
      { kty: 'RSA', n: 'x', e: 'AQAB' },
      { ...jwk, x: jwk.y },
      { ...(await newIssuerKey()).jwk, use: 'enc' },
      7,
    ];
    bank.answer = async () =>
      JSON.stringify({ keys: [...others, { ...jwk, kid: 'today', alg: 'ES256', key_ops: [] }] });
    expect(await keyOf()).toEqual(jwk);
    expect(await issuers.key('bank', 'today')).toBe('issuer');
    const offTheCurve = await thumbprint({ ...jwk, x: jwk.y });
    expect(await issuers.key('bank', offTheCurve)).toBe('issuer');
  });
});

describe('the status of a credential', () => {
  test('is what its issuer says of its place', async () => {
    bank.revoked.add(7);
    expect(await statusAt(6)).toBe('valid');
    expect(await statusAt(7)).toBe('revoked');
    expect(await statusAt(1023)).toBe('valid');
    expect(await statusAt(1024)).toBe('status');
    expect(count('status/0')).toBe(1);
  });

  test('of two bits: whatever is not valid counts as revoked', async () => {
    const lst = 'eNo76fITAAPfAgc';
    bank.change = { claims: { status_list: { bits: 2, lst } } };
    const said = await Promise.all([0, 1, 2, 3].map((idx) => statusAt(idx)));
    expect(said).toEqual(['revoked', 'revoked', 'valid', 'revoked']);
  });

  test('is asked for only where the tenant said that its lists are', async () => {
    const uris = [
      'https://evil.example/status/0',
      'https://bank.example/akashi/status',
      'https://bank.example/akashi/status/',
      'https://bank.example/akashi/status/a/b',
      'https://bank.example/akashi/status/a%2fb',
      'https://bank.example/akashi/keys',
      'https://bank.example/akashi/status/.env',
      `https://bank.example/akashi/status/${'a'.repeat(65)}`,
      shop.place(0).status_list.uri,
    ];
    for (const uri of uris) {
      expect(await issuers.status('bank', { status_list: { idx: 0, uri } }), uri).toBe('status');
    }
    expect([...bank.asked, ...shop.asked]).toEqual([]);
  });

  test('is needed by a tenant with lists, and by no other', async () => {
    expect(await issuers.status('bank', undefined)).toBe('status');
    sources.bank = { jwks: bank.jwks, statusLists: null, staleSeconds: 0 };
    expect(await issuers.status('bank', undefined)).toBe('valid');
    expect(await statusAt(0)).toBe('status');
    expect(await issuers.status('nobody', undefined)).toBe('valid');
  });

  test('is revoked at the latest when the list’s stated lifetime is over', async () => {
    expect(await statusAt(7)).toBe('valid');
    bank.revoked.add(7);
    clock.now += 59;
    expect(await statusAt(7)).toBe('valid');
    clock.now += 1;
    expect(await statusAt(7)).toBe('revoked');
  });

  const bad: Record<string, () => Promise<ListChange> | ListChange> = {
    'by a stranger': async () => ({ key: await newIssuerKey() }),
    'by another key under a good name': async () => ({
      key: { ...(await newIssuerKey()), kid: bank.signer.kid },
    }),
    'of another tenant': () => ({ key: shop.signer }),
    'of another address': () => ({ claims: { sub: bank.place(0, '1').status_list.uri } }),
    'that is another kind of JWS': () => ({ kind: 'credential' }),
    'that is over': () => ({ claims: { exp: clock.now } }),
    'from the future': () => ({ claims: { iat: clock.now + 61 } }),
    'that never ends': () => ({ claims: { exp: undefined } }),
    'that is fresh for no time': () => ({ claims: { ttl: 0 } }),
    'that cannot be unpacked': () => ({ claims: { status_list: { bits: 1, lst: 'AAAA' } } }),
    'that unpacks to more than is allowed': () => ({ bytes: new Uint8Array(STATUS_BYTES_MAX + 1) }),
    'that is cut': () => ({ claims: { status_list: { bits: 1, lst: 'eNrt3AENwCAMAEGogklACtKQPg9LugC9k' } } }),
  };
  test.each(Object.keys(bad))('is unavailable from a list %s', async (name) => {
    bank.change = (await bad[name]?.()) ?? {};
    expect(await statusAt(0)).toBe('status_unavailable');
    expect(faults).toHaveLength(1);
    bank.change = {};
    clock.now += 5;
    expect(await statusAt(0)).toBe('valid');
  });

  test('is found in a list of a million of which half are revoked, at random', async () => {
    const bytes = new Uint8Array(2 ** 17);
    for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    bytes[0] = 0x01;
    bank.change = { bytes };
    expect(await statusAt(0)).toBe('revoked');
    expect(await statusAt(1)).toBe('valid');
  });

  test('is found in the largest list that is allowed, and signed by a key that was new a moment ago', async () => {
    expect(await statusAt(0)).toBe('valid');
    bank.signer = await newIssuerKey();
    bank.keys.push(bank.signer);
    const bytes = new Uint8Array(STATUS_BYTES_MAX);
    bytes[STATUS_BYTES_MAX - 1] = 0x80;
    bank.change = { bytes };
    clock.now += 60;
    expect(await statusAt(STATUS_BYTES_MAX * 8 - 1)).toBe('revoked');
  });
});

describe('a server that does not answer', () => {
  test('refuses from the moment a fresh list is due', async () => {
    await statusAt(0);
    bank.state = 'down';
    clock.now += 59;
    expect(await statusAt(0)).toBe('valid');
    clock.now += 1;
    expect(await statusAt(0)).toBe('status_unavailable');
    bank.state = 'up';
    clock.now += 5;
    expect(await statusAt(0)).toBe('valid');
  });

  test('does not refuse for as long as the tenant allows, and never past the end of the list', async () => {
    sources.bank = { jwks: bank.jwks, statusLists: bank.statusLists, staleSeconds: 100 };
    bank.revoked.add(7);
    await statusAt(0);
    bank.state = 'down';
    clock.now += 159;
    expect([await statusAt(0), await statusAt(7)]).toEqual(['valid', 'revoked']);
    clock.now += 1;
    expect(await statusAt(0)).toBe('status_unavailable');

    bank.state = 'up';
    clock.now += 5;
    sources.bank = { ...sources.bank, staleSeconds: 86_400 };
    bank.change = { claims: { exp: clock.now + 80 } };
    expect(await statusAt(0)).toBe('valid');
    bank.state = 'down';
    clock.now += 79;
    expect(await statusAt(0)).toBe('valid');
    clock.now += 1;
    expect(await statusAt(0)).toBe('status_unavailable');
  });

  test('is left alone for five seconds', async () => {
    bank.state = 'down';
    for (let i = 0; i < 20; i++) expect(await statusAt(0)).toBe('status_unavailable');
    expect(bank.asked).toEqual(['status/0']);
  });

  describe('at all', () => {
    // Patience alone: what is fetched in these tests is fetched in real time.
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      bank.state = 'hanging';
      issuers = open({ patience: 1000 });
    });
    afterEach(() => void vi.useRealTimers());

    test('keeps nobody waiting for longer than a bound, and nobody of another tenant at all', async () => {
      const ended = vi.fn();
      const waiting = Promise.all([statusAt(0), keyOf(), statusAt(1, '1')]);
      void waiting.then(ended);
      expect(await issuers.status('shop', shop.place(0))).toBe('valid');
      await vi.advanceTimersByTimeAsync(999);
      expect(ended).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(1);
      expect(await waiting).toEqual(['status_unavailable', 'issuer_unavailable', 'status_unavailable']);
    });

    test('keeps no crowd waiting: the 65th is told to come again', async () => {
      const waiting = Array.from({ length: 64 }, () => statusAt(0));
      await expect(statusAt(0)).rejects.toMatchObject({ code: 'busy', retryAfter: 2 });
      expect(await issuers.status('shop', shop.place(0))).toBe('valid');
      await vi.advanceTimersByTimeAsync(1000);
      expect(new Set(await Promise.all(waiting))).toEqual(new Set(['status_unavailable']));
      const again = statusAt(0);
      await vi.advanceTimersByTimeAsync(1000);
      expect(await again).toBe('status_unavailable');
    });
  });
});

describe('fetching', () => {
  test('happens once for all who ask at the same time', async () => {
    await Promise.all(Array.from({ length: 50 }, (_, i) => statusAt(i)));
    expect(bank.asked.sort()).toEqual(['keys', 'status/0']);
  });

  test('happens ahead of need while a list is in use, so that nobody waits', async () => {
    await statusAt(0);
    const before = bank.asked.length;
    issuers.refresh();
    await settle();
    expect(bank.asked).toHaveLength(before);
    clock.now += 45;
    bank.revoked.add(7);
    issuers.refresh();
    await settle();
    expect(count('status/0')).toBe(2);
    clock.now += 59;
    expect(await statusAt(7)).toBe('revoked');
    expect(count('status/0')).toBe(2);
  });

  test('ends for what nobody used for an hour, and begins again when a customer is about to', async () => {
    await statusAt(0);
    clock.now += 3600;
    issuers.refresh();
    await settle();
    expect(count('status/0')).toBe(1);
    issuers.refresh('bank');
    await settle();
    expect(count('status/0')).toBe(2);
    expect(await statusAt(0)).toBe('valid');
    expect(count('status/0')).toBe(2);
  });

  test('keeps as many lists of one tenant as fit, those used last', async () => {
    for (let i = 0; i < 40; i++) {
      clock.now += 1;
      expect(await statusAt(0, `${i}`)).toBe('valid');
    }
    const before = bank.asked.length;
    await statusAt(0, '39');
    expect(bank.asked).toHaveLength(before);
    await statusAt(0, '0');
    expect(bank.asked).toHaveLength(before + 1);
  });

  test('knows of a revocation without asking', async () => {
    const place = bank.place(7);
    bank.revoked.add(7);
    expect(issuers.knownRevoked('bank', place)).toBe(false);
    await statusAt(0);
    expect(issuers.knownRevoked('bank', place)).toBe(true);
    expect(issuers.knownRevoked('shop', place)).toBe(false);
    expect(issuers.knownRevoked('bank', undefined)).toBe(false);
  });
});

test('a verifier that closes gives up what is under way', async () => {
  const closing = new AbortController();
  bank.state = 'hanging';
  const closed = open({ closing: closing.signal });
  const waiting = closed.status('bank', bank.place(0));
  await settle();
  closing.abort();
  expect(await waiting).toBe('status_unavailable');
});

test.each([
  ['https://bank.example/keys', true],
  ['https://bank.example:8443/keys', true],
  ['https://inside.example/keys', true],
  ['https://10.0.0.9/keys', false],
  ['https://[::1]/keys', false],
  ['http://bank.example/keys', false],
  ['http://localhost:4300/keys', false],
  ['ftp://bank.example/keys', false],
])('%s may be registered: %s', (url, yes) => {
  expect(issuers.admits(url)).toBe(yes);
});

test('inside of the own network only where the runner says, unencrypted only in development', () => {
  const store = { issuerKey: async () => undefined, issuerSource: async () => undefined };
  const base = { store, now, onFault: () => {} };
  const privateOrigins = ['https://10.0.0.9'];
  const production = openIssuers({ ...base, development: false, privateOrigins });
  expect(production.admits('https://10.0.0.9/keys')).toBe(true);
  expect(production.admits('https://10.0.0.9:444/keys')).toBe(false);
  const development = openIssuers({ ...base, development: true });
  expect(development.admits('http://localhost:4301/keys')).toBe(true);
  expect(development.admits('http://127.0.0.1:4301/keys')).toBe(true);
  expect(development.admits('http://localhost.bank.example/keys')).toBe(false);
});
