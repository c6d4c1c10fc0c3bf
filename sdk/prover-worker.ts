import { AkashiError, parse } from '@akashi/circuits';
import { artifactLoader } from './artifact.ts';
import { jobShape, type News } from './prover-message.ts';
import { openProving, type ProveFact } from './proving.ts';

// The module worker of `workerProver`. It needs `script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'` and no more:
// no worker of its own, no blob, no eval.

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const provers = new Map<string, ProveFact>();

globalThis.onmessage = async ({ data }: MessageEvent<unknown>) => {
  const {
    id,
    fact,
    inputs,
    artifactsUrl = new URL('./artifacts/', import.meta.url).href,
  } = parse(jobShape, data);
  const tell = (news: News) => globalThis.postMessage(news);
  try {
    const prove =
      provers.get(artifactsUrl) ?? openProving({ load: artifactLoader({ artifactsUrl }), random });
    provers.set(artifactsUrl, prove);
    const proof = await prove(fact, inputs, { onProgress: (stage) => tell({ kind: 'stage', id, stage }) });
    tell({ kind: 'proof', id, proof });
  } catch (error) {
    tell({ kind: 'error', id, code: error instanceof AkashiError ? error.code : 'proof_failed' });
  }
};
