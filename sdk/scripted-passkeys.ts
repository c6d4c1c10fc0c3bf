import { base64url } from 'jose';
import {
  assertPasskey,
  type CeremonyChanges,
  makePasskey,
  type SoftPasskey,
} from '../circuits/authenticator.ts';
import type { PasskeyPlatform } from './holder.ts';

// Test support: the WebAuthn of a phone, with what was asked of it, and a customer who may say no.

export interface ScriptedPasskeys extends PasskeyPlatform {
  readonly made: SoftPasskey[];
  readonly asked: (CredentialCreationOptions | CredentialRequestOptions)[];
  available: boolean;
  /** Thrown by the next call, in place of what would come. */
  fault: Error | null;
  changes: CeremonyChanges;
  /** Whether passkeys have a PRF, and whether making one answers already. */
  prf: 'none' | 'when used' | 'at once';
}

export function scriptedPasskeys(origin = 'https://phone.bank.example'): ScriptedPasskeys {
  const bytes = (source: BufferSource | undefined) => {
    if (!(source instanceof Uint8Array)) throw new TypeError('bytes are missing');
    return new Uint8Array(source);
  };
  const buffer = (text: string) => new Uint8Array(base64url.decode(text)).buffer;
  const note = (options: CredentialCreationOptions | CredentialRequestOptions) => {
    platform.asked.push(options);
    const { fault } = platform;
    platform.fault = null;
    if (fault !== null) throw fault;
  };
  const platform: ScriptedPasskeys = {
    made: [],
    asked: [],
    available: true,
    fault: null,
    changes: {},
    prf: 'none',
    isAvailable: async () => platform.available,
    async create(options) {
      note(options);
      const rpId = options.publicKey?.rp.id ?? '';
      const ceremony = { rpId, origin, challenge: bytes(options.publicKey?.challenge) };
      const { passkey, registration } = await makePasskey(ceremony, platform.changes);
      platform.made.push(passkey);
      const salt = platform.prf === 'at once' ? options.publicKey?.extensions?.prf?.eval?.first : undefined;
      const output = salt === undefined ? {} : { results: { first: await prfOf(passkey, bytes(salt)) } };
      const prf = options.publicKey?.extensions?.prf && { enabled: platform.prf !== 'none', ...output };
      return credential(registration.id, prf, {
        attestationObject: buffer(registration.attestation),
        clientDataJSON: buffer(registration.clientData),
        getTransports: () => ['internal', 'telepathy'],
      });
    },
    async get(options) {
      note(options);
      const { rpId = '', challenge, allowCredentials = [] } = options.publicKey ?? {};
      const allowed = allowCredentials.map(({ id }) => base64url.encode(bytes(id)));
      const passkey = platform.made.find(({ id }) => allowed.includes(base64url.encode(id)));
      if (passkey === undefined) throw refusedByCustomer();
      const ceremony = { rpId, origin, challenge: bytes(challenge) };
      const made = await assertPasskey(passkey, ceremony, platform.changes);
      const salt = platform.prf === 'none' ? undefined : options.publicKey?.extensions?.prf?.eval?.first;
      const prf = salt === undefined ? undefined : { results: { first: await prfOf(passkey, bytes(salt)) } };
      return credential(made.id, prf, {
        authenticatorData: buffer(made.authenticatorData),
        clientDataJSON: buffer(made.clientData),
        signature: buffer(made.signature),
      });
    },
  };
  return platform;

  function credential(id: string, prf: object | undefined, response: object): Credential {
    const getClientExtensionResults = () => (prf === undefined ? {} : { prf });
    return Object.assign(
      { id, type: 'public-key' },
      { rawId: buffer(id), response, getClientExtensionResults },
    );
  }
}

/** The same for the same passkey and salt, as an authenticator's hmac-secret. */
async function prfOf({ key }: SoftPasskey, salt: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const { d = '' } = await crypto.subtle.exportKey('jwk', key.privateKey);
  const secret = new Uint8Array(base64url.decode(d));
  const usage = { name: 'HMAC', hash: 'SHA-256' };
  const mac = await crypto.subtle.importKey('raw', secret, usage, false, ['sign']);
  return crypto.subtle.sign('HMAC', mac, salt);
}

/** What browsers throw when the customer says no, or waits too long. */
export function refusedByCustomer(): Error {
  return new DOMException('', 'NotAllowedError');
}
