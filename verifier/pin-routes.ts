import {
  AkashiError,
  oprfBody,
  type Proof,
  pinBody,
  pinChangeChallenge,
  signalsToArray,
} from '@akashi/circuits';
import type { Hono } from 'hono';
import { base64url } from 'jose';
import { authenticateDevice, type DeviceCall } from './device-auth.ts';
import { statusOf } from './device-routes.ts';
import { parseBody } from './input.ts';
import { evaluate, newEvaluationKey, parseBlinded } from './oprf.ts';
import { parsePoints } from './proof.ts';
import type { Device } from './records.ts';
import { evaluationPlace, seal, sealAnew, unseal } from './sealed.ts';
import { sha256 } from './token.ts';
import type { Verifier } from './verifier.ts';

// The PIN of a device: evaluations, registration, change (docs/protocol.md, section 5).

const NEW_PINS = { seconds: 3600, perDevice: 10 } as const;

export function addPinRoutes(app: Hono, verifier: Verifier): void {
  const { store, now, keys } = verifier;

  app.post('/v1/devices/current/oprf', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const body = parseBody(oprfBody, c.req.raw, call.body);
    const blinded = parseBlinded(body.blinded);
    if (body.use === 'new') return c.json(await evaluateNew(verifier, call, blinded));
    const { tenant, device } = call.device;
    const verification = body.use === 'verification' ? body.verification : '';
    const digest = sha256([body.use, verification, body.blinded].join('\0'));
    // One object for each use: the store wants the verification exactly where there is one.
    const counted = await store.countEvaluation(
      body.use === 'verification'
        ? { tenant, device, digest, use: body.use, verification }
        : { tenant, device, digest, use: body.use },
      now(),
    );
    if (typeof counted === 'string') throw new AkashiError(counted);
    const key = unseal(keys.keyEncryption, evaluationPlace(tenant, device), counted.evaluationKey);
    const evaluated = evaluate(key, blinded);
    return c.json(body.use === 'enrol' ? { evaluated } : { evaluated, triesLeft: counted.triesLeft });
  });

  app.put('/v1/devices/current/pin', async (c) => {
    const call = await authenticateDevice(verifier, c);
    const body = parseBody(pinBody, c.req.raw, call.body);
    const { device } = call;
    // It is done already: the answer to the first call was lost.
    const repeated = device.state === 'active' && device.commitment === body.commitment;
    if (repeated) return c.json(await statusOf(verifier, call, device));
    const changed =
      'proof' in body
        ? await changePin(verifier, call, body.commitment, body.proof)
        : await store.registerPin(device.tenant, device.device, body, now());
    if (changed === undefined) throw new AkashiError('pin_refused');
    return c.json(await statusOf(verifier, call, changed));
  });
}

/**
 * The evaluation of a new PIN, always under a fresh key: under the current one it would be an uncounted guess at the
 * old PIN.
 */
async function evaluateNew(verifier: Verifier, call: DeviceCall, blinded: Uint8Array) {
  const { store, random, keys, now } = verifier;
  const { tenant, device, state } = call.device;
  if (state !== 'active') throw new AkashiError('evaluation_refused');
  const { perDevice: count, seconds } = NEW_PINS;
  const { retryAfter } = await store.takeLimits(
    [{ tenant, key: `new-pin:${device}`, count, seconds }],
    now(),
  );
  if (retryAfter > 0) throw new AkashiError('rate_limited', { retryAfter });
  const fresh = newEvaluationKey(random);
  const nonce = random(32);
  const evaluationKey = seal(keys.keyEncryption, evaluationPlace(tenant, device), fresh, random);
  await store.beginPinChange(tenant, device, { evaluationKey, nonce }, now());
  return { evaluated: evaluate(fresh, blinded), nonce: base64url.encode(nonce) };
}

/**
 * Puts the pending PIN in the place of the old one, if `proof` shows the old one under the change's challenge.
 * @returns the device, or `undefined`: then the pending change is used up
 */
async function changePin(
  verifier: Verifier,
  call: DeviceCall,
  commitment: string,
  proof: Proof,
): Promise<Device | undefined> {
  const { store, now, queue, checker, keys, random } = verifier;
  const { tenant, device, commitment: oldCommitment } = call.device;
  const points = parsePoints(proof);
  if (oldCommitment === null) return undefined;
  return queue.run(async () => {
    const change = await store.takePinChange(tenant, device, now());
    if (change === undefined) return undefined;
    const signals = signalsToArray('pin', {
      commitment: BigInt(oldCommitment),
      challenge: pinChangeChallenge({
        thumbprint: call.thumbprint,
        nonce: change.nonce,
        commitment: BigInt(commitment),
      }),
    });
    const [holds] = await checker.check([{ fact: 'pin', signals, points }]);
    if (holds !== true) return undefined;
    // It was taken out of the database, where whoever seals everything anew would have found it.
    const place = evaluationPlace(tenant, device);
    const evaluationKey = sealAnew(keys.keyEncryption, place, change.evaluationKey, random);
    return store.completePinChange({ tenant, device, oldCommitment, commitment, evaluationKey }, now());
  });
}
