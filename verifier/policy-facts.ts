import {
  AkashiError,
  type AskedClaim,
  askedClaim,
  FACTS,
  PASSKEY,
  type Policy,
  type PolicyFact,
  parse,
  type Requested,
  schemaSignal,
  shownDefinition,
  tenantScope,
} from '@akashi/circuits';
import { boundsOfElapsed, dateIn } from './elapsed.ts';

// From what a policy asks for to what a request asks for (docs/protocol.md, section 6): what is relative to today becomes
// a bound here, by the verifier's own clock, and everything that the customer reads is in the signed entry.

const DAY_SECONDS = 86_400;
/** Entries that a device is told of at most. */
const ASKABLE_MAX = 64;
/** Bytes that the entries of a request may have, so that the whole of it fits into a JWS. */
const ENTRIES_BYTES = 3000;

type ClaimFact = Exclude<PolicyFact, string>;

/**
 * The entries of a request. What comes out alike, as bounds of two kinds may on some day, is asked for once.
 * @param start `rpId`: of the tenant's passkeys, `null` where it uses none
 * @throws AkashiError `malformed`, see {@link requestedClaim}; `passkeys_off`
 */
export async function requestedFacts(
  { facts }: Pick<Policy, 'facts'>,
  start: {
    readonly tenant: string;
    readonly accountRef?: string | undefined;
    readonly rpId: string | null;
    readonly now: number;
  },
): Promise<Requested[]> {
  const scope = String(await tenantScope(start.tenant));
  const entries = facts.map((asked): Requested => {
    switch (asked) {
      case 'pin':
        return { fact: asked, version: FACTS.pin.version };
      case 'account':
        return { fact: asked, version: FACTS.account.version, scope, accountRef: start.accountRef ?? '0' };
      case PASSKEY.fact:
        if (start.rpId === null) throw new AkashiError('passkeys_off');
        return { ...PASSKEY, rpId: start.rpId };
      default:
        return requestedClaim(asked, start.now);
    }
  });
  return different(entries);
}

/**
 * Refuses a policy that no request could be made of, or only one too long to be signed.
 * @param start as in {@link requestedFacts}
 * @throws AkashiError `malformed`, `passkeys_off`
 */
export async function checkPolicy(
  { facts }: Pick<Policy, 'facts'>,
  start: { readonly rpId: string | null; readonly now: number },
): Promise<void> {
  const entries = await requestedFacts({ facts }, { ...start, tenant: 'any' });
  if (Buffer.byteLength(JSON.stringify(entries)) > ENTRIES_BYTES) throw new AkashiError('malformed');
}

/** All entries about claims that requests under these policies can have today and tomorrow. */
export function askableFacts(policies: readonly Pick<Policy, 'facts'>[], now: number): AskedClaim[] {
  const entries = policies
    .flatMap(({ facts }) => facts)
    .filter((asked) => typeof asked !== 'string')
    .flatMap((asked) => [requestedClaim(asked, now), requestedClaim(asked, now + DAY_SECONDS)]);
  return different(entries).slice(0, ASKABLE_MAX);
}

function different<T>(entries: readonly T[]): T[] {
  return [...new Map(entries.map((entry) => [JSON.stringify(entry), entry])).values()];
}

/**
 * @throws AkashiError `malformed` when the schema has no such claim, or bounds or values are none of its type
 */
function requestedClaim(asked: ClaimFact, now: number): AskedClaim {
  const { schema } = asked;
  const index = schema.claims.findIndex(({ name }) => name === asked.claim);
  const definition = schema.claims[index];
  if (definition === undefined) throw new AkashiError('malformed');
  const shown = {
    version: FACTS[asked.fact].version,
    schema: String(schemaSignal(schema)),
    volatile: schema.volatile,
    index,
  };
  if (asked.fact === 'member') {
    const claim = shownDefinition(definition, asked.values);
    return parse(askedClaim, { fact: asked.fact, ...shown, claim, values: asked.values });
  }
  return parse(askedClaim, { fact: asked.fact, ...shown, claim: definition, ...boundsOf(asked, now) });
}

function boundsOf(asked: Exclude<ClaimFact, { readonly fact: 'member' }>, now: number) {
  if ('elapsed' in asked) {
    // Bounds that are no values of the claim's type are refused with the entry: these are dates.
    return boundsOfElapsed(asked.elapsed, dateIn(asked.elapsed.timeZone, now));
  }
  const { atLeast, atMost } = asked;
  return { ...(atLeast === undefined ? {} : { atLeast }), ...(atMost === undefined ? {} : { atMost }) };
}
