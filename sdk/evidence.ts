import {
  AkashiError,
  base64url32,
  decodeBase64url,
  type Evidence,
  encodeBase64url,
  evidenceAnswer,
  parse,
  parseEvidence,
  type SignedEvidence,
  type Transaction,
  transactionHash,
  transaction as transactionShape,
  type Verdict,
  verifyJws,
} from '@akashi/circuits';
import type { VerifierKey } from './receipt.ts';

// What a tenant's back end makes sure of before it acts on evidence (docs/protocol.md, section 6).

export interface ExpectedEvidence {
  /** As the back end started it or was told of it. */
  readonly verification: string;
  /** What was to be agreed to, as the back end knows it by itself; `null`: nothing. */
  readonly transaction: Transaction | null;
  /** Default `passed`. */
  readonly verdict?: Verdict;
}

/**
 * What evidence says, once it is of this verifier and tenant, and about this verification, transaction and verdict.
 * @throws AkashiError `evidence_invalid` for evidence, `malformed` for an expected transaction that is none
 */
export async function checkEvidence(
  signed: SignedEvidence,
  { verification, transaction, verdict = 'passed' }: ExpectedEvidence,
  from: { readonly verifier: string; readonly tenant: string; readonly keys: readonly VerifierKey[] },
): Promise<Evidence> {
  const expected = transaction === null ? null : parse(transactionShape, transaction);
  try {
    const { evidence: jws, salt } = parse(evidenceAnswer, signed);
    let key: VerifierKey | undefined;
    const payload = await verifyJws('evidence', jws, (kid) => {
      key = from.keys.find((one) => one.kid === kid);
      return key?.jwk;
    });
    const evidence = parseEvidence(payload);
    const meant =
      // An ended key is good for what it signed in its time.
      key !== undefined &&
      key.nbf <= evidence.iat &&
      evidence.iat < key.exp &&
      evidence.iss === from.verifier &&
      evidence.tenant === from.tenant &&
      evidence.jti === verification &&
      evidence.verdict === verdict &&
      evidence.transactionHash === hashOf(expected, salt);
    if (!meant) throw new AkashiError('malformed');
    return evidence;
  } catch (cause) {
    throw new AkashiError('evidence_invalid', { cause });
  }
}

function hashOf(transaction: Transaction | null, salt: string | undefined): string | undefined {
  if (transaction === null) return undefined;
  return encodeBase64url(transactionHash(transaction, decodeBase64url(parse(base64url32, salt))));
}
