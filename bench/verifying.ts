import { FACT_IDS, type FactId, parseProof, signalsToArray, type WireProof } from '@akashi/circuits';
import type { Prover } from '@akashi/sdk/holder';
import { verify as zkKitVerify } from '@zk-kit/groth16';
import { parsePoints, verifyBatch, verifyProof } from '../verifier/proof.ts';
import type { VerificationKeys } from '../verifier/verification-keys.ts';
import { type FactKey, nobleSays, peerKey, proofText, snarkjsSays } from './peer-key.ts';
import { median, rounded } from './quantile.ts';
import type { Results } from './results.ts';
import { type Random, SAMPLES } from './samples.ts';

// Checking proofs, beside the other verifiers there are in JavaScript: a proof of each fact by turns, parsing included,
// everyone in the same process, one after the other in every run, so that whatever else the machine does meets all.

const BATCH = 64;
const WARM_UP = 6;

type VerifyFigures = Results['verify'];

interface Subject {
  readonly fact: FactId;
  readonly key: FactKey;
  readonly signals: readonly bigint[];
  readonly proof: WireProof;
}

/** @param runs at least 30, of every verifier */
export async function measureVerifying(
  keys: VerificationKeys,
  prover: Prover,
  runs: number,
  random: Random,
): Promise<VerifyFigures> {
  const subjects: Subject[] = [];
  for (const fact of FACT_IDS) subjects.push(await subjectOf(fact, prover, random));
  const subject = (i: number): Subject => {
    const found = subjects[i % subjects.length];
    if (found === undefined) throw new TypeError('no facts');
    return found;
  };
  const verifiers = {
    single: ({ fact, signals, proof }: Subject) => verifyProof(keys[fact], signals, parseProof(proof)),
    snarkjs: withCurve(({ key, signals, proof }: Subject) => snarkjsSays(key, signals, proof)),
    zkKit: withCurve(zkKitSays),
    noble: ({ key, signals, proof }: Subject) => nobleSays(key, signals, proof),
  };
  const batch = () =>
    verifyBatch(
      Array.from({ length: BATCH }, (_, i) => {
        const { fact, signals, proof } = subject(i);
        return { key: keys[fact], signals, points: parsePoints(parseProof(proof)) };
      }),
      random,
    ).every(Boolean);

  const times = { single: [], snarkjs: [], zkKit: [], noble: [], batch: [] } as Record<string, number[]>;
  for (let run = -WARM_UP; run < runs; run++) {
    const checks: readonly (readonly [string, () => boolean | Promise<boolean>])[] = [
      ...Object.entries(verifiers).map(([name, says]) => [name, () => says(subject(run + WARM_UP))] as const),
      ['batch', batch],
    ];
    for (const [name, check] of checks) {
      const begun = performance.now();
      const holds = await check();
      const took = performance.now() - begun;
      if (!holds) throw new Error(`${name}: the proof does not hold`);
      if (run >= 0) times[name]?.push(took);
    }
  }
  await withCurve.end();
  return figures(runs, (name) => median(times[name] ?? []));
}

function figures(runs: number, of: (name: string) => number): VerifyFigures {
  const [single, snarkjs, perProof] = [of('single'), of('snarkjs'), of('batch') / BATCH];
  return {
    runs,
    singleMs: rounded(single),
    batch64PerProofMs: rounded(perProof),
    snarkjsMs: rounded(snarkjs),
    zkKitMs: rounded(of('zkKit')),
    nobleMs: rounded(of('noble')),
    ratioSingle: rounded(snarkjs / single),
    ratioBatch: rounded(snarkjs / perProof),
  };
}

async function subjectOf<F extends FactId>(fact: F, prover: Prover, random: Random): Promise<Subject> {
  const { inputs, signals } = SAMPLES[fact](random);
  const proof = await prover.prove(fact, inputs);
  return { fact, key: await peerKey(fact), signals: signalsToArray(fact, signals), proof };
}

function zkKitSays({ key, signals, proof }: Subject): Promise<boolean> {
  const { pi_a, pi_b, pi_c, ...named } = proofText(proof);
  // It wants arrays that it could write to.
  const writable = { pi_a: [...pi_a], pi_b: pi_b.map((pair) => [...pair]), pi_c: [...pi_c], ...named };
  return zkKitVerify(key.text, { proof: writable, publicSignals: signals.map(String) });
}

interface Curve {
  terminate(): Promise<void>;
}

const place = globalThis as { curve_bn128?: Curve | undefined };
const curves = new Set<Curve>();

/**
 * snarkjs and zk-kit keep their curve, of different versions of one library, in the same global: each is given its own
 * back, so that neither is measured with the other's.
 */
function withCurve<A, R>(work: (argument: A) => Promise<R>): (argument: A) => Promise<R> {
  let own: Curve | undefined;
  return async (argument) => {
    const before = place.curve_bn128;
    place.curve_bn128 = own;
    try {
      return await work(argument);
    } finally {
      own = place.curve_bn128;
      if (own !== undefined) curves.add(own);
      place.curve_bn128 = before;
    }
  };
}

/** Ends the threads of these curves, or the process never exits. */
withCurve.end = async (): Promise<void> => {
  for (const curve of curves) await curve.terminate();
  curves.clear();
};
