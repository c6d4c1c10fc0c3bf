import type { OpenIdentity } from './holder-record.ts';
import { type ProvingDesk, prepareNewPin } from './prepared-proof.ts';
import { withinTime } from './time-limit.ts';

/**
 * Prepares the fact `pin` while `pinKey` is in memory: at enrolment and after a change of the PIN. It never fails what
 * it is part of: the next presentation makes up for it.
 */
export async function preparePin(
  desk: ProvingDesk & { readonly timeoutSeconds: number },
  identity: OpenIdentity,
  pinKey: bigint,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await withinTime({ seconds: desk.timeoutSeconds, signal }, async (limited) => {
      await prepareNewPin(desk, identity, pinKey, { signal: limited });
    });
  } catch {
    // nothing prepared
  }
}
