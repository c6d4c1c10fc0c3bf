import { AkashiError, type Evidence, isRequestedFact, type SignedEvidence, signJws } from '@akashi/circuits';
import { base64url } from 'jose';
import { transactionSalt } from './codes.ts';
import { signingKey } from './keys.ts';
import type { VerificationRow } from './records.ts';
import type { Verifier } from './verifier.ts';
import { isShown } from './views.ts';

/**
 * What the verifier signs about a verdict (docs/protocol.md, section 6). Everything in it comes from the row: nothing of
 * the subject, the device, the operator or the call is. Signed anew each time it is asked for, by the key of that time.
 * @throws AkashiError `no_verdict` when none stands, or it is not shown to desks and back ends
 */
export async function signEvidence(
  { keys, origin, now }: Verifier,
  row: VerificationRow,
): Promise<SignedEvidence> {
  const { verdict, decidedAt, transactionHash } = row;
  if (verdict === null || decidedAt === null || !isShown(row)) throw new AkashiError('no_verdict');
  const evidence: Evidence = {
    iss: origin,
    jti: row.verification,
    tenant: row.tenant,
    purpose: row.purpose,
    policy: { id: row.policy, version: row.policyVersion },
    mode: row.mode,
    direction: row.direction,
    verdict,
    ...(transactionHash === null ? {} : { transactionHash: base64url.encode(transactionHash) }),
    facts: shownFacts(row),
    factors: [...row.factors],
    ...(row.reusedFrom === null ? {} : { reusedFrom: row.reusedFrom }),
    decidedAt,
    iat: now(),
  };
  const salt = transactionSalt(keys.codeKey, row.verification);
  return {
    evidence: await signJws('evidence', evidence, signingKey(keys, now())),
    ...(transactionHash === null ? {} : { salt: base64url.encode(salt) }),
  };
}

/** What was proven: none unless it passed, and none of an alternative that was not taken. */
function shownFacts({ facts, shown }: VerificationRow): Evidence['facts'] {
  return facts
    .filter((_, place) => shown?.includes(place))
    .filter(isRequestedFact)
    .map(({ fact, version }) => ({ fact, version }));
}
