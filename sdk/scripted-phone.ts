import { AkashiError, type FactId, FIELD_ORDER, type WireProof } from '@akashi/circuits';
import type { G1Point, G2Point } from '@akashi/circuits/bn254';
import { bn254 } from '@noble/curves/bn254.js';
import type { Preparation } from './groth16.ts';
import {
  type DeviceStorage,
  type Holder,
  type HolderOptions,
  memoryStorage,
  openHolder,
  type Prover,
} from './holder.ts';
import { generateIssuerKeys, type Issuer, type IssuerOptions, openIssuer } from './issuer.ts';
import { ORIGIN } from './scripted-keys.ts';
import { type ScriptedVerifier, SUBJECT, TENANT } from './scripted-verifier.ts';

// Test support: a phone against a scripted verifier. Its prover writes down what it is asked to prove.

export const PIN = '739105';
export const ACCOUNTS = [
  { number: '1234567', label: 'Ordinary' },
  { number: '7654321', label: 'Savings' },
];

export interface ProvingJob {
  readonly fact: FactId;
  readonly inputs: Readonly<Record<string, unknown>>;
}

export interface Phone {
  readonly holder: Holder;
  readonly storage: DeviceStorage;
  readonly issuer: Issuer;
  readonly jobs: readonly ProvingJob[];
}

const { G1, G2 } = bn254;
const g1 = (factor: bigint): G1Point => {
  const { x, y } = G1.Point.BASE.multiply(factor).toAffine();
  return [x, y];
};
const g2 = (factor: bigint): G2Point => {
  const { x, y } = G2.Point.BASE.multiply(factor).toAffine();
  return [
    [x.c0, x.c1],
    [y.c0, y.c1],
  ];
};

/** Of no witness: small multiples of the generators, by which `isBoundTo` can tell what was done to them. */
const FACTORS = { a: 2n, b: 3n, c: 5n, h1: 7n, challenge: 11n, delta: 13n };
export const PREPARATION: Preparation = {
  a: g1(FACTORS.a),
  b: g2(FACTORS.b),
  c: g1(FACTORS.c),
  h1: g1(FACTORS.h1),
  challenge: g1(FACTORS.challenge),
  delta: g2(FACTORS.delta),
};

/** Whether a proof was bound from PREPARATION to this challenge: e(A, B) = e(a + t K, b) e(C - c - t h1, delta). */
export function isBoundTo(proof: WireProof, challenge: bigint): boolean {
  const [a, c] = [proof.a, proof.c].map(([x, y]) => G1.Point.fromAffine({ x: BigInt(x), y: BigInt(y) }));
  const [x, y] = proof.b.map(([c0, c1]) => ({ c0: BigInt(c0), c1: BigInt(c1) }));
  if (!a || !c || !x || !y) return false;
  const times = (factor: bigint) => factor % FIELD_ORDER;
  const bound = G1.Point.BASE.multiply(times(FACTORS.a + challenge * FACTORS.challenge));
  const rest = c.subtract(G1.Point.BASE.multiply(times(FACTORS.c + challenge * FACTORS.h1)));
  const product = bn254.pairingBatch([
    { g1: a.negate(), g2: G2.Point.fromAffine({ x, y }) },
    { g1: bound, g2: G2.Point.BASE.multiply(FACTORS.b) },
    { g1: rest, g2: G2.Point.BASE.multiply(FACTORS.delta) },
  ]);
  return bn254.fields.Fp12.eql(product, bn254.fields.Fp12.ONE);
}

export function recordingProver(jobs: ProvingJob[]): Prover {
  return {
    prove: () => Promise.reject(new AkashiError('proof_failed')),
    prepare: async (fact, inputs) => {
      jobs.push({ fact, inputs });
      return PREPARATION;
    },
    close: () => undefined,
  };
}

export async function openTestIssuer(
  verifier: ScriptedVerifier,
  options: Pick<IssuerOptions, 'publication'> = {},
): Promise<Issuer> {
  return openIssuer({
    verifier: ORIGIN,
    tenant: TENANT.id,
    apiKey: 'ak_test',
    fetch: verifier.fetch,
    now: () => verifier.now * 1000,
    ...(await generateIssuerKeys()),
    ...options,
  });
}

/** A phone that is not enrolled yet. Its own clock is years off. */
export async function openPhone(
  verifier: ScriptedVerifier,
  options: Partial<HolderOptions> = {},
): Promise<Phone> {
  const jobs: ProvingJob[] = [];
  const storage = options.storage ?? memoryStorage();
  const holder = await openHolder({
    verifier: ORIGIN,
    prover: recordingProver(jobs),
    fetch: verifier.fetch,
    now: () => 1_000_000_000_000,
    ...options,
    storage,
  });
  return { holder, storage, issuer: await openTestIssuer(verifier), jobs };
}

export async function enrolPhone(
  { holder, issuer }: Phone,
  verifier: ScriptedVerifier,
  pin = PIN,
): Promise<void> {
  await holder.enrol({
    link: verifier.link(),
    pin,
    exchange: (receipt) => issuer.issueAccounts({ receipt, subject: SUBJECT, accounts: ACCOUNTS }),
  });
}

export async function enrolledPhone(
  verifier: ScriptedVerifier,
  options: Partial<HolderOptions> = {},
): Promise<Phone> {
  const phone = await openPhone(verifier, options);
  await enrolPhone(phone, verifier);
  return phone;
}
