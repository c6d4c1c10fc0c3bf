import {
  type AccountsCredential,
  AkashiError,
  parse,
  parseCredential,
  parseField,
  unverifiedJws,
} from '@akashi/circuits';
import { accountReference, accountsTree } from '@akashi/circuits/poseidon';
import { type IssuedAccounts, issuedAccountsShape } from './issued-accounts.ts';

// What an issuer gives to a device, and what the device makes sure of before it keeps it (docs/protocol.md, section 5).

/** One account as the circuit wants it. */
export interface HeldAccount {
  readonly accountKey: bigint;
  readonly index: bigint;
  readonly siblings: readonly bigint[];
}

export interface ExpectedHolder {
  readonly verifier: string;
  readonly tenant: string;
  readonly subject: string;
  /** Thumbprint of the device key. */
  readonly jkt: string;
  readonly holder: bigint;
  /** UTC seconds by the verifier's time. */
  readonly now: number;
}

/**
 * What an exchange brought, once the credential is for this device and its root is the root of these accounts.
 * The issuer's signature is not checked: the tenant's keys are known to the verifier, which does.
 * @throws AkashiError `unexpected_answer`
 */
export async function checkIssuedAccounts(
  input: unknown,
  expected: ExpectedHolder,
): Promise<{ readonly issued: IssuedAccounts; readonly credential: AccountsCredential }> {
  try {
    const issued = parse(issuedAccountsShape, input);
    const credential = credentialOf(issued);
    const meant =
      credential.aud === expected.verifier &&
      credential.tenant === expected.tenant &&
      credential.sub === expected.subject &&
      credential.cnf.jkt === expected.jkt &&
      credential.exp > expected.now;
    if (!meant || !(await opensRoot(issued, credential, expected.holder))) throw new AkashiError('malformed');
    return { issued, credential };
  } catch (cause) {
    throw new AkashiError('unexpected_answer', { cause });
  }
}

/** The account that a request asks for by its reference, or any one for `"0"`. */
export async function findAccount(
  { accounts }: IssuedAccounts,
  asked: { readonly accountRef: string; readonly scope: string },
): Promise<HeldAccount> {
  const account = accounts.find(
    ({ accountKey }) =>
      asked.accountRef === '0' ||
      accountReference(parseField(accountKey), parseField(asked.scope)) === parseField(asked.accountRef),
  );
  if (account === undefined) throw new AkashiError('account_unknown');
  return heldAccount(account);
}

export function heldAccount({
  accountKey,
  index,
  siblings,
}: IssuedAccounts['accounts'][number]): HeldAccount {
  return {
    accountKey: parseField(accountKey),
    index: BigInt(index),
    siblings: siblings.map((sibling) => parseField(sibling)),
  };
}

/** Rebuilds the tree: every account must stand at its index, under its siblings, below the credential's root. */
async function opensRoot(
  { accounts }: IssuedAccounts,
  credential: AccountsCredential,
  holder: bigint,
): Promise<boolean> {
  const { root, paths } = accountsTree(
    accounts.map(({ accountKey }) => parseField(accountKey)),
    holder,
  );
  return (
    root === parseField(credential.accountsRoot) &&
    accounts.every(
      ({ index, siblings }, i) =>
        index === i && siblings.every((sibling, depth) => parseField(sibling) === paths[i]?.[depth]),
    )
  );
}

/** `accountsRoot` of the credential, which was checked when it came. */
export function accountsRootOf(issued: Pick<IssuedAccounts, 'credential'>): string {
  return credentialOf(issued).accountsRoot;
}

function credentialOf({ credential }: Pick<IssuedAccounts, 'credential'>): AccountsCredential {
  const parsed = parseCredential(unverifiedJws(credential).payload);
  if (!('accountsRoot' in parsed)) throw new AkashiError('malformed');
  return parsed;
}
