import {
  AkashiError,
  base64url16,
  decodeBase64url,
  encodeBase64url,
  FACT_IDS,
  type FactId,
  fieldText,
  fieldToBytes,
  parse,
} from '@akashi/circuits';
import { artifactFile } from '@akashi/circuits/artifacts';
import * as v from 'valibot';
import { accountsRootOf } from './accounts.ts';
import { credentialOf, dropClaims, readClaims } from './claims.ts';
import type { Preparation, PreparedParts, Random } from './groth16.ts';
import { type Identity, isOpen, type KeptRecord, loadIdentity } from './holder-record.ts';
import { encodeParts, encodePreparation, partsShape, preparationShape } from './preparation.ts';
import type { Statement } from './statement.ts';
import type { DeviceStorage } from './storage.ts';

// Preparations between enrolment and request (docs/protocol.md, section 3). A preparation tells the witness to whoever can
// guess it, so all of them lie encrypted under the device's storage key, and those of `pin`, whose witness a thief of
// device and storage key would guess, once more under a key that only the PIN and a counted call bring back.
//
// One record a fact. Each names the device and the proving key it is for, each entry the other public signals; an entry is
// used for exactly these. What is damaged, or of another device, key or statement, is as good as none: it is made again.

/** A preparation, or what there is of an interrupted one. */
export type Prepared =
  | { readonly preparation: Preparation }
  | { readonly parts: Readonly<Partial<PreparedParts>> };

export const PREPARATION_RECORDS: { readonly [F in FactId]: string } = {
  pin: 'preparation/pin',
  account: 'preparation/account',
  range: 'preparation/range',
  member: 'preparation/member',
};

/** Entries a fact keeps at most: 17 of `account`, and for claims those of two days. */
const ENTRIES_MAX = 64;

const INFO = 'akashi/preparation/v1';
const bytes = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+$/));
const entryShape = v.strictObject({
  signals: v.record(v.string(), fieldText),
  prepared: v.union([
    v.strictObject({ iv: bytes, ciphertext: bytes }),
    v.strictObject({ preparation: preparationShape }),
    v.strictObject({ parts: partsShape }),
  ]),
});
const recordShape = v.strictObject({
  device: base64url16,
  /** SHA-256 of the proving key, hex. */
  key: v.string(),
  entries: v.array(entryShape),
});
/** An entry as it is written, and as it is looked at before its points are. */
type EntryText = v.InferInput<typeof entryShape>;
type Sealed = { readonly iv: string; readonly ciphertext: string };

/** What is kept for this statement, or `null`. */
export async function findPreparation(
  storage: DeviceStorage,
  identity: Identity,
  statement: Statement,
): Promise<Prepared | null> {
  const { fact } = statement;
  const signals = signalsText(statement);
  const entry = (await readEntries(storage, identity.record, fact)).find((kept) =>
    areSame(kept.signals, signals),
  );
  if (entry === undefined) return null;
  try {
    const { prepared } = parse(entryShape, entry);
    if (fact !== 'pin') return 'iv' in prepared ? null : prepared;
    if (!('iv' in prepared)) return null;
    return { preparation: await unsealed(identity.record.device, statement, prepared) };
  } catch {
    return null;
  }
}

/**
 * Keeps it in place of what was kept for this statement, unless another tab enrolled anew, or the statement is no longer
 * true of this device. Parts of `pin` are not kept: its preparation is short.
 */
export async function keepPreparation(
  { storage, random }: { readonly storage: DeviceStorage; readonly random: Random },
  identity: Identity,
  statement: Statement,
  made: Prepared,
): Promise<void> {
  const { device, verifier } = identity.record;
  const { fact } = statement;
  const prepared = await written(device, statement, made, random);
  if (prepared === null) return;
  const entry: EntryText = { signals: signalsText(statement), prepared };
  await storage.exclusive(async () => {
    const current = await loadIdentity(storage, verifier);
    // A preparation is as good as the secrets it was made of: none lies beside wrapped ones.
    if (current?.record.device !== device || !isOpen(current)) return;
    const isCurrent = await currentSignals(storage, current);
    if (!isCurrent(entry)) return;
    const others = (await readEntries(storage, current.record, fact)).filter(
      (kept) => isCurrent(kept) && !areSame(kept.signals, entry.signals),
    );
    // Bounds that move with the day leave one entry a day behind: the oldest go.
    await write(storage, current.record, fact, [...others, entry].slice(-ENTRIES_MAX));
  });
}

/**
 * Lets go of what is no longer true of this device: after a change of the PIN, the accounts or the claims. Where secrets are
 * wrapped, of all; and of claims that lie beside them because the call that wrapped them was interrupted.
 */
export async function dropStalePreparations(storage: DeviceStorage, identity: Identity): Promise<void> {
  const { device, verifier } = identity.record;
  await storage.exclusive(async () => {
    const current = await loadIdentity(storage, verifier);
    if (current?.record.device !== device) return;
    const isCurrent = await currentSignals(storage, current);
    for (const fact of FACT_IDS) {
      const entries = await readEntries(storage, current.record, fact);
      const kept = isOpen(current) ? entries.filter(isCurrent) : [];
      if (kept.length < entries.length) await write(storage, current.record, fact, kept);
    }
    if (!isOpen(current)) await dropClaims(storage, current.record);
  });
}

function write(
  storage: DeviceStorage,
  { device }: KeptRecord,
  fact: FactId,
  entries: readonly EntryText[],
): Promise<void> {
  return storage.write(PREPARATION_RECORDS[fact], { device, key: keyDigest(fact), entries });
}

/** The entries kept for this device and key. Damaged ones are left out with all of their record. */
async function readEntries(
  storage: DeviceStorage,
  { device }: KeptRecord,
  fact: FactId,
): Promise<readonly EntryText[]> {
  try {
    const stored = await storage.read(PREPARATION_RECORDS[fact]);
    // Checked, and kept as the text that it is: most of it is only written again.
    if (!v.is(recordShape, stored)) return [];
    return stored.device === device && stored.key === keyDigest(fact) ? stored.entries : [];
  } catch (error) {
    if (error instanceof AkashiError) return [];
    throw error;
  }
}

/** Whether an entry speaks of the PIN, the accounts and the claims of today: by the commitment among its signals. */
async function currentSignals(
  storage: DeviceStorage,
  identity: Identity,
): Promise<(entry: EntryText) => boolean> {
  const { record } = identity;
  const current = new Set([record.commitment, accountsRootOf(record.issued)]);
  const issued = isOpen(identity) ? await readClaims(storage, identity) : [];
  for (const claims of issued) current.add(credentialOf(claims).credential);
  return ({ signals: { commitment, accountsRoot, credential } }) =>
    current.has(commitment ?? accountsRoot ?? credential ?? '');
}

function signalsText({ signals }: Statement): EntryText['signals'] {
  return Object.fromEntries(Object.entries(signals).map(([name, value]) => [name, String(value)]));
}

function areSame(one: EntryText['signals'], other: EntryText['signals']): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

function keyDigest(fact: FactId): string {
  return artifactFile(fact, 'key').sha256;
}

async function written(
  device: string,
  statement: Statement,
  made: Prepared,
  random: Random,
): Promise<EntryText['prepared'] | null> {
  if (statement.fact !== 'pin') {
    return 'parts' in made
      ? { parts: encodeParts(made.parts) }
      : { preparation: encodePreparation(made.preparation) };
  }
  if ('parts' in made) return null;
  const iv = new Uint8Array(random(12));
  const ciphertext = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: additionalData(device, statement) },
    await keyFromPin(statement.inputs.pinKey),
    new TextEncoder().encode(JSON.stringify(encodePreparation(made.preparation))),
  );
  return { iv: encodeBase64url(iv), ciphertext: encodeBase64url(new Uint8Array(ciphertext)) };
}

async function unsealed(
  device: string,
  statement: Statement<'pin'>,
  { iv, ciphertext }: Sealed,
): Promise<Preparation> {
  const plain = await crypto.subtle.decrypt(
    {
      name: 'AES-GCM',
      iv: new Uint8Array(decodeBase64url(iv)),
      additionalData: additionalData(device, statement),
    },
    await keyFromPin(statement.inputs.pinKey),
    new Uint8Array(decodeBase64url(ciphertext)),
  );
  return parse(preparationShape, JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(plain)));
}

/** `HKDF-SHA-256(pinKey as 32 bytes, no salt, "akashi/preparation/v1")`: `pinKey` has a key of this device in it already. */
async function keyFromPin(pinKey: bigint): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', new Uint8Array(fieldToBytes(pinKey)), 'HKDF', false, [
    'deriveKey',
  ]);
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new TextEncoder().encode(INFO) },
    material,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  );
}

function additionalData(device: string, { fact, signals }: Statement<'pin'>) {
  const names = [INFO, device, fact, keyDigest(fact), String(signals.commitment)];
  return new TextEncoder().encode(names.join('\0'));
}
