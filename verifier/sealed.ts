import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Sealed, SealedPlace } from './records.ts';
import type { Random } from './token.ts';

// What must be read again but must not lie open in the database: AES-256-GCM under a key-encryption key that lives
// outside it. The additional data names what it is and whose row it stands in, so that a ciphertext moved to another
// row, tenant or column does not open. Sealed values carry the id of their key: keys can be rotated one by one.

const CIPHER = 'aes-256-gcm';
const IV_LENGTH = 12;
const TAG_LENGTH = 16;

export interface KeyEncryption {
  /** Id of the key that seals. */
  readonly current: string;
  /** Every key that may still open something, 32 bytes each, by id. */
  readonly keys: ReadonlyMap<string, Uint8Array>;
}

/** Where the evaluation key of a device belongs. */
export function evaluationPlace(tenant: string, device: string): SealedPlace {
  return { kind: 'evaluation-key', tenant, row: device };
}

export function seal(keys: KeyEncryption, place: SealedPlace, plaintext: Uint8Array, random: Random): Sealed {
  const iv = random(IV_LENGTH);
  const cipher = createCipheriv(CIPHER, keyOf(keys, keys.current), iv).setAAD(additionalData(place));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return { kek: keys.current, iv, ciphertext };
}

/** The same value under the key that seals now. */
export function sealAnew(keys: KeyEncryption, place: SealedPlace, sealed: Sealed, random: Random): Sealed {
  return sealed.kek === keys.current ? sealed : seal(keys, place, unseal(keys, place, sealed), random);
}

/** @throws Error when the key is not known or the value is not what was sealed for this place: a fault, not an answer */
export function unseal(keys: KeyEncryption, place: SealedPlace, sealed: Sealed): Uint8Array {
  const end = sealed.ciphertext.length - TAG_LENGTH;
  if (end < 0) throw new TypeError('a sealed value is shorter than its tag');
  const decipher = createDecipheriv(CIPHER, keyOf(keys, sealed.kek), sealed.iv, { authTagLength: TAG_LENGTH })
    .setAAD(additionalData(place))
    .setAuthTag(sealed.ciphertext.subarray(end));
  return Buffer.concat([decipher.update(sealed.ciphertext.subarray(0, end)), decipher.final()]);
}

function keyOf(keys: KeyEncryption, id: string): Uint8Array {
  const key = keys.keys.get(id);
  if (key === undefined)
    throw new TypeError('the key-encryption key of a sealed value is not among the keys');
  return key;
}

// None of the parts can hold a NUL: kinds are fixed, tenants are references, rows are ids.
function additionalData({ kind, tenant, row }: SealedPlace): Uint8Array {
  return Buffer.from(['akashi/sealed/v1', kind, tenant, row].join('\0'));
}
