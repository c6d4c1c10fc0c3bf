import { AkashiError } from './error.ts';

// base64url without padding (RFC 4648, section 5), in its one form. `atob` would take blanks, padding and unused bits that
// are not zero.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export function encodeBase64url(bytes: Uint8Array): string {
  let text = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xffff;
    for (bits += 8; bits >= 6; bits -= 6) text += ALPHABET.charAt((buffer >> (bits - 6)) & 63);
  }
  return bits === 0 ? text : text + ALPHABET.charAt((buffer << (6 - bits)) & 63);
}

/** @throws AkashiError `malformed` for anything that {@link encodeBase64url} does not write */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor((text.length * 6) / 8));
  let at = 0;
  let buffer = 0;
  let bits = 0;
  for (const char of text) {
    const digit = ALPHABET.indexOf(char);
    if (digit < 0) throw new AkashiError('malformed');
    buffer = ((buffer << 6) | digit) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = buffer >> bits;
  }
  // A whole character left over, or bits that stand for nothing.
  if (bits >= 6 || (buffer & ((1 << bits) - 1)) !== 0) throw new AkashiError('malformed');
  return bytes;
}
