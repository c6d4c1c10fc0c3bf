import * as v from 'valibot';
import { base64urlBytes } from './shape.ts';

// What everybody knows a passkey by (W3C WebAuthn Level 3; docs/protocol.md, section 5). What a phone sends of one stands in
// webauthn.ts: a page that only opens a holder does without.

/** Passkeys that a device can have. */
export const MAX_PASSKEYS = 4;

/**
 * Relying party id: a host name in lower case, no address. That it is no public suffix is the browser's to check, which
 * knows the list and refuses to make passkeys for one (WebAuthn, section 5.1.3).
 */
export const rpId = v.pipe(
  v.string(),
  v.maxLength(253),
  v.regex(/^(?:localhost|(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)$/),
);

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
