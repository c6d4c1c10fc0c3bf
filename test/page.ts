import { AkashiError, type ErrorCode } from '@akashi/circuits';
import { type Holder, indexedDbStorage, openHolder, workerProver } from '@akashi/sdk/holder';

// The phone page of the browser tests: the SDK with nothing around it, told what to do by the test.

/** What the page offers to the test. All of it is JSON. */
export interface PhonePage {
  open(verifier: string): Promise<PageState>;
  enrol(link: string, pin: string): Promise<PageState>;
  requests(): Promise<readonly string[]>;
  present(id: string, code: string, pin: string): Promise<Result>;
  /** The passkeys of this device afterwards, and whether it can confirm with them. */
  addPasskey(pin: string, wrapSecrets?: boolean): Promise<PasskeyResult>;
  /** Whether the secrets need the passkey now, and all that the storage key opens. */
  kept(): Promise<{ readonly wrapped: boolean; readonly text: string }>;
  removePasskeys(): Promise<PasskeyResult>;
  canMakePasskeys(): Promise<boolean>;
  /** Presents, and gives up when the prover reports this. */
  presentAndAbort(id: string, code: string, pin: string, stage: 'loading' | 'proving'): Promise<Result>;
  history(): Promise<readonly string[]>;
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

const storage = indexedDbStorage({ name: 'test' });
const prover = workerProver({ workerUrl: '/prover-worker.js', artifactsUrl: '/artifacts/' });
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

function result(work: Promise<{ readonly verdict: string | null }>): Promise<Result> {
  return orCode(work.then(({ verdict }) => ({ verdict })));
}

async function passkeys(): Promise<{ readonly usable: readonly boolean[] }> {
  return { usable: (await opened().status()).passkeys.map(({ usable }) => usable) };
}

const page: PhonePage = {
  async open(verifier) {
    holder = await openHolder({ verifier, storage, prover });
    return stateOf(holder);
  },
  async enrol(link, pin) {
    await opened().enrol({
      link,
      pin,
      exchange: async (receipt, signal) => {
        const answer = await fetch('/exchange', { method: 'POST', body: receipt, signal });
        return answer.json();
      },
    });
    return stateOf(opened());
  },
  requests: async () => (await opened().requests()).map(({ id }) => id),
  present: (id, code, pin) => result(opened().present(id, { code, pin })),
  presentAndAbort(id, code, pin, stage) {
    const controller = new AbortController();
    const { signal } = controller;
    const onProgress = (progress: { readonly stage?: string }) => {
      if (progress.stage === stage) controller.abort();
    };
    return result(opened().present(id, { code, pin, signal, onProgress }));
  },
  addPasskey: (pin, wrapSecrets = false) =>
    orCode(opened().addPasskey({ pin, name: 'customer', wrapSecrets }).then(passkeys)),
  async kept() {
    const names = ['holder', 'preparation/pin', 'preparation/account'];
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
  violations: () => violations,
};

Object.assign(globalThis, { phonePage: page });
