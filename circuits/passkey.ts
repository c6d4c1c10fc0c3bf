import * as v from 'valibot';
import { base64urlBytes } from './shape.ts';

// Passkeys on the wire (W3C WebAuthn Level 3; docs/protocol.md, sections 5 and 6). What is in the bytes is the
// verifier's to check.

/** Passkeys that a device can have. */
export const MAX_PASSKEYS = 4;

/** COSE algorithms that are asked for: ES256, Ed25519, and RS256 for Windows Hello. */
export const PASSKEY_ALGORITHMS = [-7, -8, -257] as const;

/** WebAuthn's credential id. The word credential is an issuer's here. */
export const passkeyId = base64urlBytes(1023);

/** How a browser may reach the authenticator: a hint, kept on the device only. */
export const passkeyTransport = v.picklist([
  'ble',
  'cable',
  'hybrid',
  'internal',
  'nfc',
  'smart-card',
  'usb',
]);

/** `navigator.credentials.create()`, as far as it is sent. */
export const passkeyRegistration = v.strictObject({
  id: passkeyId,
  attestation: base64urlBytes(4096),
  clientData: base64urlBytes(2048),
});
export type PasskeyRegistration = v.InferOutput<typeof passkeyRegistration>;

/** `navigator.credentials.get()`, as far as it is sent. */
export const passkeyAssertion = v.strictObject({
  id: passkeyId,
  authenticatorData: base64urlBytes(1024),
  clientData: base64urlBytes(2048),
  signature: base64urlBytes(1024),
});
export type PasskeyAssertion = v.InferOutput<typeof passkeyAssertion>;
