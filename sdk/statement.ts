import {
  type AskedClaim,
  encodeBounds,
  encodeValues,
  type FactId,
  parseField,
  type Signals,
} from '@akashi/circuits';
import { pinCommitment } from '@akashi/circuits/poseidon';
import { accountsRootOf, type HeldAccount } from './accounts.ts';
import type { HeldClaims } from './claims.ts';
import type { HolderRecord } from './holder-record.ts';
import type { FixedInputs } from './prover.ts';

// What this device can say, before anybody has asked: a fact, its public signals but the challenge, and what proves it.

/** The public signals of a fact that do not depend on a request. */
export type FixedSignals<F extends FactId> = Omit<Signals<F>, 'challenge'>;

export type Statement<F extends FactId = FactId> = {
  readonly [P in F]: {
    readonly fact: P;
    readonly signals: FixedSignals<P>;
    readonly inputs: FixedInputs<P>;
  };
}[F];

/** "I know the PIN enrolled on this device." */
export function pinStatement({ holderSecret }: HolderRecord, pinKey: bigint): Statement<'pin'> {
  const inputs = { pinKey, holderSecret: parseField(holderSecret) };
  return {
    fact: 'pin',
    signals: { commitment: pinCommitment(inputs.pinKey, inputs.holderSecret) },
    inputs,
  };
}

/** "I own an account", or this one: as a request asks for it. */
export function accountStatement(
  { issued, holderSecret }: HolderRecord,
  account: HeldAccount,
  asked: { readonly accountRef: string; readonly scope: string },
): Statement<'account'> {
  const shown = {
    scope: parseField(asked.scope),
    reveal: asked.accountRef === '0' ? 0n : 1n,
  };
  return {
    fact: 'account',
    signals: {
      accountsRoot: parseField(accountsRootOf(issued)),
      accountRef: parseField(asked.accountRef),
      ...shown,
    },
    inputs: { ...shown, holderSecret: parseField(holderSecret), ...account },
  };
}

/** "This claim lies between two bounds", or "is one of these values". */
export function claimStatement(
  { holderSecret }: HolderRecord,
  { credential, claims, salt }: HeldClaims,
  asked: AskedClaim,
): Statement<'range'> | Statement<'member'> {
  const shown = { schema: parseField(asked.schema), index: BigInt(asked.index) };
  const held = { claims, salt, holderSecret: parseField(holderSecret) };
  if (asked.fact === 'range') {
    const bounds = encodeBounds(asked.claim, asked);
    return {
      fact: 'range',
      signals: { credential, ...shown, ...bounds },
      inputs: { ...shown, ...bounds, ...held },
    };
  }
  const values = encodeValues(asked.claim, asked.values);
  return {
    fact: 'member',
    signals: { credential, ...shown, ...values },
    inputs: { ...shown, ...values, ...held },
  };
}
