import { ACCOUNTS_SCHEMA, type AccountsCredential, signJws } from '@akashi/circuits';
import { accountReference, accountsTree } from '@akashi/circuits/poseidon';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkIssuedAccounts, type ExpectedHolder, findAccount } from './accounts.ts';
import type { IssuedAccounts } from './issued-accounts.ts';
import { newId, newSigner, type Signer } from './scripted-keys.ts';

const KEYS = [11n, 22n, 33n];
const HOLDER = 77n;
const NOW = 1_900_000_000;
const JKT = newId(32);
const EXPECTED: ExpectedHolder = {
  verifier: 'https://verify.example',
  tenant: 'aoba',
  subject: 'customer-1',
  jkt: JKT,
  holder: HOLDER,
  now: NOW,
};

let signer: Signer;
beforeAll(async () => {
  signer = await newSigner();
});

async function issue(
  change: Partial<AccountsCredential> = {},
  keys = KEYS,
  holder = HOLDER,
): Promise<IssuedAccounts> {
  const { root, paths } = accountsTree(keys, holder);
  const credential: AccountsCredential = {
    iss: signer.kid,
    aud: EXPECTED.verifier,
    tenant: EXPECTED.tenant,
    sub: EXPECTED.subject,
    cnf: { jkt: JKT },
    schema: ACCOUNTS_SCHEMA,
    accountsRoot: String(root),
    iat: NOW,
    exp: NOW + 1,
    ...change,
  };
  return {
    credential: await signJws('credential', credential, signer),
    accounts: keys.map((key, index) => ({
      label: `Account ${index}`,
      accountKey: String(key),
      index,
      siblings: (paths[index] ?? []).map(String),
    })),
  };
}

describe('issued accounts', () => {
  test('are kept when all of it is for this device', async () => {
    const issued = await issue();
    await expect(checkIssuedAccounts(issued, EXPECTED)).resolves.toMatchObject({ issued });
    const full = await issue(
      {},
      Array.from({ length: 16 }, (_, i) => BigInt(i + 1)),
    );
    await expect(checkIssuedAccounts(full, EXPECTED)).resolves.toMatchObject({ issued: full });
  });

  const changes: readonly (readonly [string, Partial<AccountsCredential>])[] = [
    ['another verifier', { aud: 'https://other.example' }],
    ['another tenant', { tenant: 'other' }],
    ['another customer', { sub: 'customer-2' }],
    ['another device', { cnf: { jkt: newId(32) } }],
    ['other accounts', { accountsRoot: '1' }],
    ['no time any more', { exp: NOW }],
  ];
  test.each(changes)('with a credential for %s are refused', async (_, change) => {
    const issued = await issue({ ...change });
    await expect(checkIssuedAccounts(issued, EXPECTED)).rejects.toMatchObject({ code: 'unexpected_answer' });
  });

  test('built over another holder are refused', async () => {
    const issued = await issue({}, KEYS, HOLDER + 1n);
    await expect(checkIssuedAccounts(issued, EXPECTED)).rejects.toMatchObject({ code: 'unexpected_answer' });
  });

  const tampered: readonly (readonly [string, (issued: IssuedAccounts) => unknown])[] = [
    ['an account left out', ({ accounts, ...rest }) => ({ ...rest, accounts: accounts.slice(1) })],
    [
      'two accounts in each other’s place',
      ({ accounts, ...rest }) => ({ ...rest, accounts: [...accounts].reverse() }),
    ],
    ['another key', (issued) => withFirst(issued, { accountKey: '12' })],
    ['another sibling', (issued) => withFirst(issued, { siblings: ['1', '2', '3', '4'] })],
    ['a sibling missing', (issued) => withFirst(issued, { siblings: ['1', '2', '3'] })],
    ['another index', (issued) => withFirst(issued, { index: 1 })],
    ['an index outside the tree', (issued) => withFirst(issued, { index: 16 })],
    ['a key above the field', (issued) => withFirst(issued, { accountKey: '9'.repeat(77) })],
    ['a key with a leading zero', (issued) => withFirst(issued, { accountKey: '011' })],
    ['a label that hides something', (issued) => withFirst(issued, { label: 'a\u200bb' })],
    [
      'the same account twice',
      ({ accounts, ...rest }) => ({ ...rest, accounts: [accounts[0], accounts[0]] }),
    ],
    ['no account', (issued) => ({ ...issued, accounts: [] })],
    ['no credential', ({ accounts }) => ({ accounts })],
    ['a credential that is no JWS', (issued) => ({ ...issued, credential: 'a.b.c' })],
    ['more than accounts', (issued) => ({ ...issued, extra: 1 })],
  ];
  test.each(tampered)('with %s are refused', async (_, tamper) => {
    const given = tamper(await issue());
    await expect(checkIssuedAccounts(given, EXPECTED)).rejects.toMatchObject({ code: 'unexpected_answer' });
  });
});

describe('the account of a request', () => {
  const scope = '5';

  test('is found by its reference, and any one where none is given', async () => {
    const issued = await issue();
    const accountRef = String(accountReference(22n, 5n));
    expect(await findAccount(issued, { accountRef, scope })).toMatchObject({ accountKey: 22n, index: 1n });
    expect(await findAccount(issued, { accountRef: '0', scope })).toMatchObject({
      accountKey: 11n,
      index: 0n,
    });
  });

  test('of somebody else, or under another scope, is not there', async () => {
    const issued = await issue();
    for (const accountRef of [accountReference(44n, 5n), accountReference(22n, 6n), 1n]) {
      const found = findAccount(issued, { accountRef: String(accountRef), scope });
      await expect(found).rejects.toMatchObject({ code: 'account_unknown' });
    }
  });
});

function withFirst(issued: IssuedAccounts, change: object): unknown {
  const [first, ...others] = issued.accounts;
  return { ...issued, accounts: [{ ...first, ...change }, ...others] };
}
