import { poseidon2 } from 'poseidon-lite/poseidon2';
import { poseidon3 } from 'poseidon-lite/poseidon3';
import { ACCOUNTS_DEPTH, ACCOUNTS_MAX, TAGS } from './protocol.ts';

// Poseidon over BN254 with circomlib's constants, each use under its own tag (docs/protocol.md, section 3).
// The same formulas stand in hash.circom; golden witnesses hold both together.

/** `holder`: the public commitment to a holder secret. */
export function holderCommitment(holderSecret: bigint): bigint {
  return poseidon2([TAGS.TAG_HOLDER, holderSecret]);
}

/** `commitment` of the fact `pin`. */
export function pinCommitment(pinKey: bigint, holderSecret: bigint): bigint {
  return poseidon3([TAGS.TAG_PIN, pinKey, holderSecret]);
}

/** A leaf of the accounts tree. */
export function accountLeaf(accountKey: bigint, holder: bigint): bigint {
  return poseidon3([TAGS.TAG_LEAF, accountKey, holder]);
}

/** `accountRef` of a revealed account: which account, to who knows its key and the tenant's scope. */
export function accountReference(accountKey: bigint, scope: bigint): bigint {
  return poseidon3([TAGS.TAG_REF, accountKey, scope]);
}

/**
 * An unused leaf. It is the tag of leaves itself, a plain constant: opening it would take a preimage of the
 * hash that equals one chosen 14-byte number.
 */
export const EMPTY_LEAF = TAGS.TAG_LEAF;

export interface AccountsTree {
  readonly root: bigint;
  /** The siblings from leaf to root for each account, in the order given. */
  readonly paths: readonly (readonly bigint[])[];
}

/**
 * The depth-4 tree over a subject's accounts.
 * @param accountKeys 1 to 16 account keys, all different
 */
export function accountsTree(accountKeys: readonly bigint[], holder: bigint): AccountsTree {
  if (accountKeys.length < 1 || accountKeys.length > ACCOUNTS_MAX) throw new TypeError('1 to 16 accounts');
  if (new Set(accountKeys).size !== accountKeys.length) throw new TypeError('an account is listed twice');
  let level = Array.from({ length: ACCOUNTS_MAX }, (_, i) => {
    const key = accountKeys[i];
    return key === undefined ? EMPTY_LEAF : accountLeaf(key, holder);
  });
  const paths: bigint[][] = accountKeys.map(() => []);
  for (let depth = 0; depth < ACCOUNTS_DEPTH; depth++) {
    const below = level;
    paths.forEach((path, i) => {
      path.push(at(below, (i >> depth) ^ 1));
    });
    level = Array.from({ length: below.length / 2 }, (_, i) =>
      poseidon3([TAGS.TAG_NODE, at(below, 2 * i), at(below, 2 * i + 1)]),
    );
  }
  return { root: at(level, 0), paths };
}

function at(values: readonly bigint[], index: number): bigint {
  const value = values[index];
  if (value === undefined) throw new TypeError('index outside the tree');
  return value;
}
