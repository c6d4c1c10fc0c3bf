import { base64url } from 'jose';
import type { PasskeyAssertion, PasskeyRegistration } from './webauthn.ts';

// Test support: a WebAuthn authenticator and the browser before it, in software, with real keys and signatures. It does
// as it is told, wrong things included. Nothing that ships imports this file.

/** Bits of the flags byte (WebAuthn, section 6.1). */
export const FLAGS = { present: 1, verified: 4, backupAble: 8, backedUp: 16, attested: 64 } as const;

export interface Ceremony {
  readonly rpId: string;
  readonly origin: string;
  readonly challenge: Uint8Array;
}

/** What may be otherwise than a good phone makes it. */
export interface CeremonyChanges {
  readonly type?: string;
  readonly flags?: number;
  readonly counter?: number;
  /** Members of the client data beside the usual ones. */
  readonly client?: Readonly<Record<string, unknown>>;
  readonly attestation?: 'none' | 'packed' | 'packed, with a certificate' | 'fido-u2f';
  /** Another id than that of the passkey which signs. */
  readonly id?: Uint8Array;
}

export interface SoftPasskey {
  readonly id: Uint8Array<ArrayBuffer>;
  readonly rpId: string;
  readonly key: CryptoKeyPair;
  counter: number;
}

const GOOD = FLAGS.present | FLAGS.verified;

/** A passkey with its registration. @param counter 0: this authenticator counts nothing, as most phones */
export async function makePasskey(
  ceremony: Ceremony,
  changes: CeremonyChanges = {},
): Promise<{ readonly passkey: SoftPasskey; readonly registration: PasskeyRegistration }> {
  const key = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const id = crypto.getRandomValues(new Uint8Array(32));
  const passkey: SoftPasskey = { id, rpId: ceremony.rpId, key, counter: changes.counter ?? 0 };
  const clientData = clientDataOf('webauthn.create', ceremony, changes);
  const flags = (changes.flags ?? GOOD) | FLAGS.attested;
  const attested = concat(new Uint8Array(16), Uint8Array.of(0, id.length), id, await coseKey(key.publicKey));
  const data = concat(await authenticatorData(ceremony.rpId, flags, passkey.counter), attested);
  const statement = await attestationStatement(changes.attestation ?? 'none', passkey, data, clientData);
  const registration = {
    id: base64url.encode(changes.id ?? id),
    attestation: base64url.encode(concat(Uint8Array.of(0xa3), statement, text('authData'), bytes(data))),
    clientData: base64url.encode(clientData),
  };
  return { passkey, registration };
}

/** An assertion. The counter moves on, where the authenticator has one. */
export async function assertPasskey(
  passkey: SoftPasskey,
  ceremony: Ceremony,
  changes: CeremonyChanges = {},
): Promise<PasskeyAssertion> {
  if (passkey.counter > 0) passkey.counter++;
  const clientData = clientDataOf('webauthn.get', ceremony, changes);
  const counter = changes.counter ?? passkey.counter;
  const data = await authenticatorData(ceremony.rpId, changes.flags ?? GOOD, counter);
  return {
    id: base64url.encode(changes.id ?? passkey.id),
    authenticatorData: base64url.encode(data),
    clientData: base64url.encode(clientData),
    signature: base64url.encode(await sign(passkey, data, clientData)),
  };
}

function clientDataOf(usual: string, { origin, challenge }: Ceremony, { type, client }: CeremonyChanges) {
  const members = { type: type ?? usual, challenge: base64url.encode(challenge), origin, crossOrigin: false };
  return new TextEncoder().encode(JSON.stringify({ ...members, ...client }));
}

async function authenticatorData(rpId: string, flags: number, counter: number) {
  const head = new Uint8Array(37);
  head.set(await sha256(new TextEncoder().encode(rpId)));
  head[32] = flags;
  new DataView(head.buffer).setUint32(33, counter);
  return head;
}

async function sign(
  { key }: SoftPasskey,
  data: Uint8Array<ArrayBuffer>,
  clientData: Uint8Array<ArrayBuffer>,
) {
  const signed = concat(data, await sha256(clientData));
  const raw = new Uint8Array(
    await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key.privateKey, signed),
  );
  const body = concat(derInteger(raw.subarray(0, 32)), derInteger(raw.subarray(32)));
  return concat(Uint8Array.of(0x30, body.length), body);
}

async function attestationStatement(
  format: NonNullable<CeremonyChanges['attestation']>,
  passkey: SoftPasskey,
  data: Uint8Array<ArrayBuffer>,
  clientData: Uint8Array<ArrayBuffer>,
) {
  const [name = format] = format.split(',');
  const head = concat(text('fmt'), text(name), text('attStmt'));
  if (format === 'none') return concat(head, Uint8Array.of(0xa0));
  const signature = await sign(passkey, data, clientData);
  const own = concat(text('alg'), Uint8Array.of(0x26), text('sig'), bytes(signature));
  if (format === 'packed') return concat(head, Uint8Array.of(0xa2), own);
  const certificate = concat(text('x5c'), Uint8Array.of(0x81), bytes(new Uint8Array(8)));
  return concat(head, Uint8Array.of(0xa3), own, certificate);
}

/** COSE_Key of a P-256 key for ES256 (RFC 9053). */
async function coseKey(key: CryptoKey) {
  const point = new Uint8Array(await crypto.subtle.exportKey('raw', key));
  const head = Uint8Array.of(0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01);
  return concat(
    ...[head, Uint8Array.of(0x21), bytes(point.subarray(1, 33))],
    ...[Uint8Array.of(0x22), bytes(point.subarray(33))],
  );
}

// CBOR and DER, as far as they are needed.

function text(value: string) {
  const encoded = new TextEncoder().encode(value);
  return concat(Uint8Array.of(0x60 | encoded.length), encoded);
}

function bytes(value: Uint8Array) {
  const { length } = value;
  const head =
    length < 24 ? [0x40 | length] : length < 256 ? [0x58, length] : [0x59, length >> 8, length & 255];
  return concat(Uint8Array.from(head), value);
}

function derInteger(value: Uint8Array) {
  const first = value.findIndex((byte) => byte !== 0);
  const rest = first < 0 ? value.subarray(-1) : value.subarray(first);
  const padded = (rest[0] ?? 0) > 127 ? concat(Uint8Array.of(0), rest) : rest;
  return concat(Uint8Array.of(0x02, padded.length), padded);
}

async function sha256(value: Uint8Array<ArrayBuffer>) {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', value));
}

function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
