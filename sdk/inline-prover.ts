import { type ArtifactOptions, artifactLoader } from './artifact.ts';
import type { Prover } from './prover.ts';
import { openProving, type Proving } from './proving.ts';

export interface InlineProverOptions extends Omit<ArtifactOptions, 'artifactsUrl'> {
  /** Folder of the artifacts. Default: those of the installed @akashi/circuits in Node, `artifacts/` beside the module in browsers. */
  readonly artifactsUrl?: URL | string;
  /** Cryptographically secure. */
  readonly random?: (length: number) => Uint8Array;
}

/**
 * Proves in the calling thread, letting its other tasks in now and then: for Node, where nobody waits for a screen.
 * In a page, use `workerProver`.
 */
export function inlineProver(options: InlineProverOptions = {}): Prover {
  const { random = (length) => crypto.getRandomValues(new Uint8Array(length)) } = options;
  let proving: Proving | undefined;
  const open = () => {
    const load = artifactLoader({ ...options, artifactsUrl: options.artifactsUrl ?? defaultFolder() });
    return openProving({ load, random });
  };
  return {
    async prove(fact, inputs, proveOptions = {}) {
      proving ??= open();
      return proving.prove(fact, inputs, proveOptions);
    },
    async prepare(fact, inputs, prepareOptions = {}) {
      proving ??= open();
      return proving.prepare(fact, { ...inputs }, prepareOptions);
    },
    close() {
      proving = undefined;
    },
  };
}

function defaultFolder(): URL {
  const isNode = import.meta.url.startsWith('file:');
  return new URL(
    './artifacts/',
    isNode ? import.meta.resolve('@akashi/circuits/artifacts.json') : import.meta.url,
  );
}
