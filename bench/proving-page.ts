import { type FactId, signalsToArray, type WireProof } from '@akashi/circuits';
import { type Prover, workerProver } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { SAMPLES } from './samples.ts';

// Runs in the browser, under the policy of a phone page. proving.ts calls it from outside.

/** Where the prover runs: as apps use it, or on the thread that the browser can slow down. */
export type Where = 'worker' | 'mainThread';

/** One proof, with what the verifier needs to check it: a time counts only if the proof holds. */
export interface TimedProof {
  readonly ms: number;
  readonly proof: WireProof;
  /** Decimal, in registry order. */
  readonly signals: readonly string[];
}

export interface ProvingPage {
  prove(where: Where, fact: FactId): Promise<TimedProof>;
  /** Milliseconds of a fixed piece of work on the main thread. */
  calibrate(): number;
}

declare global {
  var provingPage: ProvingPage;
}

const artifactsUrl = new URL('/artifacts/', location.href);
const provers: Readonly<Record<Where, Prover>> = {
  worker: workerProver({ workerUrl: new URL('/prover-worker.js', location.href), artifactsUrl }),
  mainThread: inlineProver({ artifactsUrl }),
};

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

async function prove<F extends FactId>(where: Where, fact: F): Promise<TimedProof> {
  const { inputs, signals } = SAMPLES[fact](random);
  const begun = performance.now();
  const proof = await provers[where].prove(fact, inputs);
  const ms = performance.now() - begun;
  return { ms, proof, signals: signalsToArray(fact, signals).map(String) };
}

const CALIBRATION_ROUNDS = 30_000_000;

function calibrate(): number {
  const begun = performance.now();
  let state = 1;
  for (let round = 0; round < CALIBRATION_ROUNDS; round++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  // The result is looked at, so that the loop cannot be taken out as one that does nothing.
  if (state === 0) throw new Error('xorshift never reaches zero');
  return performance.now() - begun;
}

globalThis.provingPage = { prove, calibrate };
