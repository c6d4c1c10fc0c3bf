import { AkashiError, parse } from '@akashi/circuits';
import { artifactLoader } from './artifact.ts';
import { encodeParts, encodePreparation } from './preparation.ts';
import { jobShape, type News } from './prover-message.ts';
import { openProving, type Proving } from './proving.ts';

// The module worker of `workerProver`. It needs `script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'` and no more:
// no worker of its own, no blob, no eval.

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const provings = new Map<string, Proving>();

globalThis.onmessage = async ({ data }: MessageEvent<unknown>) => {
  const job = parse(jobShape, data);
  const { id, fact, inputs, artifactsUrl = new URL('./artifacts/', import.meta.url).href } = job;
  const tell = (news: News) => globalThis.postMessage(news);
  const onProgress = (stage: 'loading' | 'proving') => tell({ kind: 'stage', id, stage });
  try {
    const proving =
      provings.get(artifactsUrl) ?? openProving({ load: artifactLoader({ artifactsUrl }), random });
    provings.set(artifactsUrl, proving);
    if (job.kind === 'prove') {
      tell({ kind: 'proof', id, proof: await proving.prove(fact, inputs, { onProgress }) });
    } else {
      const preparation = await proving.prepare(fact, inputs, {
        onProgress,
        done: job.done,
        onPart: (parts) => tell({ kind: 'parts', id, parts: encodeParts(parts) }),
      });
      tell({ kind: 'preparation', id, preparation: encodePreparation(preparation) });
    }
  } catch (error) {
    tell({ kind: 'error', id, code: error instanceof AkashiError ? error.code : 'proof_failed' });
  }
};
