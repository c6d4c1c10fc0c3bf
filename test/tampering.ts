import {
  BASE_FIELD_ORDER,
  type CircuitInputs,
  type FactId,
  MEMBER_VALUES,
  type SignalName,
  type WirePresentation,
  type WireProof,
} from '@akashi/circuits';
import { accountsTree, holderCommitment } from '@akashi/circuits/poseidon';
import { bn254 } from '@noble/curves/bn254.js';
import type { RawPhone } from './raw-phone.ts';

// What an attacker can do to a proof, a presentation, or the inputs of a circuit. No fact is named here except in the
// table of inputs, which the registry's type makes complete.

const { G1, G2 } = bn254;
const { Point: Point1 } = G1;
const { Point: Point2 } = G2;
type Point1 = InstanceType<typeof Point1>;
type Point2 = InstanceType<typeof Point2>;

interface Points {
  readonly a: Point1;
  readonly b: Point2;
  readonly c: Point1;
}

export function pointsOf({ a, b, c }: WireProof): Points {
  const [x, y] = b;
  return {
    a: Point1.fromAffine({ x: BigInt(a[0]), y: BigInt(a[1]) }),
    b: Point2.fromAffine({
      x: { c0: BigInt(x[0]), c1: BigInt(x[1]) },
      y: { c0: BigInt(y[0]), c1: BigInt(y[1]) },
    }),
    c: Point1.fromAffine({ x: BigInt(c[0]), y: BigInt(c[1]) }),
  };
}

export function wireProof(points: Points): WireProof {
  const a = points.a.toAffine();
  const b = points.b.toAffine();
  const c = points.c.toAffine();
  return {
    a: [String(a.x), String(a.y)],
    b: [
      [String(b.x.c0), String(b.x.c1)],
      [String(b.y.c0), String(b.y.c1)],
    ],
    c: [String(c.x), String(c.y)],
  };
}

/** Anyone can turn a Groth16 proof into others of the same statement. Delta, in G2, is part of the verification key. */
export function rerandomised(
  proof: WireProof,
  delta: Point2,
  scalar: () => bigint,
): Record<string, WireProof> {
  const { a, b, c } = pointsOf(proof);
  const r = scalar();
  const scaled = (points: Points): Points => ({
    a: points.a.multiply(r),
    b: points.b.multiply(Point2.Fn.inv(r)),
    c: points.c,
  });
  const s = scalar();
  const shifted = (points: Points): Points => ({
    a: points.a,
    b: points.b.add(delta.multiply(s)),
    c: points.c.add(points.a.multiply(s)),
  });
  const points = { a, b, c };
  return {
    '(rA, B/r, C)': wireProof(scaled(points)),
    '(A, B + s delta, C + sA)': wireProof(shifted(points)),
    both: wireProof(shifted(scaled(points))),
  };
}

/** A point of the twist's curve outside of the subgroup of order r: everything but the last check holds of it. */
export function outsideSubgroup(): Point2 {
  const { Fp2 } = bn254.fields;
  const { b } = Point2.CURVE();
  for (let c0 = 1n; ; c0++) {
    const x = { c0, c1: 0n };
    const square = Fp2.add(Fp2.mul(Fp2.sqr(x), x), b);
    try {
      const point = Point2.fromAffine({ x, y: Fp2.sqrt(square) });
      if (!point.isTorsionFree()) return point;
    } catch {
      // no square: the next one
    }
  }
}

export type ProofChange = (proof: WireProof) => WireProof;

/** Proofs whose points are no points: refused before anything is used up. */
export const MALFORMED_PROOFS: Readonly<Record<string, ProofChange>> = {
  'a.x + 1': (proof) => ({ ...proof, a: [plusOne(proof.a[0]), proof.a[1]] }),
  'a.y + 1': (proof) => ({ ...proof, a: [proof.a[0], plusOne(proof.a[1])] }),
  'b.x.c0 + 1': ({ b: [[c0, c1], y], ...rest }) => ({ ...rest, b: [[plusOne(c0), c1], y] }),
  'b.x.c1 + 1': ({ b: [[c0, c1], y], ...rest }) => ({ ...rest, b: [[c0, plusOne(c1)], y] }),
  'b.y.c0 + 1': ({ b: [x, [c0, c1]], ...rest }) => ({ ...rest, b: [x, [plusOne(c0), c1]] }),
  'b.y.c1 + 1': ({ b: [x, [c0, c1]], ...rest }) => ({ ...rest, b: [x, [c0, plusOne(c1)]] }),
  'c.x + 1': (proof) => ({ ...proof, c: [plusOne(proof.c[0]), proof.c[1]] }),
  'c.y + 1': (proof) => ({ ...proof, c: [proof.c[0], plusOne(proof.c[1])] }),
  'x and y of a swapped': (proof) => ({ ...proof, a: [proof.a[1], proof.a[0]] }),
  'c0 and c1 of b swapped': ({ b: [x, y], ...rest }) => ({
    ...rest,
    b: [
      [x[1], x[0]],
      [y[1], y[0]],
    ],
  }),
  'b outside of the subgroup': (proof) => wireProof({ ...pointsOf(proof), b: outsideSubgroup() }),
};

/** Proofs that are points all right and prove nothing: each costs its sender the attempt. */
export const WRONG_PROOFS: Readonly<Record<string, ProofChange>> = {
  'a and c swapped': ({ a, b, c }) => ({ a: c, b, c: a }),
  'a negated': (proof) => ({ ...proof, a: negated(proof.a) }),
  'b negated': (proof) => wireProof({ ...pointsOf(proof), b: pointsOf(proof).b.negate() }),
  'c negated': (proof) => ({ ...proof, c: negated(proof.c) }),
  'a and c negated': (proof) => ({ ...proof, a: negated(proof.a), c: negated(proof.c) }),
  'c plus the generator': (proof) => wireProof({ ...pointsOf(proof), c: pointsOf(proof).c.add(Point1.BASE) }),
  'all generators': () => wireProof({ a: Point1.BASE, b: Point2.BASE, c: Point1.BASE }),
};

function plusOne(coordinate: string): string {
  return String((BigInt(coordinate) + 1n) % BASE_FIELD_ORDER);
}

function negated([x, y]: WireProof['a']): WireProof['a'] {
  return [x, String(BASE_FIELD_ORDER - BigInt(y))];
}

/** One fact's inputs, changed so that one public signal comes out other than the verifier expects. */
type InputChange<F extends FactId> = (inputs: CircuitInputs<F>, phone: RawPhone) => CircuitInputs<F>;

/** Good witnesses of other statements: proofs are made of them without complaint. */
export const ALTERED_SIGNALS: {
  readonly [F in FactId]: Readonly<Record<SignalName<F>, InputChange<F>>>;
} = {
  pin: {
    commitment: (inputs) => ({ ...inputs, pinKey: inputs.pinKey + 1n }),
    challenge: (inputs) => ({ ...inputs, challenge: inputs.challenge + 1n }),
  },
  account: {
    // A tree of this holder's own making, over an account it would like to own.
    accountsRoot: (inputs) => {
      const accountKey = inputs.accountKey + 1n;
      const { paths } = accountsTree([accountKey], holderCommitment(inputs.holderSecret));
      return { ...inputs, accountKey, index: 0n, siblings: paths[0] ?? [] };
    },
    accountRef: (inputs, { issued }) => {
      const other = issued.accounts.find(({ accountKey }) => BigInt(accountKey) !== inputs.accountKey);
      if (other === undefined) throw new TypeError('this takes a phone with two accounts');
      const { accountKey, index, siblings } = other;
      return {
        ...inputs,
        accountKey: BigInt(accountKey),
        index: BigInt(index),
        siblings: siblings.map(BigInt),
      };
    },
    challenge: (inputs) => ({ ...inputs, challenge: inputs.challenge + 1n }),
    scope: (inputs) => ({ ...inputs, scope: inputs.scope + 1n }),
    reveal: (inputs) => ({ ...inputs, reveal: 1n - inputs.reveal }),
  },
  range: {
    // Claims that the issuer never saw.
    credential: (inputs) => ({ ...inputs, salt: inputs.salt + 1n }),
    challenge: (inputs) => ({ ...inputs, challenge: inputs.challenge + 1n }),
    schema: (inputs) => ({ ...inputs, schema: inputs.schema + 1n }),
    index: (inputs) => {
      const index = inputs.index + 1n;
      const claim = inputs.claims[Number(index)] ?? 0n;
      return { ...inputs, index, lower: claim, upper: claim };
    },
    lower: (inputs) => ({ ...inputs, lower: inputs.lower - 1n }),
    upper: (inputs) => ({ ...inputs, upper: inputs.upper + 1n }),
  },
  member: {
    credential: (inputs) => ({ ...inputs, salt: inputs.salt + 1n }),
    challenge: (inputs) => ({ ...inputs, challenge: inputs.challenge + 1n }),
    schema: (inputs) => ({ ...inputs, schema: inputs.schema + 1n }),
    index: (inputs) => {
      const index = inputs.index + 1n;
      return { ...inputs, index, value0: inputs.claims[Number(index)] ?? 0n };
    },
    // One more value, or another one in place of the first, beside which the claim is still listed.
    ...(Object.fromEntries(
      MEMBER_VALUES.map((name, i): [string, InputChange<'member'>] => [
        name,
        (inputs) => {
          const claim = inputs.claims[Number(inputs.index)] ?? 0n;
          return { ...inputs, [MEMBER_VALUES[(i + 1) % 8] ?? '']: claim, [name]: 99n };
        },
      ]),
    ) as Record<(typeof MEMBER_VALUES)[number], InputChange<'member'>>),
  },
};

/** Applies a change to the first fact's proof. */
export function withProof(change: ProofChange): (presentation: WirePresentation) => WirePresentation {
  return ({ facts: [first, ...rest], ...presentation }) => {
    if (first === undefined) throw new TypeError('a presentation has a fact');
    return { ...presentation, facts: [{ ...first, proof: change(first.proof) }, ...rest] };
  };
}
