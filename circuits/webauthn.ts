import * as v from 'valibot';
import { passkeyId } from './passkey.ts';
import { base64urlBytes } from './shape.ts';

// What a phone sends of WebAuthn's ceremonies (W3C WebAuthn Level 3; docs/protocol.md, sections 5 and 6). What is in the
// bytes is the verifier's to check.

/** COSE algorithms that are asked for: ES256, Ed25519, and RS256 for Windows Hello. */
export const PASSKEY_ALGORITHMS = [-7, -8, -257] as const;

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
