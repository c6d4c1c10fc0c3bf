import {
  type Credential,
  encodeBounds,
  encodeValues,
  type RequestedFact,
  signalsToArray,
} from '@akashi/circuits';

/**
 * Every public signal of a fact, from the verifier's own records and the checked credential: none travels.
 * `null` when a part is not there, and then there is a reason already.
 */
export function expectedSignals(
  entry: RequestedFact,
  known: {
    readonly commitment: string | null;
    readonly credential: Credential | null;
    readonly challenge: bigint;
  },
): readonly bigint[] | null {
  const { challenge: bound, credential } = known;
  switch (entry.fact) {
    case 'pin':
      if (known.commitment === null) throw new TypeError('an active device has a commitment');
      return signalsToArray('pin', { commitment: BigInt(known.commitment), challenge: bound });
    case 'account': {
      if (credential === null || !('accountsRoot' in credential)) return null;
      const accountRef = BigInt(entry.accountRef);
      return signalsToArray('account', {
        accountsRoot: BigInt(credential.accountsRoot),
        accountRef,
        challenge: bound,
        scope: BigInt(entry.scope),
        reveal: accountRef === 0n ? 0n : 1n,
      });
    }
    case 'range':
    case 'member': {
      if (credential === null || !('credential' in credential)) return null;
      const claim = {
        credential: BigInt(credential.credential),
        challenge: bound,
        schema: BigInt(entry.schema),
        index: BigInt(entry.index),
      };
      return entry.fact === 'range'
        ? signalsToArray('range', { ...claim, ...encodeBounds(entry.claim, entry) })
        : signalsToArray('member', { ...claim, ...encodeValues(entry.claim, entry.values) });
    }
  }
}
