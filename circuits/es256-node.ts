import {
  createHash,
  createPublicKey,
  sign as createSignature,
  KeyObject,
  verify as verifySignature,
} from 'node:crypto';

// es256.ts for Node: the same OpenSSL that is behind its WebCrypto, at once. WebCrypto hands each signature and each hash to
// another thread, which costs the thread that asks twenty times a hash, and half of what checking a signature takes.

/** The signature as its two numbers one behind the other, as in a JWS. */
const dsaEncoding = 'ieee-p1363';

type Bytes = Uint8Array<ArrayBuffer>;

/** @throws TypeError for coordinates that are no point of the curve */
export async function importPublicKey(x: string, y: string): Promise<KeyObject> {
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
}

export async function sign(key: CryptoKey, data: Bytes): Promise<Bytes> {
  return new Uint8Array(createSignature('sha256', data, { key: keyObject(key), dsaEncoding }));
}

export async function verify(key: KeyObject, signature: Bytes, data: Bytes): Promise<boolean> {
  return verifySignature('sha256', data, { key, dsaEncoding }, signature);
}

export async function sha256(data: Bytes): Promise<Bytes> {
  return new Uint8Array(createHash('sha256').update(data).digest());
}

const keyObjects = new WeakMap<CryptoKey, KeyObject>();

function keyObject(key: CryptoKey): KeyObject {
  const known = keyObjects.get(key) ?? KeyObject.from(key);
  keyObjects.set(key, known);
  return known;
}
