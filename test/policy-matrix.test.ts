import { type PolicyFact, parse, type Requirement, requestShape } from '@akashi/circuits';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertPasskey, type SoftPasskey } from '../circuits/authenticator.ts';
import { POLICIES } from '../examples/pre-call/bank/policies.ts';
import { CONTRACT, CUSTOMER, INCOME } from '../examples/pre-call/bank/schemas.ts';
import { openWorld, send, type TenantFixture, textOf, type World } from '../verifier/app-fixtures.ts';
import { addPasskeyTo, openPasskeyBank, PHONE_ORIGIN } from '../verifier/passkey-fixtures.ts';
import {
  type EnrolledPhone,
  enrolPhone,
  type IssuedAccount,
  type IssuedClaims,
  issueAccount,
  issueClaims,
} from '../verifier/phone-fixtures.ts';
import { makePresentation } from '../verifier/presentation-fixtures.ts';
import { prove } from './proofs.ts';

// Every policy of the example against every subset of what it can ask for, with good proofs of all of it: a subset passes
// exactly where the policy as it is written is met, read here by a few lines of its own, and no other does. Once on a quiet
// day, once with every step-up rule in force.

const NOON = Date.parse('2030-03-18T12:00:00+09:00') / 1000;
const LATE = Date.parse('2030-03-18T23:00:00+09:00') / 1000;
const PIN = '8035174926';
const SUBJECT = 'customer-1';

type Written = (typeof POLICIES)[number];

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;
let account: IssuedAccount;
let claims: readonly IssuedClaims[];
let passkey: SoftPasskey;

beforeAll(async () => {
  world = await openWorld();
  world.clock.now = NOON;
  bank = await openPasskeyBank(world);
  for (const body of POLICIES) {
    const put = await send(world, 'POST', '/v1/policies', { token: bank.apiKey, body });
    expect(put.status, put.text).toBe(200);
  }
  phone = await enrolPhone(world, bank, SUBJECT, PIN, prove);
  account = await issueAccount(world, bank, phone);
  const vouched = [
    { schema: CUSTOMER, values: { since: '2014-08-20' } },
    { schema: CONTRACT, values: { born: '1991-06-14', since: '2019-04-01' } },
    { schema: INCOME, values: { income: '5230000' } },
  ];
  claims = await Promise.all(vouched.map((each) => issueClaims(world, bank, phone, each)));
  ({ passkey } = await addPasskeyTo(phone));
});
afterAll(() => world.close());

/** Whether these meet a policy, by what it says. */
function meets(
  { facts, twoFactor, stepUp = [] }: Written,
  given: ReadonlySet<string>,
  raised: boolean,
): boolean {
  const rules = raised ? stepUp : [];
  const holds = (asked: Requirement): boolean => {
    if (typeof asked === 'object' && 'allOf' in asked) return asked.allOf.every(holds);
    if (typeof asked === 'object' && 'anyOf' in asked) return asked.anyOf.some(holds);
    return given.has(wordOf(asked));
  };
  const factors = given.has('pin') ? 2 : 1; // This tenant takes no passkey for inherence.
  const demanded = twoFactor === true || rules.some((rule) => rule.twoFactor);
  return (
    [...facts, ...rules.flatMap((rule) => rule.facts ?? [])].every(holds) && (!demanded || factors === 2)
  );
}

/** A word for an entry, alike in policies and requests. */
function wordOf(asked: PolicyFact): string {
  return typeof asked === 'string' ? asked : `${asked.fact} ${asked.schema.schema} ${asked.claim}`;
}

/** Something that can be asked, and a presentation of all of it. */
async function open(policy: Written, raised: boolean) {
  world.clock.now = raised ? LATE : NOON;
  await phone.call('GET', '/v1/devices/current'); // a nonce of this time
  const body = {
    ...{ subject: SUBJECT, policy: policy.policy, purpose: policy.purposes[0]?.id, mode: 'call' },
    call: { direction: 'inbound' },
    ...(raised ? {} : { signals: { numberWithheld: false, numberNotOnFile: false } }),
  };
  const started = await send(world, 'POST', '/v1/verifications', { token: bank.apiKey, body });
  const id = textOf(started, 'verification');
  const opened = await phone.call('POST', `/v1/requests/${id}/accept`);
  const { facts, alternatives } = parse(requestShape, decodeJwt(textOf(opened, 'request')));
  const words = facts.map((entry) =>
    'schema' in entry ? `${entry.fact} ${nameOfSchema(entry.schema)} ${entry.claim.name}` : entry.fact,
  );
  const all = await makePresentation(phone, {
    ...{ opened, code: textOf(started, 'code'), account, claims },
    passkey: (challenge, rpId) => assertPasskey(passkey, { rpId, origin: PHONE_ORIGIN, challenge }),
  });
  return { words, ways: alternatives?.length ?? 0, all, path: `/v1/requests/${id}/presentation` };
}
type Opened = Awaited<ReturnType<typeof open>>;

function nameOfSchema(signal: string): string {
  const place = claims.findIndex(({ schema }) => String(schema) === signal);
  return [CUSTOMER, CONTRACT, INCOME][place]?.schema ?? 'unknown';
}

/** What of it is presented: the entries in these places, as this alternative of the request, or as the whole list. */
function partOf({ words, all }: Opened, places: readonly number[], alternative: number | undefined) {
  const { passkey: assertion, facts, ...rest } = all;
  const proven = [...words.keys()].filter((place) => words[place] !== 'passkey');
  const shown = proven.flatMap((place, i) => (places.includes(place) ? [facts[i]] : []));
  const signed = places.some((place) => words[place] === 'passkey');
  return {
    ...rest,
    facts: shown,
    ...(alternative === undefined ? {} : { alternative }),
    ...(signed ? { passkey: assertion } : {}),
  };
}

const subsetsOf = (count: number): number[][] =>
  Array.from({ length: 2 ** count }, (_, bits) =>
    [...Array(count).keys()].filter((place) => bits & (1 << place)),
  );

async function fail(times: number): Promise<void> {
  const [policy] = POLICIES;
  for (let time = 0; time < times && policy !== undefined; time += 1) {
    const { path } = await open(policy, true);
    const answer = await phone.call('POST', path.replace('/presentation', '/report'));
    expect(answer.json.verdict).toBe('reported');
  }
}

describe.each([
  ['on a quiet day', false],
  ['with every rule in force', true],
])('%s', (_, raised) => {
  beforeAll(() => (raised ? fail(3) : undefined));

  test.each(POLICIES.map((policy) => [policy.policy, policy] as const))(
    '%s is passed by what meets it and by nothing less or else',
    async (__, policy) => {
      let now = await open(policy, raised);
      const { words, ways } = now;
      const passed: string[][] = [];
      let refused = 0;
      for (const places of subsetsOf(words.length)) {
        const given = new Set(places.flatMap((place) => words[place] ?? []));
        for (const alternative of [undefined, ...Array(Math.max(ways, 1)).keys()]) {
          const answer = await phone.call('POST', now.path, partOf(now, places, alternative));
          if (answer.json.verdict === 'passed') {
            expect(meets(policy, given, raised), [...given].join(' + ')).toBe(true);
            passed.push([...given]);
            now = await open(policy, raised);
            continue;
          }
          refused += 1;
          if (answer.status === 400) {
            // What does not fit the list uses nothing up.
            expect(answer.json.code).toBe('malformed');
          } else {
            // As many of the same kind, about another claim: an attempt, and a failed one.
            expect(answer.json).toMatchObject({ state: 'accepted' });
            now = await open(policy, raised);
          }
        }
      }
      // All that is least and meets the policy passes: in each of the ways, and in no two ways.
      const least = subsetsOf(words.length)
        .map((places) => places.flatMap((place) => words[place] ?? []))
        .filter((given) => meets(policy, new Set(given), raised))
        .filter((given, __i, met) =>
          met.every((other) => other === given || !other.every((word) => given.includes(word))),
        );
      expect(passed.map((given) => given.join()).sort()).toEqual(least.map((given) => given.join()).sort());
      expect(passed).toHaveLength(Math.max(ways, 1));
      expect(refused).toBe(2 ** words.length * (Math.max(ways, 1) + 1) - passed.length);
    },
    60_000,
  );
});
