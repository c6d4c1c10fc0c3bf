import {
  AkashiError,
  type AskedClaim,
  askedClaim,
  askedUnder,
  FACTS,
  PASSKEY,
  type PolicyBody,
  type PolicyFact,
  parse,
  type Requested,
  schemaSignal,
  shownDefinition,
  tenantScope,
} from '@akashi/circuits';
import { boundsOfElapsed, dateIn } from './elapsed.ts';
import { checkDemands, type Demand, listOf, type Rules } from './policy.ts';
import type { PasskeySettings } from './records.ts';

// From what a policy asks for to what a request asks for (docs/protocol.md, section 6): what is relative to today becomes
// a bound here, by the verifier's own clock, and everything that the customer reads is in the signed entry.

const DAY_SECONDS = 86_400;
/** Entries that a device is told of at most. */
const ASKABLE_MAX = 64;
/** Bytes that the entries of a request may have, so that the whole of it fits into a JWS. */
const ENTRIES_BYTES = 3000;

type ClaimFact = Exclude<PolicyFact, string>;

/** What entries are made of, besides the policy. */
export interface ListStart {
  readonly tenant: string;
  readonly accountRef?: string | undefined;
  /** Of the tenant's passkeys; `null` where it uses none. */
  readonly rpId: string | null;
  readonly now: number;
}

/**
 * The list of a request, and the ways to meet it.
 * @throws AkashiError `malformed`, see {@link requestedClaim}; `passkeys_off`
 */
export async function requestedList(
  { alternatives }: Pick<Demand, 'alternatives'>,
  start: ListStart,
): Promise<{
  readonly facts: readonly Requested[];
  readonly alternatives: readonly (readonly number[])[] | null;
}> {
  const scope = String(await tenantScope(start.tenant));
  const made = alternatives.map((one) => one.map((asked) => requestedEntry(asked, scope, start)));
  const list = listOf(made);
  return { facts: list.entries, alternatives: list.alternatives };
}

/**
 * Refuses a policy that no request could be made of, or only one too long to be signed, or that could not be met as it says.
 * @throws AkashiError `malformed`, `passkeys_off`, `policy_too_wide`, `policy_not_two_factor`
 */
export async function checkPolicy(
  policy: Rules,
  start: { readonly passkeys: PasskeySettings | null; readonly now: number },
): Promise<void> {
  const { passkeys, now } = start;
  checkDemands(policy, passkeys);
  const all = { alternatives: [askedUnder(policy)] };
  const { facts } = await requestedList(all, { tenant: 'any', rpId: passkeys?.rpId ?? null, now });
  if (Buffer.byteLength(JSON.stringify(facts)) > ENTRIES_BYTES) throw new AkashiError('malformed');
}

/** All entries about claims that requests under these policies can have today and tomorrow. */
export function askableFacts(
  policies: readonly Pick<PolicyBody, 'facts' | 'stepUp'>[],
  now: number,
): AskedClaim[] {
  const entries = policies
    .flatMap(askedUnder)
    .filter((asked) => typeof asked !== 'string')
    .flatMap((asked) => [requestedClaim(asked, now), requestedClaim(asked, now + DAY_SECONDS)]);
  return different(entries).slice(0, ASKABLE_MAX);
}

function requestedEntry(
  asked: PolicyFact,
  scope: string,
  { accountRef = '0', rpId, now }: ListStart,
): Requested {
  switch (asked) {
    case 'pin':
      return { fact: asked, version: FACTS.pin.version };
    case 'account':
      return { fact: asked, version: FACTS.account.version, scope, accountRef };
    case PASSKEY.fact:
      if (rpId === null) throw new AkashiError('passkeys_off');
      return { ...PASSKEY, rpId };
    default:
      return requestedClaim(asked, now);
  }
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
