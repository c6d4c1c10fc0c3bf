import { type Holder, indexedDbStorage, openHolder, workerProver } from '@akashi/sdk/holder';

// Runs in the browser: a phone page that tells when its calls leave and answers come. pin-path.ts calls it from outside.

/** Milliseconds since the PIN was typed. */
export interface PinPath {
  readonly pinSent: number;
  readonly pinAnswered: number;
  readonly presentationSent: number;
}

export interface PinPathPage {
  open(verifier: string): Promise<void>;
  /** Enrols, and prepares all there is. */
  enrol(link: string, pin: string): Promise<void>;
  accept(id: string): Promise<void>;
  present(id: string, code: string, pin: string): Promise<PinPath & { readonly verdict: string | null }>;
  /** Milliseconds of a fixed piece of work on the main thread. */
  calibrate(): number;
}

let holder: Holder;
const calls: { path: string; sent: number; answered: number }[] = [];

const timedFetch: typeof fetch = async (input, init) => {
  const call = { path: new URL(String(input)).pathname, sent: performance.now(), answered: 0 };
  calls.push(call);
  const answer = await fetch(input, init);
  call.answered = performance.now();
  return answer;
};

const page: PinPathPage = {
  async open(verifier) {
    const prover = workerProver({ workerUrl: '/prover-worker.js', artifactsUrl: '/artifacts/' });
    holder = await openHolder({
      verifier,
      prover,
      storage: indexedDbStorage({ name: 'path' }),
      fetch: timedFetch,
    });
  },
  async enrol(link, pin) {
    await holder.enrol({
      link,
      pin,
      exchange: async (receipt) => (await fetch('/exchange', { method: 'POST', body: receipt })).json(),
    });
    await holder.prepare();
  },
  async accept(id) {
    await holder.accept(id);
  },
  async present(id, code, pin) {
    calls.length = 0;
    const typed = performance.now();
    const { verdict } = await holder.present(id, { code, pin });
    const evaluation = calls.find(({ path }) => path.endsWith('/oprf'));
    const presentation = calls.find(({ path }) => path.endsWith('/presentation'));
    if (!evaluation || !presentation) throw new Error('a call was not made');
    return {
      verdict,
      pinSent: evaluation.sent - typed,
      pinAnswered: evaluation.answered - typed,
      presentationSent: presentation.sent - typed,
    };
  },
  calibrate() {
    const begun = performance.now();
    let state = 1;
    for (let round = 0; round < 30_000_000; round++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
    }
    // The result is looked at, so that the loop cannot be taken out as one that does nothing.
    if (state === 0) throw new Error('xorshift never reaches zero');
    return performance.now() - begun;
  },
};

Object.assign(globalThis, { pinPathPage: page });
