import { loadPasskeyActs, need } from './chunk.ts';
import { type Identity, isOpen, type OpenIdentity } from './holder-record.ts';
import type { PasskeyPlatform } from './passkey-platform.ts';

/** What it takes to open wrapped secrets. */
export interface Opening {
  readonly random: (length: number) => Uint8Array;
  readonly passkeys: PasskeyPlatform;
}

/** The device with its secrets, by a gesture where they are wrapped. @throws AkashiError as `openSecrets` in secrets.ts */
export async function openIdentity(
  desk: Opening,
  identity: Identity,
  signal: AbortSignal | undefined,
): Promise<OpenIdentity> {
  if (isOpen(identity)) return identity;
  const { openSecrets } = await need(loadPasskeyActs, signal);
  return (await openSecrets(desk, identity, signal)).identity;
}
