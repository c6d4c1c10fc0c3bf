import * as v from 'valibot';
import { claimDefinition, encodeBounds, orderedClaim, requireValues } from './claims.ts';
import { rpId } from './passkey.ts';
import { CLAIMS_MAX, FACTS, MEMBER_VALUES, PASSKEY } from './protocol.ts';
import { base64url16, base64url32, fieldText, origin, parse, reference, text, texts, time } from './shape.ts';
import { transaction } from './transaction.ts';

// The request that the verifier signs for a phone (docs/protocol.md, section 6). What a phone needs only when it answers
// stands in presentation.ts and credential.ts, what it needs before anybody asks in key-statement.ts: a page loads files whole.

export const mode = v.picklist(['call', 'precall']);
export type Mode = v.InferOutput<typeof mode>;

export const direction = v.picklist(['inbound', 'outbound']);
export type Direction = v.InferOutput<typeof direction>;

export const purpose = v.strictObject({ id: reference, text: texts });
export type Purpose = v.InferOutput<typeof purpose>;

/** A claim of a credential: its schema (the signal) and place there; whether credentials of the schema live for a day only. */
const askedOf = {
  schema: fieldText,
  volatile: v.boolean(),
  index: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(CLAIMS_MAX - 1)),
};
/** The value of a claim as its type writes it; see claims.ts. */
const claimValue = v.pipe(v.string(), v.maxLength(120));

const rangeEntry = v.strictObject({
  fact: v.literal('range'),
  version: v.literal(FACTS.range.version),
  ...askedOf,
  claim: orderedClaim,
  /** Bounds, both included; at least one is there. */
  atLeast: v.optional(claimValue),
  atMost: v.optional(claimValue),
});
const memberEntry = v.strictObject({
  fact: v.literal('member'),
  version: v.literal(FACTS.member.version),
  ...askedOf,
  claim: claimDefinition,
  values: v.pipe(v.array(claimValue), v.minLength(1), v.maxLength(MEMBER_VALUES.length)),
});

/** Whether bounds or values are of the claim's type, and leave something that can be shown. */
function canBeMet(entry: v.InferOutput<typeof rangeEntry> | v.InferOutput<typeof memberEntry>): boolean {
  try {
    if (entry.fact === 'range') encodeBounds(entry.claim, entry);
    else requireValues(entry.claim, entry.values);
    return true;
  } catch {
    return false;
  }
}

/** An entry that asks about a claim. */
export const askedClaim = v.pipe(v.union([rangeEntry, memberEntry]), v.check(canBeMet));
export type AskedClaim = v.InferOutput<typeof askedClaim>;

/** One entry of a request's list: a fact with the public inputs that the device cannot know by itself. */
export const requestedFact = v.union([
  v.strictObject({ fact: v.literal('pin'), version: v.literal(FACTS.pin.version) }),
  v.strictObject({
    fact: v.literal('account'),
    version: v.literal(FACTS.account.version),
    scope: fieldText,
    /** The account to be shown, or `"0"`: any account of the subject, and which one stays hidden. */
    accountRef: fieldText,
  }),
  askedClaim,
]);
export type RequestedFact = v.InferOutput<typeof requestedFact>;

export const requestedPasskey = v.strictObject({
  fact: v.literal(PASSKEY.fact),
  version: v.literal(PASSKEY.version),
  rpId,
});
export type RequestedPasskey = v.InferOutput<typeof requestedPasskey>;

/** One entry of a request's list. */
export const requested = v.union([requestedFact, requestedPasskey]);
export type Requested = v.InferOutput<typeof requested>;

/** Whether an entry is proven in zero knowledge; the other kind is signed by a passkey. */
export function isRequestedFact(entry: Requested): entry is RequestedFact {
  return entry.fact !== PASSKEY.fact;
}

/** `pin`, `account` and `passkey` at most once; claims as often as they are asked about differently. */
const factList = v.pipe(
  v.array(requested),
  v.minLength(1),
  v.maxLength(16),
  v.check((facts) => new Set(facts.map(statementOf)).size === facts.length),
);

function statementOf(entry: Requested): string {
  return 'schema' in entry ? JSON.stringify(entry) : entry.fact;
}

/** Places in the list that are enough together. */
const alternative = v.pipe(
  v.array(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(15))),
  v.minLength(1),
  v.maxLength(16),
  v.check((places) => places.every((place, i) => i === 0 || place > (places[i - 1] ?? place))),
);

/** Ways to meet the list: none is within another, and the list holds nothing that is in none. */
const alternativeList = v.pipe(
  v.array(alternative),
  v.minLength(2),
  v.maxLength(16),
  v.check((all) => all.every((one, i) => all.every((other, j) => i === j || !isWithin(one, other)))),
);

function isWithin(one: readonly number[], other: readonly number[]): boolean {
  return one.every((place) => other.includes(place));
}

const requestEntries = v.strictObject({
  iss: origin,
  /** The verification this request belongs to. */
  jti: base64url16,
  /** Thumbprints of the devices it is for. */
  aud: v.pipe(v.array(base64url32), v.minLength(1), v.maxLength(16)),
  tenant: v.strictObject({ id: reference, name: text }),
  /** Display name of who asks; none when the tenant's back end does. */
  operator: v.optional(text),
  mode,
  direction,
  purpose,
  transaction: v.optional(transaction),
  facts: factList,
  /** Where not all of `facts` are needed. The device shows exactly one of these, and says which. */
  alternatives: v.optional(alternativeList),
  /** What is shown must make two different factors. */
  twoFactor: v.optional(v.literal(true)),
  nonce: base64url32,
  iat: time,
  exp: time,
});
export const requestShape = v.pipe(
  requestEntries,
  v.check(({ facts, alternatives }) => {
    const places = new Set(alternatives?.flat() ?? facts.keys());
    return places.size === facts.length && [...places].every((place) => place < facts.length);
  }),
);
/** The signed object a device gets, shows to the customer, and binds its proofs to. */
export type Request = v.InferOutput<typeof requestShape>;

export const parseRequest = (input: unknown): Request => parse(requestShape, input);
