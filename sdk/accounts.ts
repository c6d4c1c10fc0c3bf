import {
  ACCOUNTS_DEPTH,
  ACCOUNTS_MAX,
  AkashiError,
  type Credential,
  compactJws,
  fieldText,
  parse,
  parseCredential,
  parseField,
  text,
} from '@akashi/circuits';
import { base64url } from 'jose';
import * as v from 'valibot';

// What an issuer gives to a device, and what the device makes sure of before it keeps it (docs/protocol.md, section 5).

export const issuedAccountsShape = v.strictObject({
  credential: compactJws,
  accounts: v.pipe(
    v.array(
      v.strictObject({
        /** Shown to the customer only. */
        label: text,
        accountKey: fieldText,
        index: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(ACCOUNTS_MAX - 1)),
        siblings: v.pipe(v.array(fieldText), v.length(ACCOUNTS_DEPTH)),
      }),
    ),
    v.minLength(1),
    v.maxLength(ACCOUNTS_MAX),
  ),
});
/** The credential with its private parts: JSON as is. It goes to the device and nowhere else. */
export type IssuedAccounts = v.InferOutput<typeof issuedAccountsShape>;

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
): Promise<{ readonly issued: IssuedAccounts; readonly credential: Credential }> {
  try {
    const issued = parse(issuedAccountsShape, input);
    const credential = parseCredential(payloadOf(issued.credential));
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
  const { accountReference } = await import('@akashi/circuits/poseidon');
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
  credential: Credential,
  holder: bigint,
): Promise<boolean> {
  const { accountsTree } = await import('@akashi/circuits/poseidon');
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
export function accountsRootOf({ credential }: Pick<IssuedAccounts, 'credential'>): string {
  return parseCredential(payloadOf(credential)).accountsRoot;
}

/** The payload of a compact JWS whose signature somebody else checks. */
function payloadOf(jws: string): unknown {
  const [, payload = ''] = jws.split('.');
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(base64url.decode(payload)));
}
