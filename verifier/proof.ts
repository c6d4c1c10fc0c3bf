import { createHash } from 'node:crypto';
import {
  AkashiError,
  coordinate,
  FACTS,
  type FactId,
  FIELD_ORDER,
  type Proof,
  parse,
} from '@akashi/circuits';
import { type Address, ELEMENT_BYTES } from '@akashi/circuits/bn254';
import * as v from 'valibot';
import { type Curve, FP12_BYTES, G1_BYTES, G2_BYTES, startCurve } from './curve.ts';
import {
  CLAIMS_MAX,
  type Claim,
  createEquation,
  type Equation,
  POINT_BYTES,
  type PointBytes,
  type PreparedKey,
} from './equation.ts';
import { createPairing, type Pairing } from './pairing.ts';
import { createSubgroupCheck, type SubgroupCheck } from './subgroup.ts';
import type { Random } from './token.ts';

// Groth16 over BN254 (docs/protocol.md, section 3): keys, the strict reading of proofs, and whether they hold. The
// equation is in equation.ts, the pairing in pairing.ts.

/** A verification key, checked and prepared. Keys live as long as the process: nothing of them is ever freed. */
export interface VerificationKey extends PreparedKey {
  readonly fact: FactId;
}

/**
 * The three points of a proof: on their curves, not infinity, B in the subgroup of order r. Bytes of this build's
 * arithmetic: for another thread of this process, never for a file or a wire.
 */
export interface ProofPoints {
  readonly bytes: PointBytes;
}

/** A proof to be checked, whose points are parsed. */
export interface ProofCheck {
  readonly key: VerificationKey;
  /** In registry order. */
  readonly signals: readonly bigint[];
  readonly points: ProofPoints;
}

// The file of a key as snarkjs exports it. Points are projective there with z = 1: any other z, infinity (z = 0)
// included, is refused. `vk_alphabeta_12` is not read: it is computed from alpha and beta.
const fileG1 = v.pipe(
  v.strictTuple([coordinate, coordinate, v.literal('1')]),
  v.transform(([x, y]): Proof['a'] => [x, y]),
);
const fileFp2 = v.strictTuple([coordinate, coordinate]);
const fileG2 = v.pipe(
  v.strictTuple([fileFp2, fileFp2, v.strictTuple([v.literal('1'), v.literal('0')])]),
  v.transform(([x, y]): Proof['b'] => [x, y]),
);
const keyFileShape = v.strictObject({
  protocol: v.literal('groth16'),
  curve: v.literal('bn128'),
  nPublic: v.number(),
  vk_alpha_1: fileG1,
  vk_beta_2: fileG2,
  vk_gamma_2: fileG2,
  vk_delta_2: fileG2,
  vk_alphabeta_12: v.optional(v.unknown()),
  IC: v.array(fileG1),
});

interface Engine {
  readonly curve: Curve;
  readonly pairing: Pairing;
  readonly inSubgroup: SubgroupCheck;
  readonly equation: Equation;
  /** Where one proof is read. */
  readonly points: Address;
  /** What keys may have in common, by what it was made of: the lines of points, values of e(alpha, beta). */
  readonly shared: Map<string, Address>;
}

let starting: Promise<Engine> | undefined;
let started: Engine | undefined;

/** Once per process: keys and points mean something in one memory only. */
function startEngine(): Promise<Engine> {
  starting ??= startCurve().then((curve) => {
    const pairing = createPairing(curve);
    const inSubgroup = createSubgroupCheck(curve);
    const equation = createEquation(curve, pairing);
    const points = curve.allocate(POINT_BYTES);
    started = { curve, pairing, inSubgroup, equation, points, shared: new Map() };
    return started;
  });
  return starting;
}

function engine(): Engine {
  if (started === undefined) throw new TypeError('load a key first');
  return started;
}

/**
 * The verification key of a fact, from the bytes of its `vkey.json`.
 * @param expectedSha256 the registered digest, in hex
 * @throws AkashiError `artifact_invalid`: other bytes than registered, a point that is not of its group or is
 * infinity, gamma = delta (anyone could then make proofs of anything), or another count of signals than the registry's
 */
export async function loadKey(
  fact: FactId,
  bytes: Uint8Array,
  expectedSha256: string,
): Promise<VerificationKey> {
  if (createHash('sha256').update(bytes).digest('hex') !== expectedSha256) {
    throw new AkashiError('artifact_invalid');
  }
  const engine = await startEngine();
  try {
    const file = parse(keyFileShape, JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
    return prepareKey(engine, fact, file);
  } catch (cause) {
    throw new AkashiError('artifact_invalid', { cause });
  }
}

function prepareKey(engine: Engine, fact: FactId, file: v.InferOutput<typeof keyFileShape>): VerificationKey {
  const { curve } = engine;
  const signals = FACTS[fact].outputs.length + FACTS[fact].inputs.length;
  if (file.nPublic !== signals || file.IC.length !== signals + 1) throw new AkashiError('malformed');
  const gamma = preparedLines(engine, file.vk_gamma_2);
  const delta = preparedLines(engine, file.vk_delta_2);
  if (gamma === delta) throw new AkashiError('malformed');
  const alphaBeta = pairingOf(engine, file.vk_alpha_1, file.vk_beta_2);
  const ic = curve.allocate(file.IC.length * G1_BYTES);
  for (const [i, point] of file.IC.entries()) curve.writeG1(ic + i * G1_BYTES, point);
  return { fact, signals, ic, alphaBeta, gamma, delta };
}

/** The lines of a point, made once: keys that share a point share its place in the equation. */
function preparedLines(engine: Engine, point: Proof['b']): Address {
  return once(engine, `lines ${point.flat().join()}`, () => {
    const at = engine.curve.allocate(G2_BYTES);
    writeG2(engine, at, point);
    return engine.pairing.prepare(at);
  });
}

function pairingOf(engine: Engine, p: Proof['a'], q: Proof['b']): Address {
  return once(engine, `pairing ${[p, q].flat(2).join()}`, () => {
    const { curve, pairing } = engine;
    const [to, g1, g2] = [curve.allocate(FP12_BYTES), curve.allocate(G1_BYTES), curve.allocate(G2_BYTES)];
    curve.writeG1(g1, p);
    writeG2(engine, g2, q);
    const scales = curve.allocate(3 * ELEMENT_BYTES);
    curve.copy(scales, g1 + ELEMENT_BYTES, ELEMENT_BYTES);
    curve.copy(scales + ELEMENT_BYTES, g1, ELEMENT_BYTES);
    curve.writeBase(scales + 2 * ELEMENT_BYTES, 1n);
    pairing.miller(to, [{ scales, q: g2 }], []);
    pairing.finalExponentiation(to);
    return to;
  });
}

function once({ shared }: Engine, name: string, make: () => Address): Address {
  const before = shared.get(name);
  if (before !== undefined) return before;
  const made = make();
  shared.set(name, made);
  return made;
}

function writeG2({ curve, inSubgroup }: Engine, to: Address, point: Proof['b']): void {
  curve.writeTwist(to, point);
  if (!inSubgroup(to)) throw new AkashiError('malformed');
}

/**
 * The points of a proof whose coordinates are parsed: the part of the checks that needs no key, so that a proof
 * that is no proof at all costs its sender a 400 and uses nothing up. At least one key must have been loaded.
 * @throws AkashiError `malformed`
 */
export function parsePoints(proof: Proof): ProofPoints {
  const { curve, points, inSubgroup } = engine();
  const b = points + G1_BYTES;
  // The cheap questions first.
  curve.writeG1(points, proof.a);
  curve.writeG1(b + G2_BYTES, proof.c);
  curve.writeTwist(b, proof.b);
  if (!inSubgroup(b)) throw new AkashiError('malformed');
  return { bytes: curve.bytes(points, POINT_BYTES).slice() };
}

/**
 * Holds the count and range of public signals against their key.
 * @throws AkashiError `malformed` for another count or a value that is no field element: s and s + r give the same
 * sum, so a value outside the field would be a second name for one inside
 */
export function requireSignals(key: VerificationKey, signals: readonly bigint[]): void {
  const fit = signals.length === key.signals && signals.every((value) => value >= 0n && value < FIELD_ORDER);
  if (!fit) throw new AkashiError('malformed');
}

/**
 * Whether the points prove the fact of `key` for these public signals, in registry order.
 * @throws AkashiError `malformed`, see {@link requireSignals}
 */
export function verifyPoints(key: VerificationKey, signals: readonly bigint[], points: ProofPoints): boolean {
  requireSignals(key, signals);
  return engine().equation([{ key, signals, points: points.bytes }], noRandomness);
}

/**
 * Which of many proofs hold, under one key or several, in one equation. Where it fails, its halves are asked, with
 * fresh coefficients, down to the one that is bad; where both halves fail, each proof is asked alone, so that a crowd
 * of bad ones costs less than twice what they cost one by one.
 * @param random unpredictable
 * @returns for each check, in order, what {@link verifyPoints} says, but for a chance of 2^-128
 * @throws AkashiError `malformed`, see {@link requireSignals}: for any of them, before any arithmetic
 */
export function verifyBatch(checks: readonly ProofCheck[], random: Random): readonly boolean[] {
  for (const { key, signals } of checks) requireSignals(key, signals);
  const { equation } = engine();
  const holds = (part: readonly Claim[]) => equation(part, random);

  /** The verdicts of a part that does not hold. */
  function locate(part: readonly Claim[]): readonly boolean[] {
    if (part.length === 1) return [false];
    const middle = Math.ceil(part.length / 2);
    const halves = [part.slice(0, middle), part.slice(middle)].map((half) => ({ half, good: holds(half) }));
    if (halves.every(({ good }) => !good)) return part.map((claim) => holds([claim]));
    return halves.flatMap(({ half, good }) => (good ? half.map(() => true) : locate(half)));
  }

  const verdicts: boolean[] = [];
  for (let from = 0; from < checks.length; from += CLAIMS_MAX) {
    const part = checks
      .slice(from, from + CLAIMS_MAX)
      .map(({ key, signals, points }) => ({ key, signals, points: points.bytes }));
    verdicts.push(...(holds(part) ? part.map(() => true) : locate(part)));
  }
  return verdicts;
}

/**
 * Whether `proof` proves the fact of `key` for these public signals, in registry order: {@link parsePoints}, then
 * {@link verifyPoints}.
 * @throws AkashiError `malformed` as both do
 */
export function verifyProof(key: VerificationKey, signals: readonly bigint[], proof: Proof): boolean {
  return verifyPoints(key, signals, parsePoints(proof));
}

/** One equation alone has the coefficient 1. */
function noRandomness(): Uint8Array {
  throw new TypeError('one proof needs no coefficient');
}
