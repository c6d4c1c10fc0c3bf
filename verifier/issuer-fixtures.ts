import { deflateSync } from 'node:zlib';
import {
  type JwsKind,
  type PublicJwk,
  parse,
  publicJwkShape,
  type Status,
  signJws,
  statusBytes,
  thumbprint,
} from '@akashi/circuits';
import { base64url, exportJWK, generateKeyPair } from 'jose';
import type { RemoteDocument } from './remote-document.ts';

// A tenant's server as the verifier sees it: what it publishes, and every way in which it can fail.

export interface IssuerKey {
  readonly kid: string;
  readonly jwk: PublicJwk;
  readonly privateKey: CryptoKey;
}

export async function newIssuerKey(): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = parse(publicJwkShape, await exportJWK(publicKey));
  return { kid: await thumbprint(jwk), jwk, privateKey };
}

const SIZE = 1024;
const TTL = 60;
const LIFETIME = 3600;

/** What a published list can be instead of what it should be. */
export interface ListChange {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly key?: IssuerKey;
  readonly kind?: JwsKind;
  /** The bytes before they are packed. */
  readonly bytes?: Uint8Array;
}

export class Publisher {
  readonly base: string;
  /** In the JWK set. */
  keys: IssuerKey[];
  /** Signs the lists. */
  signer: IssuerKey;
  readonly revoked = new Set<number>();
  change: ListChange = {};
  /** Addresses that were asked for, in order. */
  readonly asked: string[] = [];
  state: 'up' | 'down' | 'hanging' = 'up';
  readonly #now: () => number;

  private constructor(base: string, key: IssuerKey, now: () => number) {
    this.base = base;
    this.keys = [key];
    this.signer = key;
    this.#now = now;
  }

  static async open(base: string, now: () => number): Promise<Publisher> {
    return new Publisher(base, await newIssuerKey(), now);
  }

  get jwks(): string {
    return `${this.base}keys`;
  }

  get statusLists(): string {
    return `${this.base}status/`;
  }

  place(idx: number, list = '0'): Status {
    return { status_list: { idx, uri: `${this.statusLists}${list}` } };
  }

  async answer({ url }: RemoteDocument, signal: AbortSignal): Promise<string> {
    this.asked.push(url.slice(this.base.length));
    if (this.state === 'down') throw new Error('connection refused');
    if (this.state === 'hanging') {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      });
    }
    if (url === this.jwks)
      return JSON.stringify({ keys: this.keys.map(({ jwk, kid }) => ({ ...jwk, kid })) });
    return this.list(url);
  }

  async list(url: string): Promise<string> {
    const { claims = {}, key = this.signer, kind = 'statusList', bytes } = this.change;
    const packed = deflateSync(bytes ?? statusBytes(SIZE, this.revoked));
    const now = this.#now();
    const list = { bits: 1, lst: base64url.encode(packed) };
    const usual = { sub: url, iat: now, exp: now + LIFETIME, ttl: TTL, status_list: list };
    return signJws(kind, { ...usual, ...claims }, key);
  }
}
