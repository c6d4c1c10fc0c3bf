import { AkashiError, type ErrorCode, FACTS } from '@akashi/circuits';
import {
  type Exchange,
  type Holder,
  indexedDbStorage,
  openHolder,
  type PresentProgress,
  workerProver,
} from '@akashi/sdk/holder';

// The phone page of the browser tests: the SDK with nothing around it, told what to do by the test.

/** What the page offers to the test. All of it is JSON. */
export interface PhonePage {
  /** @param ahead whether code is loaded before it is needed; default true */
  open(verifier: string, ahead?: boolean): Promise<PageState>;
  enrol(link: string, pin: string): Promise<PageState>;
  requests(): Promise<readonly string[]>;
  present(id: string, code: string, pin: string): Promise<Result>;
  /** Enrols, and gives up when this phase is reported, or after so many milliseconds. */
  enrolAndAbort(link: string, pin: string, stop: string | number): Promise<Result>;
  /** Presents, and gives up when this phase, or stage of the prover, is reported, or after so many milliseconds. */
  presentAndAbort(id: string, code: string, pin: string, stop: string | number): Promise<Result>;
  /** Prepares when idle, and gives up when so many statements are prepared, or after so many milliseconds. */
  prepareAndAbort(stop: { readonly done: number } | number): Promise<Result>;
  /** The passkeys of this device afterwards, and whether it can confirm with them. */
  addPasskey(pin: string, wrapSecrets?: boolean): Promise<PasskeyResult>;
  /** Whether the secrets need the passkey now, and all that the storage key opens. */
  kept(): Promise<{ readonly wrapped: boolean; readonly text: string }>;
  removePasskeys(): Promise<PasskeyResult>;
  canMakePasskeys(): Promise<boolean>;
  history(): Promise<readonly string[]>;
  /** How many workers of this page were started and not ended by it. */
  workers(): number;
  /** Whether the code that binds proofs came ahead, with all that it needs. */
  isBindingLoaded(): boolean;
  /** What the browser's policy refused so far. */
  violations(): readonly string[];
}

export interface PageState {
  readonly device: string | null;
  readonly storageLost: boolean;
}

export type PasskeyResult = { readonly usable: readonly boolean[] } | { readonly error: ErrorCode };

export type Result = { readonly verdict: string | null } | { readonly error: ErrorCode };

const violations: string[] = [];
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  violations.push(`${violatedDirective} ${blockedURI}`);
});

const workers = new Set<Worker>();
globalThis.Worker = class extends Worker {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    workers.add(this);
  }
  override terminate(): void {
    workers.delete(this);
    super.terminate();
  }
};

// One piece after the other is loaded ahead: when the next one waits for an idle moment, the last one is there in full.
const rest = requestIdleCallback;
let bindingLoaded = false;
globalThis.requestIdleCallback = (work, options) => {
  bindingLoaded ||= performance.getEntriesByType('resource').some(({ name }) => /prover-curve/.test(name));
  return rest(work, options);
};

const storage = indexedDbStorage({ name: 'test' });
const prover = workerProver({
  workerUrl: '/prover-worker.js',
  artifactsUrl: '/artifacts/',
  idleSeconds: 1,
});
let holder: Holder | undefined;

function opened(): Holder {
  if (holder === undefined) throw new TypeError('open comes first');
  return holder;
}

function stateOf({ enrolled, storageLost }: Holder): PageState {
  return { device: enrolled?.device ?? null, storageLost };
}

async function orCode<T>(work: Promise<T>): Promise<T | { readonly error: ErrorCode }> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof AkashiError)) throw error;
    return { error: error.code };
  }
}

const exchange: Exchange = async (receipt, signal) => {
  const answer = await fetch('/exchange', { method: 'POST', body: receipt, signal });
  return answer.json();
};

function result(work: Promise<{ readonly verdict: string | null }>): Promise<Result> {
  return orCode(work.then(({ verdict }) => ({ verdict })));
}

async function passkeys(): Promise<{ readonly usable: readonly boolean[] }> {
  return { usable: (await opened().status()).passkeys.map(({ usable }) => usable) };
}

/** A signal that fires when it is told this, or after so many milliseconds. */
function stopper(stop: string | number) {
  const controller = new AbortController();
  if (typeof stop === 'number') setTimeout(() => controller.abort(), stop);
  const told = (what: string) => {
    if (what === stop) controller.abort();
  };
  return { signal: controller.signal, told };
}

const page: PhonePage = {
  async open(verifier, ahead = true) {
    holder = await openHolder({ verifier, storage, prover, ...(ahead ? {} : { whenIdle: () => undefined }) });
    return stateOf(holder);
  },
  async enrol(link, pin) {
    await opened().enrol({ link, pin, exchange });
    return stateOf(opened());
  },
  requests: async () => (await opened().requests()).map(({ id }) => id),
  present: (id, code, pin) => result(opened().present(id, { code, pin })),
  enrolAndAbort(link, pin, stop) {
    const { signal, told } = stopper(stop);
    const work = opened().enrol({ link, pin, exchange, signal, onProgress: told });
    return result(work.then(() => ({ verdict: null })));
  },
  presentAndAbort(id, code, pin, stop) {
    const { signal, told } = stopper(stop);
    const onProgress = ({ phase, stage }: PresentProgress) => {
      told(phase);
      if (stage) told(stage);
    };
    return result(opened().present(id, { code, pin, signal, onProgress }));
  },
  prepareAndAbort(stop) {
    const { signal, told } = stopper(typeof stop === 'number' ? stop : String(stop.done));
    const work = opened().prepare({ signal, onProgress: ({ done }) => told(String(done)) });
    return result(work.then(() => ({ verdict: null })));
  },
  addPasskey: (pin, wrapSecrets = false) =>
    orCode(opened().addPasskey({ pin, name: 'customer', wrapSecrets }).then(passkeys)),
  async kept() {
    const names = ['holder', 'claims', ...Object.keys(FACTS).map((fact) => `preparation/${fact}`)];
    const text = JSON.stringify(await Promise.all(names.map((name) => storage.read(name))));
    return { wrapped: opened().enrolled?.secretsWrapped ?? false, text };
  },
  removePasskeys: () =>
    orCode(
      (async () => {
        for (const { passkey } of (await opened().status()).passkeys) await opened().removePasskey(passkey);
        return passkeys();
      })(),
    ),
  canMakePasskeys: () => opened().canMakePasskeys(),
  history: async () => (await opened().history()).map(({ outcome }) => outcome),
  workers: () => workers.size,
  isBindingLoaded: () => bindingLoaded,
  violations: () => violations,
};

Object.assign(globalThis, { phonePage: page });
