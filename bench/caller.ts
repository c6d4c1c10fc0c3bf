import { randomInt } from 'node:crypto';
import { type Agent, openAgent } from '@akashi/sdk/agent';
import { memoryStorage, type Outcome, openHolder, type Prover } from '@akashi/sdk/holder';
import type { Issuer } from '@akashi/sdk/issuer';

// One customer on the line: a phone and the desk that asks. The phone is the SDK's own; only its presentation is
// held back on the way out, signed and with its proofs made, until the clock runs.

/** Longer than a presentation is ever held back. */
const TIMEOUT_SECONDS = 300;

export const POLICY = 'caller';
export const PURPOSE = 'bench';

export interface Caller {
  /** Starts a verification at the desk and makes the presentation for it, without sending it. */
  prepare(): Promise<PreparedCall>;
}

export interface PreparedCall {
  /** Sends the presentation; milliseconds until the desk reads the verdict. @throws Error unless it is `passed` */
  present(): Promise<number>;
}

export interface CallerOptions {
  readonly verifier: string;
  readonly issuer: Issuer;
  readonly prover: Prover;
  readonly subject: string;
  /** Token of a sign-in link: a desk of its own, since an operator starts at most 60 verifications a minute. */
  readonly signIn: string;
}

/** Enrols a new phone for `subject` and signs an operator in. */
export async function openCaller({
  verifier,
  issuer,
  prover,
  subject,
  signIn,
}: CallerOptions): Promise<Caller> {
  const outbox = new Outbox();
  const storage = memoryStorage();
  const timeoutSeconds = TIMEOUT_SECONDS;
  const holder = await openHolder({ verifier, storage, prover, fetch: outbox.fetch, timeoutSeconds });
  const pin = newPin();
  const { fragment } = await issuer.requestEnrolment(subject);
  const accounts = [{ number: `0001-${subject}`, label: 'Account' }];
  await holder.enrol({
    link: fragment,
    pin,
    exchange: (receipt) => issuer.issueAccounts({ receipt, subject, accounts }),
  });
  const desk = openAgent({ verifier });
  await desk.signIn(signIn);

  return {
    async prepare() {
      const { verification, code = '' } = await desk.start({
        subject,
        policy: POLICY,
        purpose: PURPOSE,
        mode: 'call',
        call: { direction: 'inbound' },
      });
      await holder.accept(verification);
      const held = outbox.hold();
      const outcome = holder.present(verification, { code, pin });
      // A phone that fails before it has anything to send must not be waited for.
      await Promise.race([held.arrived, outcome]);
      return { present: () => timedPresentation(desk, verification, held.release, outcome) };
    },
  };
}

/** @throws Error when phone or desk come to anything but a pass, rather than to wait for what will not come */
async function timedPresentation(
  desk: Agent,
  verification: string,
  release: () => void,
  outcome: Promise<Outcome>,
): Promise<number> {
  const stop = new AbortController();
  const answered = outcome.then(({ verdict }) => {
    if (verdict !== 'passed') throw new Error('the presentation did not pass');
  });
  answered.catch(() => stop.abort());
  const [ms] = await Promise.all([timedVerdict(desk, verification, release, stop.signal), answered]);
  return ms;
}

/** The desk is watching already when the presentation goes out, as it does in a call. */
async function timedVerdict(
  desk: Agent,
  verification: string,
  release: () => void,
  signal: AbortSignal,
): Promise<number> {
  let posted: number | undefined;
  for await (const { state, verdict } of desk.watch(verification, { signal })) {
    if (posted === undefined) {
      posted = performance.now();
      release();
    }
    if (state !== 'done') continue;
    if (verdict !== 'passed') throw new Error('the desk was told of no pass');
    return performance.now() - posted;
  }
  throw new Error('the desk was told no verdict');
}

/** A `fetch` that can hold the next presentation back. */
class Outbox {
  #gate: { readonly arrive: () => void; readonly open: Promise<void> } | undefined;

  /** Bound: it is handed on as a plain function. */
  readonly fetch: typeof fetch = async (input, init) => {
    const gate = this.#gate;
    if (gate && String(input).endsWith('/presentation')) {
      this.#gate = undefined;
      gate.arrive();
      await gate.open;
    }
    return fetch(input, init);
  };

  hold(): { readonly arrived: Promise<void>; readonly release: () => void } {
    let release = () => {};
    let arrive = () => {};
    const open = new Promise<void>((resolve) => {
      release = resolve;
    });
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    this.#gate = { arrive, open };
    return { arrived, release };
  }
}

/** Six digits that are no date, run or pattern, so that the phone takes them. */
function newPin(): string {
  return `9${randomInt(10)}7${randomInt(10)}81`;
}
