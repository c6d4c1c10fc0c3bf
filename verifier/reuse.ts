import type { AskedId } from '@akashi/circuits';
import { factorsOf, isTwoFactor } from './policy.ts';
import type { NewVerification, PasskeySettings, Reuse, VerificationRow } from './records.ts';
import type { Verifier } from './verifier.ts';

// A pass that stands in for showing the same again in the same call (docs/protocol.md, section 7). That the calls are
// the same one is the desk's word: SECURITY.md says what follows from it.

/** The newest pass of this call in which everything was shown that one of the alternatives asks for. */
export async function findReuse(
  { store }: Verifier,
  verification: NewVerification,
  passkeys: PasskeySettings | null,
): Promise<Reuse | undefined> {
  const { mode, callId, reuseSeconds, startedAt } = verification;
  if (mode !== 'call' || callId === null || reuseSeconds === 0) return undefined;
  const passes = await store.reusablePasses(verification, startedAt);
  for (const pass of passes) {
    // Both policies have their say: the pass is over its own time when it is not among these.
    if (pass.decidedAt === null || pass.decidedAt + reuseSeconds <= startedAt) continue;
    if (pass.direction !== verification.direction || pass.transactionHash !== null) continue;
    const reuse = standIn(pass, verification, passkeys);
    if (reuse !== undefined) return reuse;
  }
  return undefined;
}

function standIn(
  pass: VerificationRow,
  { facts, alternatives, twoFactor }: NewVerification,
  passkeys: PasskeySettings | null,
): Reuse | undefined {
  // Entries are compared whole: another account, bound or value is another statement.
  const seen = new Set((pass.shown ?? []).map((place) => JSON.stringify(pass.facts[place])));
  for (const shown of alternatives ?? [[...facts.keys()]]) {
    if (!shown.every((place) => seen.has(JSON.stringify(facts[place])))) continue;
    const factors = factorsOf(
      shown.flatMap((place): AskedId[] => (facts[place] ? [facts[place].fact] : [])),
      passkeys,
    );
    if (!twoFactor || isTwoFactor(factors)) return { from: pass.verification, shown, factors };
  }
  return undefined;
}
