// ES256 (RFC 7518, section 3.4) and SHA-256 on WebCrypto, as phones have it. Node takes es256-node.ts (package.json, `imports`).

const ES256 = { name: 'ECDSA', hash: 'SHA-256' } as const;
const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;

type Bytes = Uint8Array<ArrayBuffer>;

/** @throws DOMException for coordinates that are no point of the curve */
export async function importPublicKey(x: string, y: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', x, y }, P256, false, ['verify']);
}

/** The signature as its two numbers one behind the other, 64 bytes. */
export async function sign(key: CryptoKey, data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.sign(ES256, key, data));
}

export async function verify(key: CryptoKey, signature: Bytes, data: Bytes): Promise<boolean> {
  return crypto.subtle.verify(ES256, key, signature, data);
}

export async function sha256(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', data));
}
