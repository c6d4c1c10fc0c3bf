import {
  AkashiError,
  MAX_PASSKEYS,
  type PasskeyOptions,
  passkeyBody,
  passkeyChallenge,
  signalsToArray,
} from '@akashi/circuits';
import type { Hono } from 'hono';
import { base64url } from 'jose';
import { authenticateDevice, type DeviceCall } from './device-auth.ts';
import { parseBody, parseId } from './input.ts';
import { passkeyOrigins } from './origin.ts';
import { checkRegistration } from './passkey.ts';
import { type ProofPoints, parsePoints } from './proof.ts';
import type { PasskeySettings } from './records.ts';
import { BOUNDS } from './store.ts';
import { newToken } from './token.ts';
import type { Verifier } from './verifier.ts';

// Passkeys of a device: made and removed (docs/protocol.md, section 5). They are used in present.ts.

const NEW_PASSKEYS = { seconds: 3600, perDevice: 10 } as const;

export function addPasskeyRoutes(app: Hono, verifier: Verifier): void {
  const { store, now, random } = verifier;

  app.post('/v1/devices/current/passkeys/options', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const { rpId } = settingsOf(call);
    const { tenant, device, state } = call.device;
    if (state !== 'active') throw new AkashiError('passkey_refused');
    const known = await store.passkeys(tenant, device);
    if (known.length >= MAX_PASSKEYS) throw new AkashiError('passkey_refused');
    const { perDevice: count, seconds } = NEW_PASSKEYS;
    const limit = { tenant, key: `new-passkey:${device}`, count, seconds };
    const { retryAfter } = await store.takeLimits([limit], now());
    if (retryAfter > 0) throw new AkashiError('rate_limited', { retryAfter });
    const challenge = random(32);
    await store.beginPasskey(tenant, device, challenge, now());
    return c.json({
      challenge: base64url.encode(challenge),
      rpId,
      exclude: known.map(({ id }) => base64url.encode(id)),
      expiresAt: now() + BOUNDS.passkeyChallengeSeconds,
    } satisfies PasskeyOptions);
  });

  app.post('/v1/devices/current/passkeys', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const { rpId } = settingsOf(call);
    const { registration, proof } = parseBody(passkeyBody, c.req.raw, call.body);
    const points = parsePoints(proof);
    const { tenant, device, commitment } = call.device;
    if (commitment === null) throw new AkashiError('passkey_refused');
    const passkey = newToken(random);
    const added = await verifier.queue.run(async () => {
      const challenge = await store.takePasskeyChallenge(tenant, device, now());
      if (challenge === undefined) return false;
      const origins = passkeyOrigins(call.tenant.origins, rpId);
      const made = await checkRegistration(registration, { rpId, origins, challenge });
      if (made === undefined) return false;
      const bound = passkeyChallenge({ thumbprint: call.thumbprint, challenge, id: made.id });
      if (!(await isPinProven(verifier, commitment, bound, points))) return false;
      return store.addPasskey({ tenant, device, passkey, rpId, ...made }, commitment, now());
    });
    if (!added) throw new AkashiError('passkey_refused');
    return c.json({ passkey }, 201);
  });

  app.delete('/v1/devices/current/passkeys/:id', async (c) => {
    const { tenant, device } = (await authenticateDevice(verifier, c)).device;
    if (!(await store.removePasskey(tenant, device, parseId(c), now()))) throw new AkashiError('not_found');
    return c.body(null, 204);
  });
}

/** @throws AkashiError `passkeys_off` */
function settingsOf({ tenant }: DeviceCall): PasskeySettings {
  if (tenant.passkeys === null) throw new AkashiError('passkeys_off');
  return tenant.passkeys;
}

async function isPinProven(
  { checker }: Verifier,
  commitment: string,
  challenge: bigint,
  points: ProofPoints,
): Promise<boolean> {
  const signals = signalsToArray('pin', { commitment: BigInt(commitment), challenge });
  const [holds] = await checker.check([{ fact: 'pin', signals, points }]);
  return holds === true;
}
