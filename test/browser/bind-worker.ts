import { SAMPLES } from '../../bench/samples.ts';
import { artifactLoader } from '../../sdk/artifact.ts';
import { bind } from '../../sdk/groth16.ts';
import { ProverCurve } from '../../sdk/prover-curve.ts';
import { openProving } from '../../sdk/proving.ts';

// A worker that binds as many proofs as it is told to, from one preparation, and answers with how often the arithmetic's
// memory had to grow meanwhile.

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const artifactsUrl = new URL('./artifacts/', import.meta.url).href;

let growths = 0;
const grow = WebAssembly.Memory.prototype.grow;
WebAssembly.Memory.prototype.grow = function (this: WebAssembly.Memory, pages: number) {
  growths += 1;
  return grow.call(this, pages);
};

const { challenge, ...fixed } = SAMPLES.pin(random).inputs;
const preparing = openProving({ load: artifactLoader({ artifactsUrl }), random }).prepare('pin', fixed, {});
const loading = ProverCurve.load();

globalThis.onmessage = async ({ data }: MessageEvent<number>) => {
  const [preparation, curve] = await Promise.all([preparing, loading]);
  const before = growths;
  for (let proof = 0; proof < data; proof++) bind(preparation, challenge + BigInt(proof), curve, random);
  globalThis.postMessage(growths - before);
};
