import * as v from 'valibot';
import type { FactId } from './protocol.ts';
import { base64url32, fieldText, origin, parse, reference, time } from './shape.ts';
import { statusShape } from './status-list.ts';

// Receipt and credential (docs/protocol.md, section 6).

export const receiptShape = v.strictObject({
  iss: origin,
  tenant: reference,
  sub: reference,
  jkt: base64url32,
  holder: fieldText,
  iat: time,
  exp: time,
});
/** What the verifier signs about an enrolled device, for its issuer. */
export type Receipt = v.InferOutput<typeof receiptShape>;

/** `schema` of the credential that carries an accounts root. */
export const ACCOUNTS_SCHEMA = 'akashi/accounts/v1';

const credentialEntries = {
  /** Thumbprint of the issuer's key, as registered with the verifier. */
  iss: base64url32,
  /** The verifier: its public origin. */
  aud: origin,
  tenant: reference,
  sub: reference,
  cnf: v.strictObject({ jkt: base64url32 }),
  /** Where it is revoked. A tenant whose status lists the verifier knows issues none without. */
  status: v.optional(statusShape),
  iat: time,
  exp: time,
};

export const credentialShape = v.union([
  v.strictObject({ ...credentialEntries, schema: v.literal(ACCOUNTS_SCHEMA), accountsRoot: fieldText }),
  v.strictObject({
    ...credentialEntries,
    /** The signal of a claims schema. */
    schema: fieldText,
    /** Commitment to the claims; see `claimsCredential` in poseidon.ts. */
    credential: fieldText,
  }),
]);
/** What an issuer signs: a commitment, who holds it, until when, where it is revoked. */
export type Credential = v.InferOutput<typeof credentialShape>;
export type AccountsCredential = Extract<Credential, { readonly accountsRoot: string }>;
export type ClaimsCredential = Extract<Credential, { readonly credential: string }>;

export const parseReceipt = (input: unknown): Receipt => parse(receiptShape, input);
export const parseCredential = (input: unknown): Credential => parse(credentialShape, input);

/** Whether a fact's public outputs come from a credential rather than from the verifier's own records. */
export function needsCredential(fact: FactId): boolean {
  return fact !== 'pin';
}
