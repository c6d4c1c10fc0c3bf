import { AkashiError } from '@akashi/circuits';
import type { Notice } from '../bank/wire.ts';
import type { Phone } from './phone.ts';

const WAIT_SECONDS = 25;
const LONGEST_PAUSE_MS = 15_000;

/**
 * Keeps the page informed while it is open: asks the verifier for requests (long poll), and the bank for notices. Stops
 * with the answered controller. A page that was asleep asks again as soon as it is seen.
 */
export function watch(phone: Phone): AbortController {
  const watching = new AbortController();
  void repeat(watching.signal, async (signal) => {
    try {
      const requests = await phone.holder.requests({ wait: WAIT_SECONDS, signal });
      phone.frame.reachable(true);
      await phone.arrived(requests);
    } catch (error) {
      const unreachable = error instanceof AkashiError && ['network', 'timeout'].includes(error.code);
      if (unreachable) phone.frame.reachable(false);
      if (isFinal(error)) {
        watching.abort();
        phone.fail(error, () => void phone.start());
      }
      throw error;
    }
  });
  let last: number | null = null;
  void repeat(watching.signal, async (signal) => {
    // Without a log-in there is nobody to ask for; the verifier is asked in any case.
    if (!phone.bank.loggedIn) throw new AkashiError('unauthorized');
    const notices: readonly Notice[] = await phone.bank.notices(
      last ?? 0,
      last === null ? 0 : WAIT_SECONDS,
      signal,
    );
    // What was sent before the page opened is old, or the verifier has it open and says so itself.
    const fresh = last === null ? [] : notices;
    last = notices.at(-1)?.number ?? last ?? 0;
    for (const { request } of fresh) location.replace(`#request=${request}`);
  });
  void lookForNewerDevices(phone, watching.signal);
  return watching;
}

/** Runs `round` for ever, with growing pauses after failures; a page that becomes visible or online does not wait. */
async function repeat(ended: AbortSignal, round: (signal: AbortSignal) => Promise<void>): Promise<void> {
  let failures = 0;
  while (!ended.aborted) {
    try {
      await round(ended);
      failures = 0;
    } catch {
      failures += 1;
      await pause(Math.min(500 * 2 ** failures, LONGEST_PAUSE_MS), ended);
    }
  }
}

function pause(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener('online', done);
      document.removeEventListener('visibilitychange', done);
      ended.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
    document.addEventListener('visibilitychange', done);
    ended.addEventListener('abort', done);
  });
}

async function lookForNewerDevices(phone: Phone, signal: AbortSignal): Promise<void> {
  const look = async (): Promise<void> => {
    try {
      const { newer } = await phone.holder.status({ signal });
      const changed = phone.newerDevice !== newer.length > 0;
      if (changed) phone.showNewerDevice(newer.length > 0);
    } catch {
      // The long poll beside it shows what is wrong with the connection or the device.
    }
  };
  document.addEventListener('visibilitychange', () => void look(), { signal });
  await look();
}

/** This device is no longer known: asking again changes nothing. */
function isFinal(error: unknown): boolean {
  const codes = ['unauthorized', 'device_revoked', 'not_enrolled'];
  return error instanceof AkashiError && codes.includes(error.code);
}
