import {
  ACCOUNTS_MAX,
  type CircuitInputs,
  CLAIMS_MAX,
  encodeValues,
  type FactId,
  fieldFromBytes,
  type Signals,
} from '@akashi/circuits';
import {
  accountReference,
  accountsTree,
  claimsCredential,
  holderCommitment,
  pinCommitment,
} from '@akashi/circuits/poseidon';
import type { FixedInputs } from '@akashi/sdk/holder';

/** Something to prove, and the public signals that its proof must hold for. */
export interface Sample<F extends FactId> {
  readonly inputs: CircuitInputs<F>;
  readonly signals: Signals<F>;
}

/** Gives as many fresh random bytes as asked for. */
export type Random = (length: number) => Uint8Array;

/** A fresh sample of a fact: other secrets and another challenge each time, as on a real phone. */
export const SAMPLES: { readonly [F in FactId]: (random: Random) => Sample<F> } = {
  pin(random) {
    const [challenge, pinKey, holderSecret] = [element(random), element(random), element(random)];
    return {
      inputs: { challenge, pinKey, holderSecret },
      signals: { commitment: pinCommitment(pinKey, holderSecret), challenge },
    };
  },

  // The account is revealed and the tree is full: what costs most, if anything costs more.
  account(random) {
    const [challenge, holderSecret, accountKey] = [element(random), element(random), element(random)];
    const scope = element(random);
    const others = Array.from({ length: ACCOUNTS_MAX - 1 }, () => element(random));
    const { root, paths } = accountsTree([...others, accountKey], holderCommitment(holderSecret));
    const siblings = paths.at(-1) ?? [];
    return {
      inputs: { challenge, scope, reveal: 1n, accountKey, holderSecret, index: 15n, siblings },
      signals: {
        accountsRoot: root,
        accountRef: accountReference(accountKey, scope),
        challenge,
        scope,
        reveal: 1n,
      },
    };
  },

  range(random) {
    const held = heldClaims(random);
    const claim = held.inputs.claims[INDEX] ?? 0n;
    const shown = { ...held.shown, lower: claim - 1n, upper: claim + 1n };
    return {
      inputs: { ...held.inputs, ...shown },
      signals: { credential: held.credential, ...shown },
    };
  },

  member(random) {
    const held = heldClaims(random);
    const claim = held.inputs.claims[INDEX] ?? 0n;
    const listed = Array.from({ length: 8 }, (_, i) => String(claim + 7n - BigInt(i)));
    const shown = {
      ...held.shown,
      ...encodeValues({ name: 'n', label: { en: 'n' }, type: 'integer' }, listed),
    };
    return {
      inputs: { ...held.inputs, ...shown },
      signals: { credential: held.credential, ...shown },
    };
  },
};

const INDEX = 3;

/** Eight claims of 32 bits and their credential. */
function heldClaims(random: Random) {
  const [challenge, schema, salt, holderSecret] = [
    element(random),
    element(random),
    element(random),
    element(random),
  ];
  const claims = Array.from({ length: CLAIMS_MAX }, () => 1n + (element(random) & 0xffffffffn));
  const credential = claimsCredential({ schema, salt, claims }, holderCommitment(holderSecret));
  const shown = { challenge, schema, index: BigInt(INDEX) };
  return { credential, shown, inputs: { claims, salt, holderSecret } };
}

function element(random: Random): bigint {
  return fieldFromBytes(random(31));
}

/** The challenge apart from all other inputs, which are what is prepared. */
export function lateBound<F extends FactId>(
  inputs: CircuitInputs<F>,
): { readonly challenge: bigint; readonly fixed: FixedInputs<F> } {
  const { challenge, ...fixed } = inputs as CircuitInputs<F> & { readonly challenge: bigint };
  return { challenge, fixed: fixed as unknown as FixedInputs<F> };
}
