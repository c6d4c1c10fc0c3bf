import { AkashiError, type DeviceStatus, deviceBody, type Receipt, signJws } from '@akashi/circuits';
import type { Hono } from 'hono';
import { authenticateDevice, checkSignature, type DeviceCall } from './device-auth.ts';
import { parseBody, parseId } from './input.ts';
import { signingKey } from './keys.ts';
import { newEvaluationKey } from './oprf.ts';
import { requireOrigin } from './origin.ts';
import { askableFacts } from './policy-facts.ts';
import type { Device } from './records.ts';
import { evaluationPlace, seal } from './sealed.ts';
import { BOUNDS } from './store.ts';
import { newToken, tokenHash } from './token.ts';
import type { Verifier } from './verifier.ts';

// A device's own affairs but its PIN: enrolment, status, end (docs/protocol.md, section 5).

const RECEIPT_SECONDS = 600;

export function addDeviceRoutes(app: Hono, verifier: Verifier): void {
  const { store, now, random, keys } = verifier;

  app.post('/v1/devices', async (c) => {
    const call = await checkSignature(verifier, c);
    const { token } = parseBody(deviceBody, c.req.raw, call.body);
    // Asked first: a token that opens nothing costs no key, and a page of a foreign origin uses none up.
    const enrolment = await store.enrolment(tokenHash(token), now());
    const tenant = enrolment && (await store.tenant(enrolment.tenant));
    if (enrolment === undefined || tenant === undefined) {
      const known = await store.deviceByThumbprint(call.thumbprint, now());
      throw new AkashiError(known === undefined ? 'enrolment_refused' : 'device_exists');
    }
    requireOrigin(c, tenant);
    const id = newToken(random);
    const place = evaluationPlace(tenant.tenant, id);
    const evaluationKey = seal(keys.keyEncryption, place, newEvaluationKey(random), random);
    const device = await store.redeemEnrolment(
      { tokenHash: tokenHash(token), device: id, thumbprint: call.thumbprint, evaluationKey },
      now(),
    );
    if (typeof device === 'string') throw new AkashiError(device);
    return c.json({ device: device.device, tenant: { id: tenant.tenant, name: tenant.name } }, 201);
  });

  app.get('/v1/devices/current', async (c) => {
    const call = await authenticateDevice(verifier, c);
    return c.json(await statusOf(verifier, call, call.device));
  });

  app.get('/v1/devices/current/facts', async (c) => {
    const { tenant } = (await authenticateDevice(verifier, c)).device;
    return c.json({ facts: askableFacts(await store.policies(tenant), now()) });
  });

  app.delete('/v1/devices/current', async (c) => {
    const { tenant, device } = (await authenticateDevice(verifier, c)).device;
    await store.revokeDevice(tenant, device, { kind: 'device', id: device }, now());
    return c.body(null, 204);
  });

  app.post('/v1/devices/:id/stop', async (c) => {
    const { tenant, device } = (await authenticateDevice(verifier, c)).device;
    if (!(await store.stopDevice(tenant, parseId(c), device, now()))) throw new AkashiError('not_found');
    return c.body(null, 204);
  });
}

/** A device's own view of itself, with a fresh receipt. */
export async function statusOf(verifier: Verifier, call: DeviceCall, device: Device): Promise<DeviceStatus> {
  if (device.state === 'revoked') throw new AkashiError('device_revoked');
  const { store, now } = verifier;
  const passkeys = await store.passkeys(device.tenant, device.device);
  const others = await store.devicesOfSubject(device.tenant, device.subject, now());
  const newer = others.filter(
    (other) =>
      other.device !== device.device &&
      other.state !== 'revoked' &&
      other.enrolledAt > device.enrolledAt &&
      other.enrolledAt > now() - BOUNDS.newDeviceSeconds,
  );
  return {
    device: device.device,
    tenant: { id: call.tenant.tenant, name: call.tenant.name },
    state: device.state,
    enrolledAt: device.enrolledAt,
    pinChangedAt: device.pinChangedAt,
    triesLeft: Math.max(0, BOUNDS.tries - device.tries),
    ...(device.holder === null ? {} : { receipt: await signReceipt(verifier, device, device.holder) }),
    ...(call.tenant.passkeys === null ? {} : { rpId: call.tenant.passkeys.rpId }),
    passkeys: passkeys.map(({ passkey, createdAt }) => ({ passkey, createdAt })),
    newer: newer.map((other) => ({ device: other.device, enrolledAt: other.enrolledAt })),
  };
}

async function signReceipt(verifier: Verifier, device: Device, holder: string): Promise<string> {
  const now = verifier.now();
  const receipt: Receipt = {
    iss: verifier.origin,
    tenant: device.tenant,
    sub: device.subject,
    jkt: device.thumbprint,
    holder,
    iat: now,
    exp: now + RECEIPT_SECONDS,
  };
  return signJws('receipt', receipt, signingKey(verifier.keys, now));
}
