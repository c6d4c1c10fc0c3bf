import {
  AkashiError,
  bytesToInteger,
  type FactId,
  FIELD_ORDER,
  type ProvingKey,
  type WireProof,
  type Witness,
} from '@akashi/circuits';
import type { G1Point, G2Point } from '@akashi/circuits/bn254';
import { ELEMENT_BYTES } from '@akashi/circuits/bn254';
import { Domain } from './domain.ts';
import type { Pause, ProverCurve } from './prover-curve.ts';

// Late-bound Groth16 (docs/protocol.md, section 3): everything that does not depend on the challenge is computed
// ahead; a challenge is then bound by a few scalar multiplications.
//
// With challenge 0 the witness gives a, b and c. A challenge t adds t * challengePoint to a; and since its wire is
// in no constraint but the row that the setup adds for each public input, it changes the quotient linearly:
// H(t) = h0 + t * h1. So (a + t * challengePoint, b, c + h0 + t * h1) is a proof, the only one with no blinding.
//
// It is blinded by re-randomising: (A / rho, rho * B + sigma * delta, C + sigma * A / rho) for fresh rho, sigma. A and B are then
// uniform and C is what they make it, exactly as in a proof blinded with the usual r and s; so zero knowledge is
// the same, two proofs from one preparation share nothing, and the b points in G1 (a sixth of the key, one of six
// multi-exponentiations) are never needed.

/** What depends on the witness but not on the challenge. It tells the witness to a guesser: keep it encrypted. */
export interface Preparation {
  readonly a: G1Point;
  readonly b: G2Point;
  /** c + h0. */
  readonly c: G1Point;
  readonly h1: G1Point;
  /** From the key, so that binding needs no key. */
  readonly challenge: G1Point;
  readonly delta: G2Point;
}

export interface PrepareOptions {
  readonly pause: Pause;
  /** Parts of an earlier, interrupted call for the same key and witness: they are not computed again. */
  readonly done?: Partial<PreparedParts>;
  readonly onPart?: (parts: Partial<PreparedParts>) => void;
}

export type PreparedParts = Pick<Preparation, 'a' | 'b' | 'c' | 'h1'>;

/** Bytes from a cryptographic source. */
export type Random = (length: number) => Uint8Array;

/** Few points, each times a scalar of its own, added up: what binding needs of a curve. `undefined` is infinity. */
export interface Combiner {
  combineG1(points: readonly G1Point[], scalars: readonly bigint[]): G1Point | undefined;
  combineG2(points: readonly G2Point[], scalars: readonly bigint[]): G2Point | undefined;
}

/**
 * The heavy part: four multi-exponentiations.
 * @param witness made with challenge 0
 * @param challengeSignal place of `challenge` among the public signals, from 1
 */
export async function prepare<F extends FactId>(
  curve: ProverCurve,
  key: ProvingKey,
  witness: Witness<F>,
  challengeSignal: number,
  { pause, done = {}, onPart }: PrepareOptions,
): Promise<Preparation> {
  const start = curve.allocate(0);
  try {
    const wireValue = (wire: number): bigint => valueAt(witness.tape, key.wires[wire]);
    const parts: { -readonly [P in keyof PreparedParts]?: PreparedParts[P] } = { ...done };
    const finish = <P extends keyof PreparedParts>(
      name: P,
      point: PreparedParts[P] | undefined,
    ): PreparedParts[P] => {
      if (point === undefined) throw new AkashiError('proof_failed');
      parts[name] = point;
      onPart?.({ ...parts });
      return point;
    };
    const sumG1 = (packed: readonly Uint8Array[], scalars: readonly bigint[]) =>
      curve.multiexp(curve.g1, curve.writePoints(concatBytes(...packed)), scalars, pause);

    const a =
      parts.a ??
      finish('a', await sumG1([key.alpha, key.a.points], [1n, ...[...key.a.wires].map(wireValue)]));
    const b =
      parts.b ??
      finish(
        'b',
        await curve.multiexp(
          curve.g2,
          curve.writePoints(concatBytes(key.beta, key.b.points)),
          [1n, ...[...key.b.wires].map(wireValue)],
          pause,
        ),
      );
    if (parts.c === undefined || parts.h1 === undefined) {
      const { h0, h1 } = await quotient(curve, key, witness, challengeSignal, pause);
      parts.c ??= finish(
        'c',
        await sumG1([key.c.points, key.h], [...[...key.c.wires].map(wireValue), ...h0]),
      );
      parts.h1 ??= finish('h1', await sumG1([key.h], h1));
    }
    const challengePoint = [...key.a.wires].indexOf(challengeSignal);
    return {
      a,
      b,
      c: parts.c,
      h1: parts.h1,
      challenge: unpackG1(key.a.points.subarray(64 * challengePoint, 64 * challengePoint + 64)),
      delta: unpackG2(key.delta),
    };
  } finally {
    curve.release(start);
  }
}

/**
 * The scalars of the quotient on the coset: h0 for challenge 0, and h1, what each unit of the challenge adds.
 * With hats for values on the coset: `h0 = a^ b^ - (ab)^`, `h1 = u^ b^`, where u is 1 in the row of the challenge and 0
 * elsewhere (the product of u and b vanishes on the domain).
 */
async function quotient<F extends FactId>(
  curve: ProverCurve,
  key: ProvingKey,
  { tape }: Witness<F>,
  challengeSignal: number,
  pause: Pause,
): Promise<{ readonly h0: bigint[]; readonly h1: bigint[] }> {
  const start = curve.allocate(0);
  const domain = new Domain(curve, key.logDomain);
  const constraints = key.left.length;
  const bytes = domain.size * ELEMENT_BYTES;
  const vector = (values: readonly bigint[]) => {
    const at = curve.allocate(bytes);
    curve.writeScalars(at, values);
    return at;
  };
  // After the constraints the setup adds a row for 1 and each public signal, with nothing on the right.
  const publicRows = tape.slice(0, key.publicSignals + 1);
  const a = vector([...[...key.left].map((place) => valueAt(tape, place)), ...publicRows]);
  const b = vector([...key.right].map((place) => valueAt(tape, place)));
  const u = vector([...Array<bigint>(constraints + challengeSignal).fill(0n), 1n]);
  const product = curve.allocate(bytes);
  const rows = Array.from({ length: domain.size }, (_, i) => i * ELEMENT_BYTES);
  for (const row of rows) curve.fr.multiply(product + row, a + row, b + row);
  for (const values of [a, b, u, product]) await domain.toCoset(values, pause);
  for (const row of rows) {
    curve.fr.multiply(a + row, a + row, b + row);
    curve.fr.subtract(a + row, a + row, product + row);
    curve.fr.multiply(u + row, u + row, b + row);
  }
  const scalars = { h0: curve.readScalars(a, domain.size), h1: curve.readScalars(u, domain.size) };
  curve.release(start);
  return scalars;
}

/** The light part: a fresh proof for this challenge. */
export function bind(
  preparation: Preparation,
  challenge: bigint,
  combiner: Combiner,
  random: Random,
): WireProof {
  const rho = randomScalar(random);
  const sigma = randomScalar(random);
  const inverse = invertScalar(rho);
  const a = combiner.combineG1(
    [preparation.a, preparation.challenge],
    [inverse, (inverse * challenge) % FIELD_ORDER],
  );
  const b = combiner.combineG2([preparation.b, preparation.delta], [rho, sigma]);
  const c = a && combiner.combineG1([preparation.c, preparation.h1, a], [1n, challenge, sigma]);
  if (a === undefined || b === undefined || c === undefined) throw new AkashiError('proof_failed');
  return { a: pair(a), b: [pair(b[0]), pair(b[1])], c: pair(c) };
}

/** Uniform and not zero: 48 bytes cut by the order are within 2^-130 of it. */
function randomScalar(random: Random): bigint {
  return (bytesToInteger(random(48)) % (FIELD_ORDER - 1n)) + 1n;
}

function invertScalar(value: bigint): bigint {
  let [a, b, u, v] = [FIELD_ORDER, value, 0n, 1n];
  while (b > 0n) {
    const quotient = a / b;
    [a, b] = [b, a - quotient * b];
    [u, v] = [v, u - quotient * v];
  }
  return ((u % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER;
}

/** A place of the key on a tape; see proving-key.ts. */
function valueAt(tape: readonly bigint[], place: number | undefined): bigint {
  const value = place === undefined ? undefined : tape[place < 0 ? -1 - place : place];
  if (place === undefined || value === undefined) throw new AkashiError('artifact_invalid');
  return place < 0 && value > 0n ? FIELD_ORDER - value : value;
}

function unpackG1(packed: Uint8Array): G1Point {
  return [coordinateAt(packed, 0), coordinateAt(packed, 1)];
}

function unpackG2(packed: Uint8Array): G2Point {
  return [
    [coordinateAt(packed, 0), coordinateAt(packed, 1)],
    [coordinateAt(packed, 2), coordinateAt(packed, 3)],
  ];
}

function coordinateAt(packed: Uint8Array, place: number): bigint {
  return bytesToInteger(packed.subarray(32 * place, 32 * place + 32).toReversed());
}

function pair([x, y]: readonly [bigint, bigint]): [string, string] {
  return [x.toString(), y.toString()];
}

function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
