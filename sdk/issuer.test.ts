import { createHmac } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import {
  decodeBase64url,
  fieldFromBytes,
  parseCredential,
  parseField,
  parseStatusList,
  type Receipt,
  type Status,
  signJws,
  statusAt,
  tenantScope,
  verifyJws,
} from '@akashi/circuits';
import { accountReference, accountsTree } from '@akashi/circuits/poseidon';
import { base64url, decodeJwt } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  generateIssuerKeys,
  type Issuer,
  type IssuerKeys,
  memoryCredentials,
  openIssuer,
  rotateIssuerKeys,
} from './issuer.ts';
import { newId, newSigner, type Signer } from './scripted-keys.ts';

const VERIFIER = 'https://verify.example';
const ACCOUNTS = [
  { number: '0001234567', label: 'Ordinary' },
  { number: '0007654321', label: 'Savings' },
];
const NOW = 1_900_000_000;
const JKT = newId(32);
const HOLDER = '77';

interface Seen {
  readonly route: string;
  readonly authorization: string | null;
  readonly key: string | null;
  readonly body: unknown;
}

let verifier: Signer;
let published: readonly Signer[];
let keys: IssuerKeys;
let issuer: Issuer;
let seen: Seen[];
let answer: () => Response | Promise<Response>;
let clock: number;
let fetchSeen: typeof fetch;
/** When a key signs, where it is not the usual time. */
let lifeOf: Map<Signer, { readonly nbf: number; readonly exp: number }>;

beforeEach(async () => {
  verifier = await newSigner();
  published = [verifier];
  keys = await generateIssuerKeys();
  seen = [];
  clock = NOW;
  lifeOf = new Map();
  answer = () => new Response(null, { status: 204 });
  fetchSeen = async (input, init) => {
    const call = new Request(input, init);
    const { pathname, search } = new URL(call.url);
    const text = await call.text();
    seen.push({
      route: `${call.method} ${pathname}${search}`,
      authorization: call.headers.get('Authorization'),
      key: call.headers.get('Idempotency-Key'),
      body: text && JSON.parse(text),
    });
    if (pathname !== '/v1/jwks') return answer();
    return Response.json({
      keys: published.map((signer) =>
        publishedAs(signer, lifeOf.get(signer) ?? { nbf: NOW - 60, exp: NOW + 86_400 }),
      ),
    });
  };
  issuer = await openIssuer({
    verifier: VERIFIER,
    apiKey: 'ak_key',
    tenant: 'aoba',
    ...keys,
    fetch: fetchSeen,
    now: () => clock * 1000,
  });
});

const publishedAs = ({ jwk, kid }: Signer, life: object) => ({
  ...jwk,
  ...life,
  ...{ kid, use: 'sig', alg: 'ES256' },
});

const receiptOf = (
  change: Partial<Receipt> = {},
  signer: Signer = verifier,
  kind: 'receipt' | 'request' = 'receipt',
) =>
  signJws(
    kind,
    {
      iss: VERIFIER,
      tenant: 'aoba',
      sub: 'customer-1',
      jkt: JKT,
      holder: HOLDER,
      iat: NOW,
      exp: NOW + 600,
      ...change,
    },
    signer,
  );

async function statusOf(publisher: Issuer, status: Status | undefined): Promise<number | undefined> {
  if (status === undefined) throw new TypeError('no place');
  const { idx, uri } = status.status_list;
  const { status_list: packed } = parseStatusList(decodeJwt(await (await publisher.answer(uri)).text()));
  return statusAt(inflateSync(base64url.decode(packed.lst)), packed.bits, idx);
}

const issue = async (receipt: string, accounts = ACCOUNTS) =>
  issuer.issueAccounts({ receipt, subject: 'customer-1', accounts });

describe('accounts', () => {
  test('are signed over the holder and the key of the receipt', async () => {
    const issued = await issue(await receiptOf());
    const { signingKey } = keys;
    const { d: _, ...jwk } = signingKey;
    const payload = await verifyJws('credential', issued.credential, (kid) =>
      kid === issuer.issuer ? jwk : undefined,
    );
    const secrets = await Promise.all(
      ACCOUNTS.map(async ({ number }) => parseField(await issuer.accountKeyOf(number))),
    );
    const { root, paths } = accountsTree(secrets, parseField(HOLDER));
    expect(parseCredential(payload)).toEqual({
      iss: issuer.issuer,
      aud: VERIFIER,
      tenant: 'aoba',
      sub: 'customer-1',
      cnf: { jkt: JKT },
      schema: 'akashi/accounts/v1',
      accountsRoot: String(root),
      iat: NOW,
      exp: NOW + 90 * 86_400,
    });
    expect(issued.accounts).toEqual(
      ACCOUNTS.map(({ label }, index) => ({
        label,
        accountKey: String(secrets[index]),
        index,
        siblings: paths[index]?.map(String),
      })),
    );
  });

  test('leave as keys only: no number is in what is issued', async () => {
    const text = JSON.stringify(await issue(await receiptOf()));
    for (const { number } of ACCOUNTS) expect(text).not.toContain(number);
  });

  const foreign: readonly (readonly [string, () => Promise<string>])[] = [
    ['about another customer', () => receiptOf({ sub: 'customer-2' })],
    ['for another tenant', () => receiptOf({ tenant: 'other' })],
    ['of another verifier', () => receiptOf({ iss: 'https://other.example' })],
    ['that is over', () => receiptOf({ iat: NOW - 600, exp: NOW })],
    ['from the future', () => receiptOf({ iat: NOW + 61, exp: NOW + 700 })],
    ['by a key the verifier does not publish', async () => receiptOf({}, await newSigner())],
    [
      'by another key under a good name',
      async () => receiptOf({}, { ...(await newSigner()), kid: verifier.kid }),
    ],
    ['that is another kind of JWS', () => receiptOf({}, verifier, 'request')],
    ['with a holder that is no field element', () => receiptOf({ holder: '-1' })],
    ['with more in it than a receipt', () => receiptOf({ admin: true } as Partial<Receipt>)],
    ['that is none', async () => 'receipt'],
    ['that is cut', async () => (await receiptOf()).slice(0, -9)],
  ];
  test.each(foreign)('are not signed over a receipt %s', async (_, receipt) => {
    await expect(issue(await receipt())).rejects.toMatchObject({ code: 'receipt_invalid' });
  });

  test('are signed up to a receipt’s last second, and for a clock that is a little behind', async () => {
    await expect(issue(await receiptOf({ exp: NOW + 1 }))).resolves.toBeDefined();
    await expect(issue(await receiptOf({ iat: NOW + 60, exp: NOW + 700 }))).resolves.toBeDefined();
  });

  test.each([
    ['none', []],
    ['one twice', [ACCOUNTS[0], ACCOUNTS[0]]],
    ['seventeen', Array.from({ length: 17 }, (_, i) => ({ number: `${i}`, label: 'x' }))],
    ['one without a number', [{ number: '', label: 'x' }]],
    ['a label that hides something', [{ number: '1', label: 'a\u202eb' }]],
  ])('are not signed when there is %s', async (_, accounts) => {
    await expect(issue(await receiptOf(), accounts as typeof ACCOUNTS)).rejects.toMatchObject({
      code: 'malformed',
    });
  });
});

describe('an issuer that publishes', () => {
  const publication = () => ({ url: 'https://bank.example/akashi/', credentials: memoryCredentials() });
  const openWith = (options: object) =>
    openIssuer({
      ...{ verifier: VERIFIER, apiKey: 'ak_key', tenant: 'aoba', fetch: fetchSeen, now: () => clock * 1000 },
      ...keys,
      ...options,
    });
  const claimsOf = async ({ credential }: { credential: string }) => parseCredential(decodeJwt(credential));

  test('gives each credential its place, which is revoked with the next', async () => {
    issuer = await openWith({ publication: publication() });
    const first = await claimsOf(await issue(await receiptOf()));
    const second = await claimsOf(await issue(await receiptOf()));
    expect(first.status?.status_list.uri).toBe('https://bank.example/akashi/status/0');
    expect(second.status).not.toEqual(first.status);
    const said = await Promise.all([first, second].map(({ status }) => statusOf(issuer, status)));
    expect(said).toEqual([1, 0]);
    expect(await issuer.revoke({ subject: 'customer-1' })).toBe(1);
    expect(await statusOf(issuer, second.status)).toBe(1);
  });

  test('tells the verifier where, and pins nothing', async () => {
    issuer = await openWith({ publication: { ...publication(), staleSeconds: 120 } });
    answer = () => Response.json({});
    await issuer.register();
    const source = {
      jwks: 'https://bank.example/akashi/jwks',
      statusLists: 'https://bank.example/akashi/status/',
    };
    expect(seen.map(({ route, body }) => [route, body])).toEqual([
      ['PUT /v1/issuers/source', { ...source, staleSeconds: 120 }],
    ]);
  });

  test('publishes the keys that were retired, and makes the same accounts under the new one', async () => {
    const before = issuer.issuer;
    const accountKey = await issuer.accountKeyOf('1');
    keys = await rotateIssuerKeys(await rotateIssuerKeys(keys));
    issuer = await openWith({ publication: publication() });
    const { keys: published } = await (await issuer.answer('/akashi/jwks')).json();
    expect(published).toHaveLength(3);
    expect(published[0].kid).toBe(issuer.issuer);
    expect(published[2].kid).toBe(before);
    expect(JSON.stringify(published)).not.toContain('"d"');
    expect(await issuer.accountKeyOf('1')).toBe(accountKey);
  });

  test('is the only one that revokes; without it a credential names no place', async () => {
    expect((await claimsOf(await issue(await receiptOf()))).status).toBeUndefined();
    await expect(issuer.revoke({ subject: 'customer-1' })).rejects.toThrow(TypeError);
    expect((await issuer.answer('/akashi/jwks')).status).toBe(404);
  });

  test('takes a pinned key back', async () => {
    await issuer.unregister(JKT);
    expect(seen.map(({ route }) => route)).toEqual([`DELETE /v1/issuers/${JKT}`]);
  });
});

describe('the verifier’s keys', () => {
  test('are fetched once for many receipts, and again after five minutes', async () => {
    await issue(await receiptOf());
    await issue(await receiptOf());
    expect(seen).toHaveLength(1);
    clock += 300;
    await issue(await receiptOf());
    expect(seen).toHaveLength(2);
  });

  test('are fetched anew for a key not seen before, but not for every stranger', async () => {
    await issue(await receiptOf());
    const next = await newSigner();
    published = [next, verifier];
    clock += 20;
    await issue(await receiptOf({}, next));
    expect(seen).toHaveLength(2);
    const strange = await receiptOf({}, await newSigner());
    for (let i = 0; i < 5; i++)
      await expect(issue(strange)).rejects.toMatchObject({ code: 'receipt_invalid' });
    expect(seen).toHaveLength(2);
  });

  test('that have ended are good for receipts no more, though they are still published', async () => {
    await issue(await receiptOf());
    lifeOf.set(verifier, { nbf: NOW - 60, exp: NOW + 300 });
    clock += 299;
    await issue(await receiptOf({ exp: NOW + 600 }));
    clock += 1;
    await expect(issue(await receiptOf({ exp: NOW + 600 }))).rejects.toMatchObject({
      code: 'receipt_invalid',
    });
  });

  test('that were taken back stop counting', async () => {
    await issue(await receiptOf());
    published = [];
    clock += 300;
    await expect(issue(await receiptOf())).rejects.toMatchObject({ code: 'receipt_invalid' });
  });
});

describe('account keys', () => {
  test('are HMAC-SHA-256 of the number, cut to 31 bytes', async () => {
    const mac = createHmac('sha256', decodeBase64url(keys.accountKey)).update('0001234567').digest();
    const key = fieldFromBytes(mac);
    expect(await issuer.accountKeyOf('0001234567')).toBe(String(key));
    expect(await issuer.accountReference('0001234567')).toBe(
      String(accountReference(key, await tenantScope('aoba'))),
    );
  });

  test('of two issuers have nothing in common', async () => {
    const other = await openIssuer({
      verifier: VERIFIER,
      apiKey: 'x',
      tenant: 'aoba',
      ...(await generateIssuerKeys()),
    });
    expect(await other.accountKeyOf('1')).not.toBe(await issuer.accountKeyOf('1'));
  });
});

describe('the back end', () => {
  const ID = newId();

  test('makes enrolment links', async () => {
    const body = { token: newId(), root: newId(32), expiresAt: NOW + 600 };
    answer = () => Response.json(body, { status: 201 });
    const enrolment = await issuer.requestEnrolment('customer-1');
    expect(enrolment).toEqual({ ...body, fragment: `#enrol=${body.token}.${body.root}` });
    expect(seen).toEqual([
      {
        route: 'POST /v1/enrolments',
        authorization: 'Bearer ak_key',
        key: null,
        body: { subject: 'customer-1' },
      },
    ]);
  });

  test('asks for an enrolment once: a lost one runs out by itself', async () => {
    answer = () => Promise.reject(new TypeError('reset'));
    await expect(issuer.requestEnrolment('customer-1')).rejects.toMatchObject({ code: 'network' });
    expect(seen).toHaveLength(1);
  });

  test('registers its public key and nothing else of it', async () => {
    answer = () => Response.json({ issuer: issuer.issuer });
    await issuer.register();
    const { kty, crv, x, y } = keys.signingKey;
    expect(seen[0]?.body).toEqual({ jwk: { kty, crv, x, y } });
  });

  test('lists and revokes devices', async () => {
    const devices = [{ device: ID, state: 'active', enrolledAt: NOW }];
    answer = () => Response.json({ devices });
    expect(await issuer.devices('a:b')).toEqual(devices);
    answer = () => new Response(null, { status: 204 });
    await issuer.revokeDevice(ID);
    expect(seen.map(({ route }) => route)).toEqual([
      'GET /v1/devices?subject=a%3Ab',
      `DELETE /v1/devices/${ID}`,
    ]);
  });

  test('starts under one key, however often it has to say so', async () => {
    let lost = 0;
    answer = () =>
      lost++ === 0 ? Promise.reject(new TypeError('reset')) : Response.json({}, { status: 201 });
    const start = {
      subject: 'customer-1',
      policy: 'caller',
      purpose: 'identify',
      mode: 'precall',
      call: { direction: 'inbound' },
    } as const;
    await expect(issuer.start(start)).rejects.toMatchObject({ code: 'unexpected_answer' });
    expect(seen.map(({ key }) => key)).toEqual([seen[0]?.key, seen[0]?.key]);
    expect(seen[0]?.key).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  test.each(['..', 'a b', '', 'x'.repeat(65), 'a/b'])(
    'sends no subject that is none: %j',
    async (subject) => {
      await expect(issuer.requestEnrolment(subject === '..' ? '../x' : subject)).rejects.toMatchObject({
        code: 'malformed',
      });
      expect(seen).toEqual([]);
    },
  );
});

test.each([
  [
    'a signing key without its private half',
    { signingKey: { kty: 'EC', crv: 'P-256', x: newId(32), y: newId(32) } },
  ],
  ['an account key that is too short', { accountKey: newId(16) }],
  ['a tenant that is none', { tenant: 'a b' }],
])('an issuer is not opened with %s', async (_, change) => {
  const options = { verifier: VERIFIER, apiKey: 'x', tenant: 'aoba', ...keys, ...change };
  await expect(openIssuer(options as Parameters<typeof openIssuer>[0])).rejects.toMatchObject({
    code: 'malformed',
  });
});
