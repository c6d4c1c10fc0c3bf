import { createHash } from 'node:crypto';
import {
  BASE_FIELD_ORDER,
  FACT_IDS,
  type FactId,
  FIELD_ORDER,
  signalsToArray,
  type WireProof,
} from '@akashi/circuits';
import type { Prover } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import {
  BASE_G1,
  BASE_G2,
  type PointG1,
  type PointG2,
  pointsOf,
  wireG2,
  wireProof,
} from '../../bench/noble-points.ts';
import type { FactKey } from '../../bench/peer-key.ts';
import { type Random, SAMPLES } from '../../bench/samples.ts';
import { outsideSubgroup, smallOrder } from './points.ts';

// What the engine is held against its oracles over: valid proofs, well-formed ones of nothing, and what is no proof.
// A seed makes them all, so that a case that was found once is found again.

export type CaseClass = 'valid' | 'mutated' | 'malformed';

export interface OracleCase {
  readonly class: CaseClass;
  /** What was done to a valid proof. */
  readonly name: string;
  readonly fact: FactId;
  readonly signals: readonly bigint[];
  readonly proof: unknown;
}

/** Bytes that a seed fixes: SHA-256 of seed and counter. For cases; nothing secret comes from it. */
export function seededRandom(seed: string): Random {
  let counter = 0;
  return (length) => {
    const blocks: Buffer[] = [];
    for (let have = 0; have < length; have += 32) {
      blocks.push(createHash('sha256').update(`${seed}/${counter++}`).digest());
    }
    return Uint8Array.from(Buffer.concat(blocks).subarray(0, length));
  };
}

export function integer(random: Random, bytes = 16): bigint {
  return BigInt(`0x${Buffer.from(random(bytes)).toString('hex')}`) + 1n;
}

function choose<T>(random: Random, list: readonly T[]): T {
  const item = list[Number(integer(random) % BigInt(list.length))];
  if (item === undefined) throw new TypeError('nothing to choose from');
  return item;
}

interface Genuine {
  readonly fact: FactId;
  readonly signals: readonly bigint[];
  readonly proof: WireProof;
}

async function genuineProof<F extends FactId>(fact: F, prover: Prover, random: Random): Promise<Genuine> {
  const { inputs, signals } = SAMPLES[fact](random);
  return { fact, signals: signalsToArray(fact, signals), proof: await prover.prove(fact, inputs) };
}

/** Proofs by our own prover, of each fact and of random secrets. */
export async function genuineProofs(random: Random, perFact: number): Promise<readonly Genuine[]> {
  const prover = inlineProver({ random });
  const made: Genuine[] = [];
  for (let i = 0; i < perFact; i++) {
    for (const fact of FACT_IDS) made.push(await genuineProof(fact, prover, random));
  }
  prover.close();
  return made;
}

/**
 * Another proof of the same: (A/u, u B + u v delta, C + v A). Made in milliseconds, and its points have nothing
 * in common with the old ones. The scalars are short: what is wanted is other points, not secrecy.
 */
function rerandomised({ proof }: Genuine, key: FactKey, random: Random): WireProof {
  const { a, b, c } = pointsOf(proof);
  const [u, v] = [integer(random, 8), integer(random, 8)];
  return wireProof({
    a: a.multiplyUnsafe(inverse(u)),
    b: b.add(key.delta.multiplyUnsafe(v)).multiplyUnsafe(u),
    c: c.add(a.multiplyUnsafe(v)),
  });
}

function inverse(value: bigint): bigint {
  let [a, b, x, y] = [value % FIELD_ORDER, FIELD_ORDER, 1n, 0n];
  while (b > 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER;
}

type Keys = Readonly<Record<FactId, FactKey>>;
interface Parts {
  a: PointG1;
  b: PointG2;
  c: PointG1;
}
type Mutation = (parts: Parts, other: Parts, random: Random) => Partial<Parts>;

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'A negated': ({ a }) => ({ a: a.negate() }),
  'B negated': ({ b }) => ({ b: b.negate() }),
  'C negated': ({ c }) => ({ c: c.negate() }),
  'A and C exchanged': ({ a, c }) => ({ a: c, c: a }),
  'A moved': ({ a }) => ({ a: a.add(BASE_G1) }),
  'B moved': ({ b }) => ({ b: b.add(BASE_G2) }),
  'C moved': ({ c }) => ({ c: c.add(BASE_G1) }),
  'A of another proof': (_, { a }) => ({ a }),
  'B of another proof': (_, { b }) => ({ b }),
  'C of another proof': (_, { c }) => ({ c }),
  'A and B scaled alike': ({ a, b }, _, random) => {
    const scalar = integer(random, 8) + 1n;
    return { a: a.multiplyUnsafe(scalar), b: b.multiplyUnsafe(scalar) };
  },
  'only generators': () => ({ a: BASE_G1, b: BASE_G2, c: BASE_G1 }),
};

const SIGNAL_MUTATIONS: Readonly<
  Record<string, (signals: readonly bigint[], random: Random) => readonly bigint[]>
> = {
  'a bit of a signal': (signals, random) => {
    const index = Number(integer(random) % BigInt(signals.length));
    const flipped = (signals[index] ?? 0n) ^ (1n << (integer(random) % 240n));
    return signals.with(index, flipped % FIELD_ORDER);
  },
  'a signal replaced': (signals, random) => {
    const index = Number(integer(random) % BigInt(signals.length));
    return signals.with(index, integer(random, 31));
  },
  'two signals exchanged': (signals) =>
    signals.with(0, signals.at(-1) ?? 0n).with(signals.length - 1, signals[0] ?? 0n),
  'a signal negated': (signals, random) => {
    const index = Number(integer(random) % BigInt(signals.length));
    return signals.with(index, (FIELD_ORDER - (signals[index] ?? 0n)) % FIELD_ORDER);
  },
};

const SMALL_ORDERS = [10069n, 5864401n];
const text = (proof: WireProof, change: (coordinate: string) => string, place: number): WireProof => {
  let seen = 0;
  const next = (coordinate: string) => (seen++ === place ? change(coordinate) : coordinate);
  const pair = ([x, y]: readonly [string, string]): [string, string] => [next(x), next(y)];
  return { a: pair(proof.a), b: [pair(proof.b[0]), pair(proof.b[1])], c: pair(proof.c) };
};

type Malformation = (proof: WireProof, random: Random, small: readonly PointG2[]) => unknown;
const anywhere = (random: Random) => Number(integer(random) % 8n);
const p = BASE_FIELD_ORDER;

const MALFORMATIONS: Readonly<Record<string, Malformation>> = {
  'coordinate + p': (proof, random) => text(proof, (x) => String(BigInt(x) + p), anywhere(random)),
  'p itself': (proof, random) => text(proof, () => String(p), anywhere(random)),
  '2^256 - 1': (proof, random) => text(proof, () => String(2n ** 256n - 1n), anywhere(random)),
  'off its curve': (proof, random) => text(proof, (x) => String((BigInt(x) + 1n) % p), anywhere(random)),
  'a random coordinate': (proof, random) => text(proof, () => String(integer(random, 31)), anywhere(random)),
  'leading zero': (proof, random) => text(proof, (x) => `0${x}`, anywhere(random)),
  'plus sign': (proof, random) => text(proof, (x) => `+${x}`, anywhere(random)),
  'minus sign': (proof, random) => text(proof, (x) => `-${x}`, anywhere(random)),
  'a blank': (proof, random) => text(proof, (x) => `${x} `, anywhere(random)),
  hex: (proof, random) => text(proof, (x) => `0x${BigInt(x).toString(16)}`, anywhere(random)),
  nothing: (proof, random) => text(proof, () => '', anywhere(random)),
  'very long': (proof, random) => text(proof, (x) => x + x, anywhere(random)),
  'A at infinity': (proof) => ({ ...proof, a: ['0', '0'] }),
  'C at infinity': (proof) => ({ ...proof, c: ['0', '0'] }),
  'B at infinity': (proof) => ({
    ...proof,
    b: [
      ['0', '0'],
      ['0', '0'],
    ],
  }),
  'the parts of B exchanged': ({ b: [x, y], ...proof }) => ({
    ...proof,
    b: [x.toReversed(), y.toReversed()],
  }),
  'x and y of B exchanged': ({ b: [x, y], ...proof }) => ({ ...proof, b: [y, x] }),
  'B outside the subgroup': (proof, random) => ({
    ...proof,
    b: wireG2(outsideSubgroup(integer(random, 31))),
  }),
  'B of small order': (proof, random, small) => ({ ...proof, b: wireG2(choose(random, small)) }),
  'B moved by small order': (proof, random, small) => ({
    ...proof,
    b: wireG2(pointsOf(proof).b.add(choose(random, small))),
  }),
  'one more coordinate': (proof) => ({ ...proof, a: [...proof.a, '1'] }),
  'one coordinate less': (proof) => ({ ...proof, c: [proof.c[0]] }),
  'one more key': (proof) => ({ ...proof, d: proof.a }),
  'one key less': ({ a, b }) => ({ a, b }),
  numbers: ({ a: [x, y], ...proof }) => ({ ...proof, a: [Number(x), Number(y)] }),
};

/** An endless supply of cases of one class, every kind of it in turn. */
export function caseMaker(genuine: readonly Genuine[], keys: Keys, random: Random) {
  const small = SMALL_ORDERS.map((prime) => smallOrder(prime, 1n));
  const base = () => {
    const { fact, signals, proof } = choose(random, genuine);
    return { fact, signals, proof: rerandomised({ fact, signals, proof }, keys[fact], random) };
  };
  const kinds = {
    valid: ['re-randomised'],
    mutated: [...Object.keys(MUTATIONS), ...Object.keys(SIGNAL_MUTATIONS)],
    malformed: Object.keys(MALFORMATIONS),
  } as const;
  return (wanted: CaseClass, index: number): OracleCase => {
    const names = kinds[wanted];
    const name = names[index % names.length] ?? '';
    const made = { ...base(), class: wanted, name };
    const [mutation, signalMutation, malformation] = [
      MUTATIONS[name],
      SIGNAL_MUTATIONS[name],
      MALFORMATIONS[name],
    ];
    if (mutation !== undefined) {
      const parts = pointsOf(made.proof);
      const changed = { ...parts, ...mutation(parts, pointsOf(base().proof), random) };
      return { ...made, proof: wireProof(changed) };
    }
    if (signalMutation !== undefined) return { ...made, signals: signalMutation(made.signals, random) };
    if (malformation !== undefined) return { ...made, proof: malformation(made.proof, random, small) };
    return made;
  };
}
