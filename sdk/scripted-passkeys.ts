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
    isAvailable: async () => platform.available,
    async create(options) {
      note(options);
      const rpId = options.publicKey?.rp.id ?? '';
      const ceremony = { rpId, origin, challenge: bytes(options.publicKey?.challenge) };
      const { passkey, registration } = await makePasskey(ceremony, platform.changes);
      platform.made.push(passkey);
      return credential(registration.id, {
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
      return credential(made.id, {
        authenticatorData: buffer(made.authenticatorData),
        clientDataJSON: buffer(made.clientData),
        signature: buffer(made.signature),
      });
    },
  };
  return platform;

  function credential(id: string, response: object): Credential {
    return Object.assign({ id, type: 'public-key' }, { rawId: buffer(id), response });
  }
}

/** What browsers throw when the customer says no, or waits too long. */
export function refusedByCustomer(): Error {
  return new DOMException('', 'NotAllowedError');
}
