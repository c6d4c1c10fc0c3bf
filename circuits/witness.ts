import { AkashiError } from './error.ts';
import { FIELD_ORDER } from './field.ts';
import { poseidon, type Trace } from './poseidon.ts';
import type { CircuitInputs, FactId, Signals } from './protocol.ts';
import {
  ACCOUNTS_DEPTH,
  ACCOUNTS_MAX,
  CLAIMS_MAX,
  MEMBER_VALUES,
  RANGE_BITS,
  signalsToArray,
  TAGS,
} from './protocol.ts';

// The circuits once more, as straight-line programs: what circom's constraints check, computed value by value. A
// program leaves every value that a wire, or a side of a constraint, can have on its tape, in an order that depends on
// the fact alone. The build finds each wire and each side of the compiled circuit on the tape (proving-key.ts) and
// fails if one is missing, so that a program cannot fall behind its circuit. This takes the place of the generated
// witness code and of the constraint matrices in the key: both together are larger than all else a phone loads.

type Program<F extends FactId> = (inputs: CircuitInputs<F>, trace: Trace) => Signals<F>;

const PROGRAMS: { readonly [F in FactId]: Program<F> } = {
  pin({ challenge, pinKey, holderSecret }, trace) {
    trace.push(pinKey, holderSecret);
    return { commitment: poseidon([TAGS.TAG_PIN, pinKey, holderSecret], trace), challenge };
  },

  account({ challenge, scope, reveal, accountKey, holderSecret, index, siblings }, trace) {
    if (index >= ACCOUNTS_MAX || reveal > 1n) throw new AkashiError('proof_failed');
    trace.push(accountKey, holderSecret, index, ...siblings);
    const holder = poseidon([TAGS.TAG_HOLDER, holderSecret], trace);
    let node = poseidon([TAGS.TAG_LEAF, accountKey, holder], trace);
    trace.push(holder, node);
    for (let level = 0; level < ACCOUNTS_DEPTH; level++) {
      const bit = (index >> BigInt(level)) & 1n;
      const sibling = siblings[level] ?? 0n;
      const difference = modulo(sibling - node);
      const swap = bit * difference;
      trace.push(bit, modulo(bit - 1n), difference, swap);
      node = poseidon([TAGS.TAG_NODE, modulo(node + swap), modulo(sibling - swap)], trace);
      trace.push(node);
    }
    const reference = poseidon([TAGS.TAG_REF, accountKey, scope], trace);
    trace.push(modulo(reveal - 1n), reference);
    return { accountsRoot: node, accountRef: reveal * reference, challenge, scope, reveal };
  },

  range({ challenge, schema, index, lower, upper, ...held }, trace) {
    const { credential, claim } = heldClaim({ schema, index, ...held }, trace);
    sixtyFourBits(claim, trace);
    sixtyFourBits(modulo(claim - lower), trace);
    sixtyFourBits(modulo(upper - claim), trace);
    return { credential, challenge, schema, index, lower, upper };
  },

  member({ claims, salt, holderSecret, ...shown }, trace) {
    const { schema, index } = shown;
    const { credential, claim } = heldClaim({ schema, index, claims, salt, holderSecret }, trace);
    let misses = 1n;
    for (const name of MEMBER_VALUES) {
      const difference = modulo(claim - shown[name]);
      misses = (misses * difference) % FIELD_ORDER;
      trace.push(difference, misses);
    }
    if (misses !== 0n) throw new AkashiError('proof_failed');
    return { credential, ...shown };
  },
};

type HeldClaimInputs = Omit<CircuitInputs<'range'>, 'challenge' | 'lower' | 'upper'>;

/** HeldClaim of claim.circom. */
function heldClaim(
  { schema, index, claims, salt, holderSecret }: HeldClaimInputs,
  trace: Trace,
): { readonly credential: bigint; readonly claim: bigint } {
  const claim = claims[Number(index)];
  if (index >= CLAIMS_MAX || claim === undefined) throw new AkashiError('proof_failed');
  trace.push(holderSecret, salt, ...claims);
  const holder = poseidon([TAGS.TAG_HOLDER, holderSecret], trace);
  trace.push(holder);
  const credential = poseidon([TAGS.TAG_CREDENTIAL, schema, holder, salt, ...claims], trace);
  claims.forEach((value, i) => {
    const chosen = BigInt(i) === index ? 1n : 0n;
    trace.push(chosen, modulo(chosen - 1n), chosen * value);
  });
  trace.push(claim);
  return { credential, claim };
}

/** SixtyFourBits of claim.circom. */
function sixtyFourBits(value: bigint, trace: Trace): void {
  if (value >= 1n << BigInt(RANGE_BITS)) throw new AkashiError('proof_failed');
  trace.push(value);
  for (let i = 0; i < RANGE_BITS; i++) {
    const bit = (value >> BigInt(i)) & 1n;
    trace.push(bit, modulo(bit - 1n));
  }
}

export interface Witness<F extends FactId> {
  readonly signals: Signals<F>;
  /** 1, the public signals in circuit order, then what the program left. */
  readonly tape: readonly bigint[];
}

/**
 * Runs the program of a fact.
 * @param inputs field elements
 * @throws AkashiError `proof_failed` for inputs that the circuit refuses
 */
export function computeWitness<F extends FactId>(fact: F, inputs: CircuitInputs<F>): Witness<F> {
  const trace: Trace = [];
  const signals = PROGRAMS[fact](inputs, trace);
  return { signals, tape: [1n, ...signalsToArray(fact, signals), ...trace] };
}

function modulo(value: bigint): bigint {
  return ((value % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER;
}
