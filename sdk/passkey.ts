import {
  AkashiError,
  decodeBase64url,
  encodeBase64url,
  PASSKEY_ALGORITHMS,
  type PasskeyAssertion,
  type PasskeyOptions,
  type PasskeyRegistration,
  parse,
  passkeyAssertion,
  passkeyRegistration,
  passkeyTransport,
} from '@akashi/circuits';
import * as v from 'valibot';
import type { KeptPasskey } from './holder-record.ts';
import type { PasskeyPlatform } from './passkey-platform.ts';

// WebAuthn as a phone uses it (docs/protocol.md, sections 5 and 6). Loaded when first needed.

const SECONDS = 60;

export interface MadePasskey {
  readonly registration: PasskeyRegistration;
  readonly transports: KeptPasskey['transports'];
  readonly prf: Prf;
}

/** What the PRF extension said: whether the passkey has one, and its answer if it came already. */
export interface Prf {
  readonly enabled: boolean;
  readonly output: ArrayBuffer | null;
}

export interface NewPasskey {
  readonly options: PasskeyOptions;
  /** WebAuthn's user handle: the id of this device, so that it names nobody. */
  readonly device: string;
  /** What the phone's own list of passkeys shows. */
  readonly tenantName: string;
  readonly name: string;
  /** What the passkey's PRF is asked; `null`: it is not wanted. */
  readonly salt: Uint8Array<ArrayBuffer> | null;
  readonly signal: AbortSignal | undefined;
}

/** Has the phone make a passkey. @throws AkashiError `passkey_unavailable`, `passkey_cancelled`, `aborted` */
export async function makePasskey(
  platform: PasskeyPlatform,
  { options, device, tenantName, name, salt, signal }: NewPasskey,
): Promise<MadePasskey> {
  const made = await asked(signal, () =>
    platform.create({
      ...(signal && { signal }),
      publicKey: {
        challenge: bytesOf(options.challenge),
        rp: { id: options.rpId, name: tenantName },
        user: { id: bytesOf(device), name, displayName: name },
        pubKeyCredParams: PASSKEY_ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
        excludeCredentials: options.exclude.map((id) => ({ type: 'public-key', id: bytesOf(id) })),
        authenticatorSelection: {
          // The phone's own sensor. It is always told which passkey is meant, so none needs to be found without; where a
          // phone can, one that is not to be found stays on it instead of in an account of the customer's. Phones give a PRF
          // only to those that can be found.
          ...{ authenticatorAttachment: 'platform', residentKey: salt === null ? 'discouraged' : 'required' },
          userVerification: 'required',
        },
        attestation: 'none',
        ...extensionsFor(salt),
        timeout: SECONDS * 1000,
      },
    }),
  );
  const { rawId, response } = read(createdShape, made);
  return {
    registration: parse(passkeyRegistration, {
      id: textOf(rawId),
      attestation: textOf(response.attestationObject),
      clientData: textOf(response.clientDataJSON),
    }),
    transports: transportsOf(made),
    prf: prfOf(made),
  };
}

/**
 * Has the customer confirm with a passkey of this device.
 * @param challenge exactly what is signed
 * @throws AkashiError `passkey_missing`, `passkey_unavailable`, `passkey_cancelled`, `aborted`
 */
export async function assertPasskey(
  platform: PasskeyPlatform,
  { passkeys, rpId, challenge, salt, signal }: AskedPasskey,
): Promise<{ readonly assertion: PasskeyAssertion; readonly prf: ArrayBuffer | null }> {
  const own = passkeys.filter((passkey) => passkey.rpId === rpId);
  if (own.length === 0) throw new AkashiError('passkey_missing');
  const got = await asked(signal, () =>
    platform.get({
      ...(signal && { signal }),
      publicKey: {
        challenge: new Uint8Array(challenge),
        rpId,
        allowCredentials: own.map(({ id, transports }) => ({
          ...{ type: 'public-key', id: bytesOf(id) },
          ...(transports.length > 0 ? { transports: [...transports] as AuthenticatorTransport[] } : {}),
        })),
        userVerification: 'required',
        ...extensionsFor(salt),
        timeout: SECONDS * 1000,
      },
    }),
  );
  const { rawId, response } = read(gotShape, got);
  const assertion = parse(passkeyAssertion, {
    id: textOf(rawId),
    authenticatorData: textOf(response.authenticatorData),
    clientData: textOf(response.clientDataJSON),
    signature: textOf(response.signature),
  });
  return { assertion, prf: prfOf(got).output };
}

export interface AskedPasskey {
  /** Those that this device keeps. */
  readonly passkeys: readonly KeptPasskey[];
  readonly rpId: string;
  readonly challenge: Uint8Array;
  /** What the passkey's PRF is asked; `null`: nothing. */
  readonly salt: Uint8Array<ArrayBuffer> | null;
  readonly signal: AbortSignal | undefined;
}

/** Browsers tell a customer who said no, took too long or has no such passkey apart by nothing. */
async function asked(
  signal: AbortSignal | undefined,
  ask: () => Promise<Credential | null>,
): Promise<Credential> {
  if (signal?.aborted) throw new AkashiError('aborted', { cause: signal.reason });
  try {
    const credential = await ask();
    if (credential === null) throw new AkashiError('passkey_cancelled');
    return credential;
  } catch (cause) {
    if (cause instanceof AkashiError) throw cause;
    if (signal?.aborted) throw new AkashiError('aborted', { cause });
    const isRefusal = cause instanceof Error && /^(?:NotAllowed|Abort)Error$/.test(cause.name);
    throw new AkashiError(isRefusal ? 'passkey_cancelled' : 'passkey_unavailable', { cause });
  }
}

/** The parts that are sent. @throws AkashiError `passkey_unavailable` for what no browser gives */
function read<S extends v.GenericSchema>(shape: S, credential: Credential): v.InferOutput<S> {
  const result = v.safeParse(shape, credential);
  if (!result.success) throw new AkashiError('passkey_unavailable');
  return result.output;
}

/** What is no hint that we know is left out: it is only a hint. */
function transportsOf(credential: Credential): KeptPasskey['transports'] {
  const response: unknown = 'response' in credential ? credential.response : null;
  if (typeof response !== 'object' || response === null || !('getTransports' in response)) return [];
  // Called on the browser's own object: a parsed copy would not do.
  const hints: unknown = typeof response.getTransports === 'function' ? response.getTransports() : [];
  return Array.isArray(hints) ? hints.filter((hint) => v.is(passkeyTransport, hint)) : [];
}

function extensionsFor(salt: Uint8Array<ArrayBuffer> | null) {
  return salt === null ? {} : { extensions: { prf: { eval: { first: salt } } } };
}

/** What the browser says of the PRF, which those that do not know it leave out. */
function prfOf(credential: Credential): Prf {
  if (!('getClientExtensionResults' in credential)) return { enabled: false, output: null };
  const { getClientExtensionResults } = credential;
  // Called on the browser's own object.
  const results: unknown =
    typeof getClientExtensionResults === 'function' ? getClientExtensionResults.call(credential) : null;
  const said = v.safeParse(prfShape, results);
  const { enabled = false, results: outputs } = (said.success ? said.output.prf : undefined) ?? {};
  return { enabled: enabled || outputs !== undefined, output: outputs?.first ?? null };
}

const buffer = v.instance(ArrayBuffer);
const prfShape = v.object({
  prf: v.optional(
    v.object({
      enabled: v.optional(v.boolean()),
      results: v.optional(v.object({ first: v.optional(buffer) })),
    }),
  ),
});
const createdShape = v.object({
  rawId: buffer,
  response: v.object({ attestationObject: buffer, clientDataJSON: buffer }),
});
const gotShape = v.object({
  rawId: buffer,
  response: v.object({ authenticatorData: buffer, clientDataJSON: buffer, signature: buffer }),
});

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return decodeBase64url(text);
}

function textOf(bytes: ArrayBuffer): string {
  return encodeBase64url(new Uint8Array(bytes));
}
