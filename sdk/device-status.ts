import { type DeviceStatus, deviceStatus } from '@akashi/circuits';
import { hasCode, readAnswer } from './connection.ts';
import type { DeviceConnection, DeviceIdentity } from './device-connection.ts';

// What the verifier knows of this device, and how the device has itself forgotten (docs/protocol.md, section 8).

export async function readStatus(
  connection: DeviceConnection,
  identity: DeviceIdentity,
  signal: AbortSignal | undefined,
): Promise<DeviceStatus> {
  const answer = await connection.send(identity, {
    method: 'GET',
    path: '/v1/devices/current',
    repeatable: true,
    signal,
  });
  return readAnswer(answer, deviceStatus);
}

/** Lets the verifier forget a device that is not used any more. What it answers makes no difference. */
export async function unregister(connection: DeviceConnection, identity: DeviceIdentity): Promise<void> {
  await revokeItself(connection, identity, undefined).catch(() => undefined);
}

/** Revokes this device; one that is revoked or unknown already is as good. */
export async function revokeItself(
  connection: DeviceConnection,
  identity: DeviceIdentity,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await connection.send(identity, {
      method: 'DELETE',
      path: '/v1/devices/current',
      repeatable: true,
      signal,
    });
  } catch (error) {
    if (!hasCode(error, 'unauthorized', 'device_revoked')) throw error;
    // Only if the device is refused everywhere: it must not be forgotten here while the verifier still knows it.
    const state = await readStatus(connection, identity, signal).catch((reason: unknown) => reason);
    if (!hasCode(state, 'unauthorized', 'device_revoked')) throw error;
  }
}
