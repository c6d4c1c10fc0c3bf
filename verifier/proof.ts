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
import mcl, { type Fp, type Fp2, type Fr, type G1, type G2, type GT, type PrecomputedG2 } from 'mcl-wasm';
import * as v from 'valibot';

// Groth16 over BN254 (docs/protocol.md, section 3). A proof (A, B, C) holds for the public signals s when
//   e(A, B) = e(alpha, beta) * e(IC_0 + sum s_i IC_i, gamma) * e(C, delta).
// Everything that does not depend on the proof is computed when the key is loaded: e(alpha, beta), and the lines
// of gamma and delta. What is left is one Miller loop over B, two over prepared lines, one final exponentiation.

/** A verification key, checked and prepared. Keys live as long as the process: their lines are never freed. */
export interface VerificationKey {
  readonly fact: FactId;
  readonly ic: readonly G1[];
  readonly alphaBeta: GT;
  readonly gamma: PrecomputedG2;
  readonly delta: PrecomputedG2;
}

/** The three points of a proof: on their curves, not infinity, B in the subgroup of order r. */
export interface ProofPoints {
  readonly a: G1;
  readonly b: G2;
  readonly c: G1;
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

let engine: Promise<void> | undefined;

/** The curve, once per process: mcl keeps it in module state. */
function startEngine(): Promise<void> {
  engine ??= mcl.init(mcl.BN_SNARK1).then(() => {
    // The order of each point of G2 is checked in pointOfG2, in sight; done by mcl as well it would cost twice.
    mcl.verifyOrderG2(false);
  });
  return engine;
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
  await startEngine();
  try {
    const file = parse(keyFileShape, JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
    return prepareKey(fact, file);
  } catch (cause) {
    throw new AkashiError('artifact_invalid', { cause });
  }
}

function prepareKey(fact: FactId, file: v.InferOutput<typeof keyFileShape>): VerificationKey {
  const signals = FACTS[fact].outputs.length + FACTS[fact].inputs.length;
  if (file.nPublic !== signals || file.IC.length !== signals + 1) throw new AkashiError('malformed');
  const alpha = pointOfG1(file.vk_alpha_1);
  const beta = pointOfG2(file.vk_beta_2);
  const gamma = pointOfG2(file.vk_gamma_2);
  const delta = pointOfG2(file.vk_delta_2);
  if (gamma.isEqual(delta)) throw new AkashiError('malformed');
  return {
    fact,
    ic: file.IC.map(pointOfG1),
    alphaBeta: mcl.pairing(alpha, beta),
    gamma: new mcl.PrecomputedG2(gamma),
    delta: new mcl.PrecomputedG2(delta),
  };
}

/**
 * The points of a proof whose coordinates are parsed: the part of the checks that needs no key, so that a proof
 * that is no proof at all costs its sender a 400 and uses nothing up. At least one key must have been loaded.
 * @throws AkashiError `malformed`
 */
export function parsePoints(proof: Proof): ProofPoints {
  return { a: pointOfG1(proof.a), b: pointOfG2(proof.b), c: pointOfG1(proof.c) };
}

/**
 * Whether the points prove the fact of `key` for these public signals, in registry order.
 * @throws AkashiError `malformed` for another count of signals or a value that is no field element: s and s + r
 * give the same sum, so a value outside the field would be a second name for one inside
 */
export function verifyPoints(key: VerificationKey, signals: readonly bigint[], points: ProofPoints): boolean {
  const [constant, ...ic] = key.ic;
  if (constant === undefined || signals.length !== ic.length) throw new AkashiError('malformed');
  const sum = mcl.add(constant, mcl.mulVec(ic, signals.map(scalar)));
  const loops = mcl.mul(
    mcl.millerLoop(points.a, points.b),
    mcl.precomputedMillerLoop2(mcl.neg(sum), key.gamma, mcl.neg(points.c), key.delta),
  );
  return mcl.finalExp(loops).isEqual(key.alphaBeta);
}

/**
 * Whether `proof` proves the fact of `key` for these public signals, in registry order: {@link parsePoints}, then
 * {@link verifyPoints}.
 * @throws AkashiError `malformed` as both do
 */
export function verifyProof(key: VerificationKey, signals: readonly bigint[], proof: Proof): boolean {
  return verifyPoints(key, signals, parsePoints(proof));
}

// Affine coordinates cannot name infinity: (0, 0) is on neither curve. G1 has cofactor 1: its curve is its group.
function pointOfG1([x, y]: Proof['a']): G1 {
  const point = new mcl.G1();
  point.setX(base(x));
  point.setY(base(y));
  point.setZ(base(1n));
  if (!point.isValid()) throw new AkashiError('malformed');
  return point;
}

function pointOfG2([x, y]: Proof['b']): G2 {
  const point = new mcl.G2();
  point.setX(extension(x));
  point.setY(extension(y));
  point.setZ(extension([1n, 0n]));
  if (!point.isValid() || !point.isValidOrder()) throw new AkashiError('malformed');
  return point;
}

function base(value: bigint): Fp {
  const element = new mcl.Fp();
  element.setStr(value.toString(), 10);
  return element;
}

function extension([c0, c1]: readonly [bigint, bigint]): Fp2 {
  const element = new mcl.Fp2();
  element.set_a(base(c0));
  element.set_b(base(c1));
  return element;
}

function scalar(value: bigint): Fr {
  if (value < 0n || value >= FIELD_ORDER) throw new AkashiError('malformed');
  const element = new mcl.Fr();
  element.setStr(value.toString(), 10);
  return element;
}
