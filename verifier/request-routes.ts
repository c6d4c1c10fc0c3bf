import {
  AkashiError,
  isRequestedFact,
  needsCredential,
  type PendingRequest,
  presentationShape,
} from '@akashi/circuits';
import type { Context, Hono } from 'hono';
import { authenticateDevice, type DeviceCall, identifyDevice, isStillEnrolled } from './device-auth.ts';
import { parseBody, parseId } from './input.ts';
import { present } from './present.ts';
import type { VerificationRow } from './records.ts';
import type { DeviceRefusal } from './store.ts';
import { newToken } from './token.ts';
import { runHook, type Verifier } from './verifier.ts';
import { deviceView } from './views.ts';
import { answerWhenChanged } from './wait.ts';

// Requests as the phone uses them (docs/protocol.md, sections 7 and 8).

export function addRequestRoutes(app: Hono, verifier: Verifier): void {
  const { store, now, random } = verifier;

  app.get('/v1/requests', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const { tenant, subject, device } = call.device;
    let waited = false;
    return answerWhenChanged(verifier, c, {
      topic: `subject:${tenant}:${subject}`,
      read: async () => {
        // The first time right behind the authentication.
        if (waited && !(await isStillEnrolled(verifier, call))) throw new AkashiError('device_revoked');
        waited = true;
        const rows = await store.verificationsOfDevice(tenant, device, call.thumbprint, now());
        return { requests: rows.map((row) => deviceView(verifier, row, device)) };
      },
    });
  });

  app.get('/v1/requests/:id', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const row = await addressed(verifier, call, parseId(c));
    return c.json(deviceView(verifier, row, call.device.device));
  });

  app.post('/v1/requests/:id/accept', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const { tenant, device } = call.device;
    const attempt = { attempt: newToken(random), nonce: random(32) };
    const row = await store.accept(tenant, parseId(c), device, attempt, now());
    // While the customer types: the presentation that follows is to find everything at hand.
    if (
      typeof row !== 'string' &&
      row.facts.some((entry) => isRequestedFact(entry) && needsCredential(entry.fact))
    )
      verifier.issuers.refresh(tenant);
    return answer(c, verifier, call, row);
  });

  app.post('/v1/requests/:id/later', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const { tenant, device } = call.device;
    return answer(c, verifier, call, await store.later(tenant, parseId(c), device, now()));
  });

  app.post('/v1/requests/:id/decline', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const { tenant, device } = call.device;
    return answer(c, verifier, call, await store.decline(tenant, parseId(c), device, now()));
  });

  app.post('/v1/requests/:id/report', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const { tenant, device } = call.device;
    const row = await store.report(tenant, parseId(c), device, now());
    if (typeof row !== 'string') {
      const { subject, verification } = row;
      const alert = { kind: 'reported', tenant, subject, verification } as const;
      runHook(verifier, 'alert.failed', () => verifier.alert(alert));
    }
    return answer(c, verifier, call, row);
  });

  app.post('/v1/requests/:id/presentation', async (c) => {
    const call = await identifyDevice(verifier, c);
    const presentation = parseBody(presentationShape, c.req.raw, call.body);
    const row = await addressed(verifier, call, parseId(c));
    return answer(c, verifier, call, await present(verifier, call, row, presentation));
  });
}

/**
 * A verification that this device is in the audience of.
 * @throws AkashiError `not_found`: unknown, foreign and for other devices alike; `accepted_elsewhere`
 */
async function addressed(verifier: Verifier, call: DeviceCall, id: string): Promise<VerificationRow> {
  const { tenant, device } = call.device;
  const row = await verifier.store.verification(tenant, id, verifier.now());
  if (row === undefined || !row.audience.includes(call.thumbprint)) throw new AkashiError('not_found');
  if (row.device !== null && row.device !== device) throw new AkashiError('accepted_elsewhere');
  return row;
}

function answer(
  c: Context,
  verifier: Verifier,
  call: DeviceCall,
  row: VerificationRow | DeviceRefusal,
): Response {
  if (typeof row === 'string') throw new AkashiError(row);
  const view: PendingRequest = deviceView(verifier, row, call.device.device);
  return c.json(view);
}
