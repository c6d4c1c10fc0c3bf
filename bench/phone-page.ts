import type { Holder } from '@akashi/sdk/holder';

// The page of a tenant with the SDK and nothing else, told what to do by download.ts. It loads the SDK as a page's own
// script would, except that the SDK stays in files of its own, so that they can be counted.

export interface PhonePage {
  /** Milliseconds from the start of the navigation until the holder is open and the prover about to compute. */
  readonly ready: Promise<number>;
  /** @param link of the enrolment; the page's back end is `globalThis.exchange` */
  enrol(verifier: string, link: string, pin: string): Promise<void>;
  /** Opens the holder of an enrolled page, prepares what can be shown, and accepts. */
  accept(verifier: string, id: string): Promise<void>;
  /**
   * Milliseconds from the PIN handed over to the presentation about to be sent.
   * @throws Error unless it passes
   */
  present(id: string, code: string, pin: string): Promise<number>;
}

declare global {
  var phonePage: PhonePage;
  /** Accounts for a receipt: put there from outside. */
  var exchange: (receipt: string) => Promise<unknown>;
}

const sdk = '/sdk/holder.js';
const { indexedDbStorage, openHolder, workerProver }: typeof import('@akashi/sdk/holder') = await import(sdk);
const storage = indexedDbStorage({ name: 'bench' });
const prover = workerProver({ workerUrl: '/sdk/prover-worker.js', artifactsUrl: '/artifacts/' });

async function start(): Promise<number> {
  await openHolder({ verifier: location.origin, storage, prover });
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    const onProgress = (stage: 'loading' | 'proving') => {
      if (stage !== 'proving') return;
      resolve(performance.now());
      stop.abort();
    };
    prover
      .prepare('pin', { pinKey: 1n, holderSecret: 1n }, { signal: stop.signal, onProgress })
      .catch(reject);
  });
}

let holder: Holder | undefined;

globalThis.phonePage = {
  ready: start(),
  async enrol(verifier, link, pin) {
    holder = await openHolder({ verifier, storage, prover });
    await holder.enrol({ link, pin, exchange: (receipt) => globalThis.exchange(receipt) });
  },
  async accept(verifier, id) {
    holder = await openHolder({ verifier, storage, prover });
    // Whoever was asked before has prepared since: the app does that when it is idle.
    await holder.prepare();
    await holder.accept(id);
  },
  async present(id, code, pin) {
    if (holder === undefined) throw new TypeError('accept comes first');
    let sent = Number.NaN;
    const begun = performance.now();
    const { verdict } = await holder.present(id, {
      ...{ code, pin },
      onProgress: ({ phase }) => {
        if (phase === 'sending') sent = performance.now();
      },
    });
    if (verdict !== 'passed') throw new Error('the presentation did not pass');
    return sent - begun;
  },
};
