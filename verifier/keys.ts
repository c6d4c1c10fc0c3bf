import {
  AkashiError,
  base64url32,
  compactJws,
  type KeyStatement,
  keyStatementShape,
  type PublicJwk,
  parse,
  parseKeyStatement,
  publicJwkShape,
  type SigningKey,
  signKeyStatement,
  thumbprint,
  time,
  verifyKeyStatement,
} from '@akashi/circuits';
import { base64url, exportJWK, generateKeyPair, importJWK } from 'jose';
import * as v from 'valibot';
import type { KeyEncryption } from './sealed.ts';
import { newToken, type Random } from './token.ts';

// Every secret that lives outside the database, in one JSON document: signing keys with the root key's statement
// about them, key-encryption keys, the code key, the nonce key. The root key itself is another document, kept offline
// (docs/protocol.md, section 4).

const privateJwkShape = v.strictObject({ ...publicJwkShape.entries, d: base64url32 });

/** The document of the root key. */
const rootDocumentShape = v.strictObject({ format: v.literal('akashi-root/1'), jwk: privateJwkShape });
export type RootDocument = v.InferOutput<typeof rootDocumentShape>;

/** The document of the verifier's keys. */
const keysDocumentShape = v.strictObject({
  format: v.literal('akashi-keys/1'),
  /** Thumbprint of the root key, and what it says; both only after `akashi keys certify` and `install`. */
  root: v.optional(base64url32),
  statement: v.optional(compactJws),
  signing: v.pipe(
    v.array(v.strictObject({ jwk: privateJwkShape, nbf: time, exp: time })),
    v.minLength(1),
    v.maxLength(4),
  ),
  /** Public halves of signing keys that have ended: what they signed about verdicts stays verifiable. */
  ended: v.optional(v.array(v.strictObject({ jwk: publicJwkShape, nbf: time, exp: time }))),
  keyEncryption: v.pipe(
    v.strictObject({ current: v.string(), keys: v.record(v.string(), base64url32) }),
    v.check(({ current, keys }) => Object.hasOwn(keys, current)),
  ),
  codeKey: base64url32,
  nonceKey: base64url32,
  /** Of the database that these keys are for (stored-epoch.ts); 1 where it is not said. */
  epoch: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
});
export type KeysDocument = v.InferOutput<typeof keysDocumentShape>;

/** What travels to the offline machine: the public halves and their times. */
const certificationShape = v.strictObject({
  format: v.literal('akashi-certification/1'),
  keys: keyStatementShape.entries.keys,
});
export type Certification = v.InferOutput<typeof certificationShape>;

/** A key as the JWKS names it. */
export interface PublishedKey {
  readonly kid: string;
  readonly jwk: PublicJwk;
  readonly nbf: number;
  readonly exp: number;
}

export interface CertifiedKey extends SigningKey, PublishedKey {}

/** The verifier's keys, ready for use. */
export interface Keys {
  /** The origin that the statement was made for. */
  readonly issuer: string;
  /** Thumbprint of the root key. */
  readonly root: string;
  /** The key statement, as it travels. */
  readonly statement: string;
  /** The signing keys that the statement certifies. */
  readonly signing: readonly CertifiedKey[];
  /** Those whose private half is gone: for evidence only. */
  readonly ended: readonly PublishedKey[];
  readonly keyEncryption: KeyEncryption;
  readonly codeKey: Uint8Array;
  readonly nonceKey: Uint8Array;
  readonly epoch: number;
}

/** Seconds for which a new signing key is made: a year. */
export const SIGNING_KEY_SECONDS = 365 * 86_400;

/**
 * Seconds until a new signing key signs: a day, in which every verifier is started with it. What one verifier signed may
 * come to a phone by another, whose statement must name the key by then.
 */
export const SIGNING_LEAD_SECONDS = 86_400;

/** Seconds after its end for which a key is still published, for evidence that it signed: ten years. */
export const ENDED_KEY_SECONDS = 10 * SIGNING_KEY_SECONDS;

/** A new root key. */
export async function createRootDocument(): Promise<RootDocument> {
  return { format: 'akashi-root/1', jwk: await newPrivateJwk() };
}

/** New keys, not certified yet. */
export async function createKeysDocument(now: number, random: Random): Promise<KeysDocument> {
  const id = newToken(random);
  return {
    format: 'akashi-keys/1',
    signing: [{ jwk: await newPrivateJwk(), nbf: now, exp: now + SIGNING_KEY_SECONDS }],
    keyEncryption: { current: id, keys: { [id]: base64url.encode(random(32)) } },
    codeKey: base64url.encode(random(32)),
    nonceKey: base64url.encode(random(32)),
  };
}

/**
 * The same keys with one more signing key, valid after `lead` seconds, or when the last one ends. Nothing signs with it before a statement that names it is
 * installed. Of keys that have ended the private half goes; the public one stays for as long as evidence is verifiable.
 */
export async function rotateSigningKey(document: KeysDocument, now: number, lead = 0): Promise<KeysDocument> {
  const lastEnd = Math.max(...document.signing.map(({ exp }) => exp));
  const nbf = Math.min(now + lead, Math.max(now, lastEnd));
  const kept = document.signing.filter((key) => key.exp > now);
  const ended = document.signing.filter((key) => key.exp <= now);
  return {
    ...document,
    signing: [...kept, { jwk: await newPrivateJwk(), nbf, exp: nbf + SIGNING_KEY_SECONDS }],
    ended: [
      ...(document.ended ?? []),
      ...ended.map(({ jwk, nbf, exp }) => ({ jwk: publicHalf(jwk), nbf, exp })),
    ].filter((key) => key.exp + ENDED_KEY_SECONDS > now),
  };
}

/** The same keys with one more key-encryption key, which opens and does not seal yet; and its id. */
export function addEncryptionKey(
  document: KeysDocument,
  random: Random,
): { readonly document: KeysDocument; readonly id: string } {
  const { current, keys } = document.keyEncryption;
  const id = newToken(random);
  const added = { ...keys, [id]: base64url.encode(random(32)) };
  return { document: { ...document, keyEncryption: { current, keys: added } }, id };
}

/** The same keys; from now on this one seals. @throws TypeError when it is not among them */
export function useEncryptionKey(document: KeysDocument, id: string): KeysDocument {
  const { keys } = document.keyEncryption;
  if (!Object.hasOwn(keys, id)) throw new TypeError('there is no such key-encryption key');
  return { ...document, keyEncryption: { current: id, keys } };
}

/** The keys without this one. @throws TypeError when it is not among them, or seals */
export function dropEncryptionKey(document: KeysDocument, id: string): KeysDocument {
  const { current, keys } = document.keyEncryption;
  if (!Object.hasOwn(keys, id)) throw new TypeError('there is no such key-encryption key');
  if (id === current) throw new TypeError('this is the key that seals');
  const { [id]: _, ...kept } = keys;
  return { ...document, keyEncryption: { current, keys: kept } };
}

/** The key-encryption keys of a document, ready for use. */
export function keyEncryptionOf({ keyEncryption: { current, keys } }: KeysDocument): KeyEncryption {
  return {
    current,
    keys: new Map(Object.entries(keys).map(([id, key]) => [id, base64url.decode(key)])),
  };
}

/** What the root key is to certify. */
export async function certificationOf(document: KeysDocument): Promise<Certification> {
  const keys = await Promise.all(
    document.signing.map(async ({ jwk, nbf, exp }) => {
      const half = publicHalf(jwk);
      return { jwk: half, kid: await thumbprint(half), nbf, exp };
    }),
  );
  return { format: 'akashi-certification/1', keys };
}

/** The key statement for the verifier at `origin`, signed by the root key. */
export async function certifyKeys(
  root: RootDocument,
  certification: Certification,
  origin: string,
  now: number,
): Promise<string> {
  for (const { jwk, kid } of certification.keys) {
    if ((await thumbprint(jwk)) !== kid) throw new AkashiError('malformed');
  }
  const statement: KeyStatement = { iss: origin, keys: certification.keys, iat: now };
  return signKeyStatement(statement, { jwk: publicHalf(root.jwk), privateKey: await privateKeyOf(root.jwk) });
}

/** The keys with a statement. @throws AkashiError `key_statement_invalid` when it is not one of this root key */
export async function installStatement(
  document: KeysDocument,
  root: string,
  statement: string,
): Promise<KeysDocument> {
  await verifyKeyStatement(statement, root);
  return { ...document, root, statement };
}

/** Keys and a root key in one go, for development: the root key is not offline. */
export async function createDevelopmentKeys(
  origin: string,
  now: number,
  random: Random,
): Promise<{ readonly keys: KeysDocument; readonly root: RootDocument }> {
  const root = await createRootDocument();
  const keys = await createKeysDocument(now, random);
  const statement = await certifyKeys(root, await certificationOf(keys), origin, now);
  return { keys: await installStatement(keys, await rootThumbprint(root), statement), root };
}

/**
 * The keys of a document, ready for use.
 * @throws AkashiError `key_statement_invalid` when there is no good statement, or it certifies none of the keys
 */
export async function openKeys(document: KeysDocument): Promise<Keys> {
  const { root, statement } = document;
  if (root === undefined || statement === undefined) throw new AkashiError('key_statement_invalid');
  const said = parseKeyStatement(await verifyKeyStatement(statement, root));
  const signing: CertifiedKey[] = [];
  for (const { jwk, nbf, exp } of document.signing) {
    const half = publicHalf(jwk);
    const kid = await thumbprint(half);
    // A key that the statement does not name, or names with other times, is not used: no device would trust it.
    if (!said.keys.some((key) => key.kid === kid && key.nbf === nbf && key.exp === exp)) continue;
    signing.push({ kid, jwk: half, nbf, exp, privateKey: await privateKeyOf(jwk) });
  }
  if (signing.length === 0) throw new AkashiError('key_statement_invalid');
  const ended = (document.ended ?? []).map(async (key) => ({ ...key, kid: await thumbprint(key.jwk) }));
  return {
    issuer: said.iss,
    root,
    statement,
    signing,
    ended: await Promise.all(ended),
    keyEncryption: keyEncryptionOf(document),
    codeKey: base64url.decode(document.codeKey),
    nonceKey: base64url.decode(document.nonceKey),
    epoch: epochOf(document),
  };
}

export function epochOf({ epoch = 1 }: Pick<KeysDocument, 'epoch'>): number {
  return epoch;
}

/** The keys for a database that was put back: nonces that were given out before are good no more. */
export function keysOfEpoch(document: KeysDocument, epoch: number, random: Random): KeysDocument {
  return { ...document, nonceKey: base64url.encode(random(32)), epoch };
}

/** Every key that may have signed something which is still to be verified. */
export function publishedKeys({ signing, ended }: Keys, now: number): readonly PublishedKey[] {
  return [...signing, ...ended].filter(({ exp }) => exp + ENDED_KEY_SECONDS > now);
}

/** The key to sign with now: the newest of those that are valid. @throws Error when none is: a fault */
export function signingKey(keys: Keys, now: number): CertifiedKey {
  const valid = keys.signing.filter(({ nbf, exp }) => nbf <= now && now < exp);
  const newest = valid.sort((a, b) => b.nbf - a.nbf)[0];
  if (newest === undefined) throw new TypeError('no certified signing key is valid now');
  return newest;
}

export async function rootThumbprint(root: RootDocument): Promise<string> {
  return thumbprint(publicHalf(root.jwk));
}

export const parseKeysDocument = (json: string): KeysDocument => parseDocument(keysDocumentShape, json);
export const parseRootDocument = (json: string): RootDocument => parseDocument(rootDocumentShape, json);
export const parseCertification = (json: string): Certification => parseDocument(certificationShape, json);

/** JSON of this shape. @throws AkashiError `malformed`; what JSON.parse throws repeats a piece of the text */
export function parseDocument<S extends v.GenericSchema>(shape: S, json: string): v.InferOutput<S> {
  try {
    return parse(shape, JSON.parse(json));
  } catch (cause) {
    throw new AkashiError('malformed', { cause });
  }
}

async function newPrivateJwk(): Promise<RootDocument['jwk']> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return parse(privateJwkShape, await exportJWK(privateKey));
}

function publicHalf({ kty, crv, x, y }: PublicJwk): PublicJwk {
  return { kty, crv, x, y };
}

async function privateKeyOf(jwk: RootDocument['jwk']): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'ES256');
  if (key instanceof Uint8Array) throw new TypeError('a private JWK is not a symmetric key');
  return key;
}
