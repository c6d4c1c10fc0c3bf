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
import { type HolderRecord, type Identity, loadIdentity } from './holder-record.ts';
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
  { device }: HolderRecord,
): Promise<readonly IssuedClaims[]> {
  try {
    const record = parse(recordShape, await storage.read(CLAIMS_RECORD));
    return record.device === device ? record.issued : [];
  } catch (error) {
    if (error instanceof AkashiError) return [];
    throw error;
  }
}

/**
 * Keeps them, each in place of an earlier one of its schema; what is over by `now` goes.
 * @throws AkashiError `not_enrolled` when another tab enrolled anew or removed the device meanwhile
 */
export async function keepClaims(
  storage: DeviceStorage,
  { record: { device, verifier } }: Identity,
  issued: readonly IssuedClaims[],
  now: number,
): Promise<void> {
  const replaced = new Set(issued.map(({ schema }) => schemaSignal(schema)));
  await storage.exclusive(async () => {
    const current = await loadIdentity(storage, verifier);
    if (current?.record.device !== device) throw new AkashiError('not_enrolled');
    const others = (await readClaims(storage, current.record)).filter(
      (kept) => !replaced.has(schemaSignal(kept.schema)) && credentialOf(kept).exp > now,
    );
    await storage.write(CLAIMS_RECORD, { device, issued: [...others, ...issued] });
  });
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

export function describeClaims(issued: IssuedClaims): HeldCredential {
  return { schema: issued.schema, claims: issued.claims, expiresAt: credentialOf(issued).exp };
}

/** The credential, which was checked when it came. */
export function credentialOf({ credential }: IssuedClaims): ClaimsCredential {
  const parsed = parseCredential(unverifiedJws(credential).payload);
  if (!('credential' in parsed)) throw new AkashiError('malformed');
  return parsed;
}
