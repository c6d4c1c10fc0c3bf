import * as v from 'valibot';
import { MAX_PASSKEYS, passkeyId, rpId } from './passkey.ts';
import { proofShape } from './presentation.ts';
import { base64url16, base64url32, time } from './shape.ts';
import { passkeyRegistration } from './webauthn.ts';

// Bodies and answers of the routes by which a device gets passkeys (docs/protocol.md, section 5).

/** What a phone makes a passkey with. The challenge is good once, until `expiresAt`. */
export const passkeyOptionsAnswer = v.strictObject({
  challenge: base64url32,
  rpId,
  /** WebAuthn ids of this device's passkeys: the authenticator must not make a second one beside them. */
  exclude: v.pipe(v.array(passkeyId), v.maxLength(MAX_PASSKEYS)),
  expiresAt: time,
});
export type PasskeyOptions = v.InferOutput<typeof passkeyOptionsAnswer>;

export const passkeyBody = v.strictObject({
  registration: passkeyRegistration,
  /** Of `pin`, under `passkeyChallenge`: who only holds the phone adds no passkey. */
  proof: proofShape,
});
export const passkeyAnswer = v.strictObject({ passkey: base64url16 });
