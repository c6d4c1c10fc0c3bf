import {
  type CircuitInputs,
  FACT_IDS,
  type FactId,
  parseProof,
  type SignalName,
  type Signals,
  signalNames,
  signalsToArray,
  type WirePresentation,
} from '@akashi/circuits';
import { pinCommitment } from '@akashi/circuits/poseidon';
import { loadVerificationKeys, type VerificationKeys, verifyProof } from '@akashi/verifier';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Attempts, attemptsOf, type OpenAttempt, type Outcome } from './attempt.ts';
import { newAccount, openWorld, policyOf, type TestTenant, type World } from './harness.ts';
import { prove } from './proofs.ts';
import {
  type Asked,
  boundChallenge,
  enrolRawPhone,
  factOf,
  isAsked,
  newId,
  presentationOf,
  type RawPhone,
  witnessOf,
} from './raw-phone.ts';
import { ALTERED_SIGNALS, MALFORMED_PROOFS, WRONG_PROOFS, withProof } from './tampering.ts';

// An attacker who owns the device, its keys and its secrets, and proves something else than was asked. Every fact and
// every signal of the registry is tried; the audit's reason shows that it was the change that failed, and nothing else.

let world: World;
let bank: TestTenant;
let phone: RawPhone;
let keys: VerificationKeys;
let accountRef: string;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  const accounts = [newAccount('A'), newAccount('B')];
  phone = await enrolRawPhone(world.origin, bank.issuer, 'customer-1', { accounts });
  accountRef = await bank.issuer.accountReference(accounts[0]?.number ?? '');
  keys = await loadVerificationKeys();
});

afterAll(() => world.close());

/** The public signals that the verifier expects: written down a second time, from docs/protocol.md. */
const SIGNALS: {
  readonly [F in FactId]: (asked: Asked<F>, bound: bigint, startedAt: number) => Signals<F>;
} = {
  pin: (_asked, bound) => ({
    commitment: pinCommitment(phone.secrets.pinKey, phone.secrets.holderSecret),
    challenge: bound,
  }),
  account: (asked, bound) => ({
    accountsRoot: BigInt(String(decodeJwt(phone.issued.credential).accountsRoot)),
    accountRef: BigInt(asked.accountRef),
    challenge: bound,
    scope: BigInt(asked.scope),
    reveal: asked.accountRef === '0' ? 0n : 1n,
  }),
  // Written as numbers: at least 18 years and at most 99, and two prefectures of the eight values that there could be.
  range: (_asked, bound, startedAt) => ({
    ...claimSignals(bound),
    index: 0n,
    lower: daysSince1900(startedAt, 100) + 1n,
    upper: daysSince1900(startedAt, 18),
  }),
  member: (_asked, bound) => ({
    ...claimSignals(bound),
    index: 2n,
    value0: 13n,
    value1: 14n,
    value2: 14n,
    value3: 14n,
    value4: 14n,
    value5: 14n,
    value6: 14n,
    value7: 14n,
  }),
};

function claimSignals(bound: bigint) {
  const { credential, schema } = decodeJwt(phone.vouched.credential);
  return { credential: BigInt(String(credential)), challenge: bound, schema: BigInt(String(schema)) };
}

/** This day in Japan, so many years ago; on 29 February the day before, where that year had none. */
function daysSince1900(now: number, years: number): bigint {
  const here = new Date((now + 9 * 3600) * 1000);
  const [year, month, day] = [here.getUTCFullYear() - years, here.getUTCMonth(), here.getUTCDate()];
  const lastOfMonth = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const then = Date.UTC(year, month, Math.min(day, lastOfMonth));
  return BigInt((then - Date.UTC(1900, 0, 1)) / 86_400_000);
}

/** What the verifier expects of one requested fact. */
function signalsOf<F extends FactId>(fact: F, { facts, ...open }: OpenAttempt): Signals<F> {
  const [asked] = facts;
  if (asked === undefined || !isAsked(fact, asked)) throw new TypeError('another fact was asked for');
  return SIGNALS[fact](
    asked,
    boundChallenge({ facts, ...open }, 0, open.code),
    Number(decodeJwt(open.jws).iat),
  );
}

/** A presentation of one fact, from inputs that `change` has had its way with. */
async function presentationFrom<F extends FactId>(
  fact: F,
  open: OpenAttempt,
  change: (inputs: CircuitInputs<F>, phone: RawPhone) => CircuitInputs<F> = (inputs) => inputs,
): Promise<WirePresentation> {
  const { facts, code, attempt } = open;
  const [asked] = facts;
  if (asked === undefined) throw new TypeError('a request has a fact');
  const inputs = witnessOf(phone, fact, asked, boundChallenge(open, 0, code));
  const proof = await prove(fact, change(inputs, phone));
  return { attempt, code, facts: [factOf(phone, asked, proof)] };
}

/** A presentation whose proof holds for another value of `signal` than the verifier expects. */
function altered<F extends FactId>(fact: F, open: OpenAttempt, signal: SignalName<F>) {
  return presentationFrom(fact, open, ALTERED_SIGNALS[fact][signal]);
}

/** The attempt was used up and failed, for this reason and no other. */
function expectFailed(outcome: Outcome, reason: string): void {
  expect(outcome).toMatchObject({ reason });
  expect(outcome).not.toMatchObject({ verdict: 'passed' });
}

describe.each(FACT_IDS)('fact %s', (fact) => {
  let attempts: Attempts;

  beforeAll(() => {
    const start = { policy: policyOf(fact), ...(fact === 'account' ? { accountRef } : {}) };
    attempts = attemptsOf(world, bank, phone, start);
  });

  test('the presentation that all others are made of passes', async () => {
    const open = await attempts.next();
    const outcome = await attempts.post(open, await presentationFrom(fact, open));
    expect(outcome).toEqual({ state: 'done', verdict: 'passed', reason: null });
  });

  test.each(signalNames(fact))('a proof for another %s', async (signal) => {
    const open = await attempts.next();
    const presentation = await altered(fact, open, signal);
    expectFailed(await attempts.post(open, presentation), `proof:${fact}`);
  });

  test('a good proof holds for its signals alone, and for no other value of any', async () => {
    const open = await attempts.next();
    const { facts } = await presentationFrom(fact, open);
    const proof = parseProof(facts[0]?.proof);
    const signals = signalsToArray(fact, signalsOf(fact, open));
    const holds = (values: readonly bigint[]) => verifyProof(keys[fact], values, proof);
    expect(holds(signals)).toBe(true);
    for (const [i, name] of signalNames(fact).entries()) {
      for (const other of [0n, 1n, (signals[i] ?? 0n) + 1n]) {
        if (other === signals[i]) continue;
        expect(holds(signals.with(i, other)), `${name} = ${other}`).toBe(false);
      }
    }
    expect(() => holds(signals.slice(1))).toThrow('malformed');
    expect(() => holds([...signals, 0n])).toThrow('malformed');
  });

  test.each(Object.keys(WRONG_PROOFS))('%s', async (name) => {
    const open = await attempts.next();
    const change = withProof(WRONG_PROOFS[name] ?? ((proof) => proof));
    const presentation = change(await presentationFrom(fact, open));
    expectFailed(await attempts.post(open, presentation), `proof:${fact}`);
  });

  test('what is no proof at all is refused before it costs anything', async () => {
    const open = await attempts.next();
    const presentation = await presentationFrom(fact, open);
    for (const [name, change] of Object.entries(MALFORMED_PROOFS)) {
      const outcome = await attempts.post(open, withProof(change)(presentation));
      expect(outcome, name).toEqual({ status: 400, code: 'malformed' });
    }
    expect(await attempts.post(open, presentation)).toMatchObject({ verdict: 'passed' });
  });
});

describe('presentation', () => {
  let attempts: Attempts;

  beforeAll(() => {
    attempts = attemptsOf(world, bank, phone, {});
  });

  test('every part of it must be as the request asks', async () => {
    const open = await attempts.next();
    const good = await presentationOf(phone, open, open.code);
    const { attempt, code, facts } = good;
    const [first, second] = facts;
    const malformed = { status: 400, code: 'malformed' };
    const used = { status: 409, code: 'attempt_used' };
    const changes: readonly (readonly [string, object, object])[] = [
      ['another attempt', { ...good, attempt: newId() }, used],
      ['no attempt', { code, facts }, malformed],
      ['no code', { attempt, facts }, malformed],
      ['code of five digits', { ...good, code: code?.slice(1) }, malformed],
      ['code as a number', { ...good, code: Number(code) }, malformed],
      ['code in full-width digits', { ...good, code: '１２３４５６' }, malformed],
      ['no facts', { attempt, code }, malformed],
      ['empty list', { ...good, facts: [] }, malformed],
      ['other order', { ...good, facts: [second, first] }, malformed],
      ['first fact missing', { ...good, facts: [second] }, malformed],
      ['last fact missing', { ...good, facts: [first] }, malformed],
      ['one fact twice', { ...good, facts: [first, first] }, malformed],
      ['one fact too many', { ...good, facts: [first, second, first] }, malformed],
      ['unknown fact', { ...good, facts: [{ ...first, fact: 'toString' }, second] }, malformed],
      ['renamed fact', { ...good, facts: [{ ...first, fact: second?.fact }, second] }, malformed],
      ...facts.flatMap((entry, i): [string, object, object][] => {
        const put = (changed: object) => ({ ...good, facts: facts.with(i, changed as typeof entry) });
        const { credential, ...bare } = entry;
        return [
          [`${entry.fact}: next version`, put({ ...entry, version: entry.version + 1 }), malformed],
          [`${entry.fact}: version as text`, put({ ...entry, version: String(entry.version) }), malformed],
          [`${entry.fact}: no proof`, put({ ...entry, proof: undefined }), malformed],
          credential === undefined
            ? [`${entry.fact}: a credential`, put({ ...entry, credential: second?.credential }), malformed]
            : [`${entry.fact}: no credential`, put(bare), malformed],
        ];
      }),
    ];
    for (const [name, changed, expected] of changes) {
      expect(await attempts.post(open, changed), name).toEqual(expected);
    }
    expect(await attempts.post(open, good)).toMatchObject({ verdict: 'passed' });
  });

  test('another code than the spoken one, whichever the proofs are bound to', async () => {
    const open = await attempts.next();
    const wrong = open.code.replace(/^./, (first) => String((Number(first) + 1) % 10));
    const bound = await presentationOf(phone, open, wrong);
    expectFailed(await attempts.post(open, bound), 'code');
    // Proven under another code than it says: the first proof that is checked does not hold.
    const retried = await attempts.next();
    const lying = { ...(await presentationOf(phone, retried, wrong)), code: retried.code };
    const reason = `proof:${lying.facts[0]?.fact}`;
    expectFailed(await attempts.post(retried, lying), reason);
  });
});
