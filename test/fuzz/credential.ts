import { randomBytes } from 'node:crypto';
import { type DpopCall, signDpop } from '@akashi/circuits';
import { ORIGIN, type World } from '../../verifier/app-fixtures.ts';
import { newNonce } from '../../verifier/nonce.ts';
import type { Phone } from '../../verifier/phone-fixtures.ts';
import type { Flaw } from './routes.ts';

// What callers show of themselves, with something wrong in it where that is what is tried.

export class DeviceProofs {
  readonly #world: World;
  #jti = 'A'.repeat(22);

  constructor(world: World) {
    this.#world = world;
  }

  /** The header of a call. */
  async of(
    { key }: Phone,
    { method, path, body }: { readonly method: string; readonly path: string; readonly body: Uint8Array },
    flaw: Flaw | null,
  ): Promise<Record<string, string>> {
    const { keys, clock } = this.#world;
    const jti = flaw === 'replay' ? this.#jti : randomBytes(16).toString('base64url');
    this.#jti = jti;
    const call = {
      method: (flaw === 'method' ? 'PUT' : method) as DpopCall['method'],
      url: flaw === 'url' ? `${ORIGIN}/v1/other` : `${ORIGIN}${new URL(path, ORIGIN).pathname}`,
      body: flaw === 'body' ? new Uint8Array(3) : body,
    };
    const at = flaw === 'old nonce' ? clock.now - 100_000 : clock.now;
    const nonce =
      flaw === 'nonce' ? 'x'.repeat(128) : flaw === 'no nonce' ? undefined : newNonce(keys.nonceKey, at);
    const iat = flaw === 'time' ? Number.MAX_SAFE_INTEGER : clock.now;
    return { dpop: flawed(await signDpop(call, { jti, nonce, iat }, key), flaw) };
  }
}

export function bearer(token: string, flaw: Flaw | null): Record<string, string> {
  return { authorization: flaw === 'scheme' ? `Basic ${token}` : flawed(`Bearer ${token}`, flaw) };
}

/** A header with something wrong in its text. */
function flawed(text: string, flaw: Flaw | null): string {
  switch (flaw) {
    case 'header':
      return text.replace(/^[^.]*/, Buffer.from('{"alg":"none","typ":"dpop+jwt"}').toString('base64url'));
    case 'text':
      return text.slice(0, -3);
    case 'twice':
      return `${text}, ${text}`;
    case 'long':
      return text + 'A'.repeat(9000);
    case 'unknown':
      return text.replace(/.{5}$/, 'AAAAA');
    default:
      return text;
  }
}
