import {
  AkashiError,
  type AskedClaim,
  areSameDefinition,
  askableFactsAnswer,
  base64url16,
  type ClaimsCredential,
  type ClaimsSchema,
  claimsSchema,
  compactJws,
  encodeBounds,
  encodeClaim,
  encodeClaims,
  encodeValues,
  fieldText,
  parse,
  parseCredential,
  parseField,
  reference,
  schemaSignal,
  shownDefinition,
  unverifiedJws,
} from '@akashi/circuits';
import * as v from 'valibot';
import type { ExpectedHolder } from './accounts.ts';
import { readAnswer } from './connection.ts';
import type { DeviceConnection } from './device-connection.ts';
import { type Identity, isOpen, type KeptRecord, loadIdentity, type OpenIdentity } from './holder-record.ts';
import { type Opening, openIdentity } from './opening.ts';
import type { DeviceStorage } from './storage.ts';

// The claims that issuers vouched for on this device: what comes with a credential, how it is kept, and which one a
// request asks about (docs/protocol.md, sections 3 and 5). Loaded when first needed.

export const issuedClaimsShape = v.strictObject({
  credential: compactJws,
  schema: claimsSchema,
  /** Random. Who has it can search for the claims. */
  salt: fieldText,
  /** By name, as their types write them. */
  claims: v.record(reference, v.string()),
});
/** A claims credential with its private parts: JSON as is. It goes to the device and nowhere else. */
export type IssuedClaims = v.InferOutput<typeof issuedClaimsShape>;

/** A credential as the circuits want it. */
export interface HeldClaims {
  /** The JWS. */
  readonly jws: string;
  readonly credential: bigint;
  readonly claims: readonly bigint[];
  readonly salt: bigint;
}

const CLAIMS_RECORD = 'claims';
const recordShape = v.strictObject({ device: base64url16, issued: v.array(issuedClaimsShape) });
const emptyRecord = v.strictObject({ device: base64url16, issued: v.strictTuple([]) });

/**
 * What an exchange brought, once each credential is for this device and commits to just these claims. The issuer's
 * signature is not checked: the tenant's keys are known to the verifier, which does.
 * @throws AkashiError `unexpected_answer`
 */
export async function checkIssuedClaims(
  input: unknown,
  expected: ExpectedHolder,
): Promise<readonly IssuedClaims[]> {
  try {
    const list = parse(v.pipe(v.array(issuedClaimsShape), v.minLength(1), v.maxLength(16)), input);
    const { claimsCredential } = await import('@akashi/circuits/poseidon');
    for (const issued of list) {
      const credential = credentialOf(issued);
      const committed = {
        schema: schemaSignal(issued.schema),
        salt: parseField(issued.salt),
        claims: encodeClaims(issued.schema, issued.claims),
      };
      const meant =
        credential.aud === expected.verifier &&
        credential.tenant === expected.tenant &&
        credential.sub === expected.subject &&
        credential.cnf.jkt === expected.jkt &&
        credential.exp > expected.now &&
        credential.schema === String(committed.schema) &&
        parseField(credential.credential) === claimsCredential(committed, expected.holder);
      if (!meant) throw new AkashiError('malformed');
    }
    if (new Set(list.map(({ schema }) => schemaSignal(schema))).size !== list.length)
      throw new AkashiError('malformed');
    return list;
  } catch (cause) {
    throw new AkashiError('unexpected_answer', { cause });
  }
}

/** All claims credentials of this device. What is damaged, or of another device, is as good as none. */
export async function readClaims(
  storage: DeviceStorage,
  { record: { device }, unwrappedClaims }: OpenIdentity,
): Promise<readonly IssuedClaims[]> {
  if (unwrappedClaims !== undefined) return unwrappedClaims;
  try {
    const record = parse(recordShape, await storage.read(CLAIMS_RECORD));
    return record.device === device ? record.issued : [];
  } catch (error) {
    if (error instanceof AkashiError) return [];
    throw error;
  }
}

/** Those that are kept, with what was issued: each in place of an earlier one of its schema; what is over by `now` goes. */
export function withIssued(
  kept: readonly IssuedClaims[],
  issued: readonly IssuedClaims[],
  now: number,
): readonly IssuedClaims[] {
  const replaced = new Set(issued.map(({ schema }) => schemaSignal(schema)));
  const others = kept.filter(
    (other) => !replaced.has(schemaSignal(other.schema)) && credentialOf(other).exp > now,
  );
  return [...others, ...issued];
}

/**
 * Keeps them, see {@link withIssued}.
 * @returns false where the secrets are wrapped, and nothing was kept: claims may not lie open beside them
 * @throws AkashiError `not_enrolled` when another tab enrolled anew or removed the device meanwhile
 */
export async function keepClaims(
  storage: DeviceStorage,
  { record: { device, verifier } }: Identity,
  issued: readonly IssuedClaims[],
  now: number,
): Promise<boolean> {
  return storage.exclusive(async () => {
    const current = await loadIdentity(storage, verifier);
    if (current?.record.device !== device) throw new AkashiError('not_enrolled');
    if (!isOpen(current)) return false;
    await writeClaims(storage, current.record, withIssued(await readClaims(storage, current), issued, now));
    return true;
  });
}

/** Writes just these. Only while no other tab does, and never beside wrapped secrets. */
export function writeClaims(
  storage: DeviceStorage,
  { device }: Pick<KeptRecord, 'device'>,
  issued: readonly IssuedClaims[],
): Promise<void> {
  return storage.write(CLAIMS_RECORD, { device, issued });
}

/** Lets go of the record of claims, where there is one. */
export async function dropClaims(storage: DeviceStorage, record: Pick<KeptRecord, 'device'>): Promise<void> {
  let kept: unknown;
  try {
    kept = await storage.read(CLAIMS_RECORD);
  } catch (error) {
    if (!(error instanceof AkashiError)) throw error;
    kept = null; // damaged: it goes as well
  }
  if (kept !== undefined && !v.is(emptyRecord, kept)) await writeClaims(storage, record, []);
}

/**
 * The credential that a request asks about.
 * @throws AkashiError `claim_unknown`; `credential_expired`; `request_invalid` where the request calls the claim
 * otherwise than its issuer did; `claim_unmet` where a proof would not hold
 */
export function findClaims(list: readonly IssuedClaims[], asked: AskedClaim, now: number): HeldClaims {
  const issued = list.find(({ schema }) => String(schemaSignal(schema)) === asked.schema);
  if (issued === undefined) throw new AkashiError('claim_unknown');
  const credential = credentialOf(issued);
  if (credential.exp <= now) throw new AkashiError('credential_expired');
  const definition = issued.schema.claims[asked.index];
  const values = asked.fact === 'member' ? asked.values : [];
  // What the customer reads is the issuer's word for just this claim, or nothing is proven.
  if (definition === undefined || !areSameDefinition(shownDefinition(definition, values), asked.claim))
    throw new AkashiError('request_invalid');
  if (!isMet(asked, encodeClaim(definition, issued.claims[definition.name] ?? '')))
    throw new AkashiError('claim_unmet');
  return {
    jws: issued.credential,
    credential: parseField(credential.credential),
    claims: encodeClaims(issued.schema, issued.claims),
    salt: parseField(issued.salt),
  };
}

function isMet(asked: AskedClaim, claim: bigint): boolean {
  if (asked.fact === 'member') return Object.values(encodeValues(asked.claim, asked.values)).includes(claim);
  const { lower, upper } = encodeBounds(asked.claim, asked);
  return lower <= claim && claim <= upper;
}

/** What the verifier says may be asked about claims today and tomorrow. It is a hint: only signed requests are proven to. */
export async function askableFacts(
  connection: DeviceConnection,
  identity: Identity,
  signal: AbortSignal | undefined,
): Promise<readonly AskedClaim[]> {
  const path = '/v1/devices/current/facts';
  const answer = await connection.send(identity, { method: 'GET', path, repeatable: true, signal });
  const { facts } = readAnswer(answer, askableFactsAnswer);
  return facts;
}

/** A claims credential as an app may show it. */
export interface HeldCredential {
  readonly schema: ClaimsSchema;
  /** By name. */
  readonly claims: Readonly<Record<string, string>>;
  /** UTC seconds by the verifier's time: from then on `refreshClaims` is needed first. */
  readonly expiresAt: number;
}

/** All of this device, for an app to show: by a gesture where they are wrapped. */
export async function listClaims(
  desk: Opening & { readonly storage: DeviceStorage },
  identity: Identity,
  signal: AbortSignal | undefined,
): Promise<readonly HeldCredential[]> {
  const issued = await readClaims(desk.storage, await openIdentity(desk, identity, signal));
  return issued.map((held) => ({
    schema: held.schema,
    claims: held.claims,
    expiresAt: credentialOf(held).exp,
  }));
}

/** The credential, which was checked when it came. */
export function credentialOf({ credential }: IssuedClaims): ClaimsCredential {
  const parsed = parseCredential(unverifiedJws(credential).payload);
  if (!('credential' in parsed)) throw new AkashiError('malformed');
  return parsed;
}
