import {
  type ClaimsSchema,
  claimsSchema,
  encodeClaims,
  fieldFromBytes,
  parse,
  schemaSignal,
  VOLATILE_SECONDS,
} from '@akashi/circuits';
import { type CommittedClaims, claimsCredential } from '@akashi/circuits/poseidon';

export interface ClaimsCommitment {
  readonly committed: CommittedClaims;
  /** `credential`, once it is known for whom. */
  readonly commitment: (holder: bigint) => bigint;
  /** Seconds that a credential of this schema may live. */
  readonly longest: number;
}

/**
 * Commits to the claims of one customer, under a fresh salt.
 * @throws AkashiError `malformed` for a schema that is none, or claims other than just those of it
 */
export function commitClaims(
  schema: ClaimsSchema,
  claims: Readonly<Record<string, string>>,
): ClaimsCommitment {
  const checked = parse(claimsSchema, schema);
  const committed = {
    schema: schemaSignal(checked),
    salt: fieldFromBytes(crypto.getRandomValues(new Uint8Array(31))),
    claims: encodeClaims(checked, claims),
  };
  return {
    committed,
    commitment: (holder) => claimsCredential(committed, holder),
    longest: checked.volatile ? VOLATILE_SECONDS : Number.POSITIVE_INFINITY,
  };
}
