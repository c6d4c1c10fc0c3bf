import { FIELD_ORDER } from './field.ts';
import {
  FULL_ROUNDS,
  PARTIAL_ROUNDS,
  type PoseidonConstants,
  poseidonConstants,
  type Width,
} from './poseidon-constants.ts';
import { ACCOUNTS_DEPTH, ACCOUNTS_MAX, CLAIMS_MAX, TAGS } from './protocol.ts';

// Poseidon over BN254 outside the circuits: the same formulas as in poseidon.circom and hash.circom, each use under its
// own tag (docs/protocol.md, section 3). Golden witnesses hold both together.

/** Values in the order in which they were computed; see witness.ts. */
export type Trace = bigint[];

const known = new Map<Width, PoseidonConstants>();

/**
 * Poseidon of two, three or twelve field elements, with circomlib's constants; the formulas are those of poseidon.circom.
 * @param trace gets input, square, fourth power and output of every S-box
 */
export function poseidon(inputs: readonly bigint[], trace?: Trace): bigint {
  const width = (inputs.length + 1) as Width;
  const { roundConstants, mds } = constantsOf(width);
  let state: readonly bigint[] = [0n, ...inputs];
  roundConstants.forEach((constants, round) => {
    const isFull = round < FULL_ROUNDS / 2 || round >= FULL_ROUNDS / 2 + PARTIAL_ROUNDS[width];
    const powers = state.map((element, i) => {
      const input = (element + (constants[i] ?? 0n)) % FIELD_ORDER;
      if (!isFull && i > 0) return input;
      const square = (input * input) % FIELD_ORDER;
      const fourth = (square * square) % FIELD_ORDER;
      const output = (fourth * input) % FIELD_ORDER;
      trace?.push(input, square, fourth, output);
      return output;
    });
    state = mds.map(
      (row) => row.reduce((sum, weight, i) => sum + weight * (powers[i] ?? 0n), 0n) % FIELD_ORDER,
    );
  });
  return state[0] ?? 0n;
}

/** `holder`: the public commitment to a holder secret. */
export function holderCommitment(holderSecret: bigint): bigint {
  return poseidon([TAGS.TAG_HOLDER, holderSecret]);
}

/** `commitment` of the fact `pin`. */
export function pinCommitment(pinKey: bigint, holderSecret: bigint): bigint {
  return poseidon([TAGS.TAG_PIN, pinKey, holderSecret]);
}

/** A leaf of the accounts tree. */
export function accountLeaf(accountKey: bigint, holder: bigint): bigint {
  return poseidon([TAGS.TAG_LEAF, accountKey, holder]);
}

/** `accountRef` of a revealed account: which account, to who knows its key and the tenant's scope. */
export function accountReference(accountKey: bigint, scope: bigint): bigint {
  return poseidon([TAGS.TAG_REF, accountKey, scope]);
}

/** What a claims credential commits its issuer to. */
export interface CommittedClaims {
  /** The schema as a signal; see claims.ts. */
  readonly schema: bigint;
  readonly salt: bigint;
  /** As many as the circuits take: unused ones are 0, and no request can ask for them. */
  readonly claims: readonly bigint[];
}

/** `credential` of the facts `range` and `member`. */
export function claimsCredential({ schema, salt, claims }: CommittedClaims, holder: bigint): bigint {
  if (claims.length !== CLAIMS_MAX) throw new TypeError('a credential has eight claims');
  return poseidon([TAGS.TAG_CREDENTIAL, schema, holder, salt, ...claims]);
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
    level = Array.from({ length: below.length / 2 }, (_, i) => {
      const [left, right] = [at(below, 2 * i), at(below, 2 * i + 1)];
      const unused = left === emptyNode(depth) && right === left;
      return unused ? emptyNode(depth + 1) : poseidon([TAGS.TAG_NODE, left, right]);
    });
  }
  return { root: at(level, 0), paths };
}

const emptyNodes = [EMPTY_LEAF];

/** The root of a tree of unused leaves, so high. Most subjects have few accounts: most of a tree is these. */
function emptyNode(depth: number): bigint {
  const known = emptyNodes[depth];
  if (known !== undefined) return known;
  const below = emptyNode(depth - 1);
  const node = poseidon([TAGS.TAG_NODE, below, below]);
  emptyNodes[depth] = node;
  return node;
}

function at(values: readonly bigint[], index: number): bigint {
  const value = values[index];
  if (value === undefined) throw new TypeError('index outside the tree');
  return value;
}

function constantsOf(width: Width): PoseidonConstants {
  if (!(width in PARTIAL_ROUNDS)) throw new TypeError('poseidon takes two, three or twelve inputs');
  const constants = known.get(width) ?? poseidonConstants(width);
  known.set(width, constants);
  return constants;
}
