import { PASSKEY_ALGORITHMS, type PasskeyAssertion, type PasskeyRegistration } from '@akashi/circuits';
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server';
import {
  cose,
  decodeAttestationObject,
  decodeCredentialPublicKey,
  isoCBOR,
  parseAuthenticatorData,
} from '@simplewebauthn/server/helpers';
import { base64url } from 'jose';
import * as v from 'valibot';
import { equal } from './audit.ts';
import type { Passkey, PasskeyUse } from './records.ts';
import { sha256 } from './token.ts';

// Registrations and assertions of passkeys (W3C WebAuthn, sections 7.1 and 7.2). @simplewebauthn/server decides; what is
// added here is stricter than it: no page inside another site's frame, no attestation with certificates, one encoding of a
// signature only, and the flag that a passkey can leave its authenticator must stay as it was registered.

/** What both kinds are held against. */
export interface ExpectedCeremony {
  readonly rpId: string;
  readonly origins: readonly string[];
  readonly challenge: Uint8Array;
}

export type RegisteredPasskey = Pick<Passkey, 'id' | 'publicKey' | 'counter' | 'backupAble' | 'backedUp'>;

/** Why an assertion is refused: the part of the reason code after `passkey:`. */
export type PasskeyFault =
  | 'unknown'
  | 'malformed'
  | 'type'
  | 'challenge'
  | 'origin'
  | 'rp_id'
  | 'presence'
  | 'verification'
  | 'backup'
  | 'counter'
  | 'signature';

/** What a registration makes, or `undefined` where any check fails. */
export async function checkRegistration(
  { id, attestation, clientData }: PasskeyRegistration,
  { rpId, origins, challenge }: ExpectedCeremony,
): Promise<RegisteredPasskey | undefined> {
  if (isFramed(readClientData(clientData)) || !isPlainAttestation(attestation)) return undefined;
  const result = await verifyRegistrationResponse({
    response: {
      ...{ id, rawId: id, type: 'public-key', clientExtensionResults: {} },
      response: { clientDataJSON: clientData, attestationObject: attestation },
    },
    expectedChallenge: base64url.encode(challenge),
    expectedOrigin: [...origins],
    expectedRPID: rpId,
    requireUserVerification: true,
    supportedAlgorithmIDs: [...PASSKEY_ALGORITHMS],
  }).catch(() => undefined); // it throws for whatever does not hold
  if (result?.verified !== true) return undefined;
  const { credential, credentialDeviceType, credentialBackedUp } = result.registrationInfo;
  if (credential.id !== id) return undefined;
  return {
    id: base64url.decode(id),
    publicKey: credential.publicKey,
    counter: credential.counter,
    backupAble: credentialDeviceType === 'multiDevice',
    backedUp: credentialBackedUp,
  };
}

/** @param passkeys those of the device that presents it */
export async function checkAssertion(
  assertion: PasskeyAssertion,
  passkeys: readonly Passkey[],
  expected: ExpectedCeremony,
): Promise<PasskeyUse | PasskeyFault> {
  const id = base64url.decode(assertion.id);
  const known = passkeys.find((passkey) => equal(passkey.id, id));
  if (known === undefined) return 'unknown';
  if (isFramed(readClientData(assertion.clientData))) return 'origin';
  const result = await verifyAuthenticationResponse({
    response: {
      ...{ id: assertion.id, rawId: assertion.id, type: 'public-key', clientExtensionResults: {} },
      response: {
        clientDataJSON: assertion.clientData,
        authenticatorData: assertion.authenticatorData,
        signature: assertion.signature,
      },
    },
    expectedChallenge: base64url.encode(expected.challenge),
    expectedOrigin: [...expected.origins],
    expectedRPID: expected.rpId,
    requireUserVerification: true,
    credential: {
      id: assertion.id,
      publicKey: new Uint8Array(known.publicKey),
      counter: known.counter,
    },
  }).catch(() => undefined); // it throws for whatever does not hold
  if (result?.verified !== true) return faultIn(assertion, known, expected);
  if (!isCanonical(algorithmOf(known.publicKey), base64url.decode(assertion.signature))) return 'signature';
  const { newCounter: counter, credentialBackedUp, credentialDeviceType } = result.authenticationInfo;
  if ((credentialDeviceType === 'multiDevice') !== known.backupAble) return 'backup';
  return { passkey: known.passkey, counter, backedUp: credentialBackedUp };
}

/** Names the first check that a refused assertion fails, for the audit: nothing is let in by what is found here. */
function faultIn(
  assertion: PasskeyAssertion,
  known: Passkey,
  { rpId, origins, challenge }: ExpectedCeremony,
): PasskeyFault {
  const client = readClientData(assertion.clientData);
  const data = readAuthenticatorData(assertion.authenticatorData);
  if (client === undefined || data === undefined) return 'malformed';
  if (client.type !== 'webauthn.get') return 'type';
  if (client.challenge !== base64url.encode(challenge)) return 'challenge';
  if (!origins.includes(client.origin)) return 'origin';
  if (!equal(data.rpIdHash, sha256(rpId))) return 'rp_id';
  if (!data.flags.up) return 'presence';
  if (!data.flags.uv) return 'verification';
  if ((data.counter > 0 || known.counter > 0) && data.counter <= known.counter) return 'counter';
  if (data.flags.bs && !data.flags.be) return 'backup';
  return 'signature';
}

const clientDataShape = v.object({
  type: v.string(),
  challenge: v.string(),
  origin: v.string(),
  crossOrigin: v.optional(v.boolean()),
  topOrigin: v.optional(v.string()),
});
type ClientData = v.InferOutput<typeof clientDataShape>;

function readClientData(text: string): ClientData | undefined {
  try {
    const json = new TextDecoder('utf-8', { fatal: true }).decode(base64url.decode(text));
    return v.parse(clientDataShape, JSON.parse(json));
  } catch {
    return undefined;
  }
}

function readAuthenticatorData(text: string): ReturnType<typeof parseAuthenticatorData> | undefined {
  try {
    return parseAuthenticatorData(new Uint8Array(base64url.decode(text)));
  } catch {
    return undefined;
  }
}

/** Whether the page ran in a frame of another site, which the library lets pass where the browser does not say of which. */
function isFramed(client: ClientData | undefined): boolean {
  return client?.crossOrigin === true || client?.topOrigin !== undefined;
}

/**
 * Without attestation, or attested by the passkey's own key, as browsers send it when none is asked for. Certificates would
 * tell the phone's model, and following them would mean calls to addresses that a stranger chose.
 */
function isPlainAttestation(text: string): boolean {
  try {
    const bytes = new Uint8Array(base64url.decode(text));
    const attestation = decodeAttestationObject(bytes);
    // The library reads lengths that go beyond the end as well; what is in its one form is again what it was.
    if (!equal(isoCBOR.encode(attestation as unknown as Encodable), bytes)) return false;
    const format = attestation.get('fmt');
    if (format === 'none') return true;
    const statement = attestation.get('attStmt');
    const [alg, signature] = [statement.get('alg'), statement.get('sig')];
    const isOwn = format === 'packed' && statement.get('x5c') === undefined;
    return isOwn && alg !== undefined && signature !== undefined && isCanonical(alg, signature);
  } catch {
    return false;
  }
}

// The library's type of what it decoded hides that it is a map.
type Encodable = Parameters<typeof isoCBOR.encode>[0];

function algorithmOf(publicKey: Uint8Array): number | undefined {
  return decodeCredentialPublicKey(new Uint8Array(publicKey)).get(cose.COSEKEYS.alg);
}

/**
 * Whether a signature is written in its one form. Those of ECDSA come as DER (W3C WebAuthn, section 6.5.5), of which the
 * library reads lengths that do not fit as well; the others are bytes of a fixed length.
 */
function isCanonical(alg: number | undefined, signature: Uint8Array): boolean {
  if (alg !== cose.COSEALG.ES256) return true;
  const [tag, length] = signature;
  const r = integerAt(signature, 2);
  const s = r === undefined ? undefined : integerAt(signature, r);
  return tag === 0x30 && length === signature.length - 2 && s === signature.length;
}

/** Where a positive DER integer that begins at `at` ends, if it is as short as it can be. */
function integerAt(bytes: Uint8Array, at: number): number | undefined {
  const [tag, length = 0, first = 0x80, second = 0] = bytes.subarray(at);
  const isShortest = first < 0x80 && (first > 0 || second >= 0x80);
  return tag === 0x02 && length >= 1 && length <= 33 && isShortest ? at + 2 + length : undefined;
}
