import { createHash, KeyObject, sign, verify } from 'node:crypto';

type Subtle = Pick<SubtleCrypto, 'sign' | 'verify' | 'digest'>;

/**
 * Has WebCrypto's ES256 and SHA-256 done at once, by the same OpenSSL, instead of on threads: a simulation makes thousands
 * of signatures one after the other, and handing each over takes several times as long as making it.
 * @returns what puts everything back
 */
export function signAtOnce(): () => void {
  const { subtle } = crypto;
  const before: Subtle = {
    sign: subtle.sign.bind(subtle),
    verify: subtle.verify.bind(subtle),
    digest: subtle.digest.bind(subtle),
  };
  const keys = new WeakMap<CryptoKey, KeyObject>();
  const keyOf = (key: CryptoKey) => {
    const known = keys.get(key) ?? KeyObject.from(key);
    keys.set(key, known);
    return { key: known, dsaEncoding: 'ieee-p1363' } as const;
  };
  const isEs256 = (key: CryptoKey) => key.algorithm.name === 'ECDSA';
  const atOnce: Subtle = {
    sign: async (algorithm, key, data) =>
      isEs256(key) ? bufferOf(sign('sha256', viewOf(data), keyOf(key))) : before.sign(algorithm, key, data),
    verify: async (algorithm, key, signature, data) =>
      isEs256(key)
        ? verify('sha256', viewOf(data), keyOf(key), viewOf(signature))
        : before.verify(algorithm, key, signature, data),
    digest: async (algorithm, data) =>
      algorithm === 'SHA-256'
        ? bufferOf(createHash('sha256').update(viewOf(data)).digest())
        : before.digest(algorithm, data),
  };
  Object.assign(subtle, atOnce);
  return () => void Object.assign(subtle, before);
}

function viewOf(data: BufferSource): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
