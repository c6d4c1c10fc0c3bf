import { createHash } from 'node:crypto';
import { base64url } from 'jose';

/** Gives as many fresh random bytes as asked for. */
export type Random = (length: number) => Uint8Array;

/** A fresh id, token or session: 128 random bits, base64url (docs/protocol.md, section 2). */
export function newToken(random: Random): string {
  return base64url.encode(random(16));
}

/** An API key is a token with a prefix, so that one left in a log or a repository can be found by a search. */
export const API_KEY_PREFIX = 'ak_';

export function newApiKey(random: Random): string {
  return `${API_KEY_PREFIX}${newToken(random)}`;
}

/**
 * What the store keeps of a token: SHA-256 of its text. Plain hashing is enough for 128 random bits; nothing that
 * a person chose is ever kept this way.
 */
export function tokenHash(token: string): Uint8Array {
  return sha256(token);
}

export function sha256(data: string | Uint8Array): Uint8Array {
  return createHash('sha256').update(data).digest();
}
