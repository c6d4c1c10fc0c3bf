import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { bytesToInteger, parseProof, signalsToArray, type WirePresentation } from '@akashi/circuits';
import { ARTIFACTS } from '@akashi/circuits/artifacts';
import { pinCommitment } from '@akashi/circuits/poseidon';
import { loadVerificationKeys, verifyProof } from '@akashi/verifier';
import { bn254 } from '@noble/curves/bn254.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptsOf, type OpenAttempt } from './attempt.ts';
import { openWorld, policyOf, startOf, type TestTenant, type World } from './harness.ts';
import {
  acceptRequest,
  boundChallenge,
  codeOf,
  enrolRawPhone,
  postPresentation,
  presentationOf,
  type RawPhone,
} from './raw-phone.ts';
import { rerandomised } from './tampering.ts';

// A presentation that was good somewhere: once, for one attempt of one verification of one device of one tenant.
// Anywhere else, any other time, and in any other form that it can be turned into, it is worth nothing.

let world: World;
let bank: TestTenant;
let alice: RawPhone;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  alice = await enrolRawPhone(world.origin, bank.issuer, 'alice');
});

afterAll(() => world.close());

const PIN_ONLY = { policy: policyOf('pin') } as const;
const ACCOUNT_ONLY = { policy: policyOf('account') } as const;

/** The same proofs, put where another attempt is awaited. */
function moved(presentation: WirePresentation, { attempt, code }: OpenAttempt): WirePresentation {
  return { ...presentation, attempt, code };
}

describe('swapped', () => {
  test('between attempts and verifications of one device', async () => {
    const attempts = attemptsOf(world, bank, alice, PIN_ONLY);
    const first = await attempts.next();
    const wrongCode = first.code.replace(/^./, (digit) => String((Number(digit) + 1) % 10));
    const presentation = await presentationOf(alice, first, wrongCode);
    expect(await attempts.post(first, presentation)).toMatchObject({ reason: 'code' });
    // Under the right code, with proofs of the attempt before.
    const second = await attempts.next();
    expect(second.verification).toBe(first.verification);
    expect(await attempts.post(second, moved(presentation, second))).toMatchObject({ reason: 'proof:pin' });
    // And as it was: not even tried.
    expect(await attempts.post(first, presentation)).toEqual({ status: 409, code: 'attempt_used' });

    const third = await attempts.next();
    const good = await presentationOf(alice, third, third.code);
    const other = await attemptsOf(world, bank, alice, PIN_ONLY).next();
    expect(await attempts.post(other, good)).toEqual({ status: 409, code: 'attempt_used' });
    expect(await attempts.post(other, moved(good, other))).toMatchObject({ reason: 'proof:pin' });
    expect(await attempts.post(third, good)).toMatchObject({ verdict: 'passed' });
  });

  test('between facts', async () => {
    const attempts = attemptsOf(world, bank, alice, {});
    const open = await attempts.next();
    const { facts, ...rest } = await presentationOf(alice, open, open.code);
    const [first, second] = facts;
    if (first === undefined || second === undefined) throw new TypeError('two facts are asked for');
    const swapped = [
      { ...first, proof: second.proof },
      { ...second, proof: first.proof },
    ];
    const outcome = await attempts.post(open, { ...rest, facts: swapped });
    expect(outcome).toMatchObject({ reason: `proof:${first.fact}` });
  });

  test('between devices of one customer, and between customers', async () => {
    const second = await enrolRawPhone(world.origin, bank.issuer, 'alice');
    const bob = await enrolRawPhone(world.origin, bank.issuer, 'bob');
    const open = await attemptsOf(world, bank, alice, {}).next();
    const good = await presentationOf(alice, open, open.code);
    const posted = async (phone: RawPhone) => {
      const response = await postPresentation(phone, open.verification, good);
      return { status: response.status, code: await codeOf(response) };
    };
    expect(await posted(second)).toEqual({ status: 409, code: 'accepted_elsewhere' });
    expect(await posted(bob)).toEqual({ status: 404, code: 'not_found' });

    // What one customer can prove, posted by another in a verification of that other.
    const attempts = attemptsOf(world, bank, bob, ACCOUNT_ONLY);
    const own = await attempts.next();
    const lent = await presentationOf(
      { ...bob, secrets: alice.secrets, issued: alice.issued },
      own,
      own.code,
    );
    expect(await attempts.post(own, lent)).toMatchObject({ reason: 'credential:account:subject' });
    // With a credential of one's own, the lent proof opens another root.
    const [entry] = lent.facts;
    const next = await attempts.next();
    const again = await presentationOf(
      { ...bob, secrets: alice.secrets, issued: alice.issued },
      next,
      next.code,
    );
    const facts = [{ ...entry, ...again.facts[0], credential: bob.issued.credential }];
    expect(await attempts.post(next, { ...again, facts })).toMatchObject({ reason: 'proof:account' });
    expect((await postPresentation(alice, open.verification, good)).status).toBe(200);
  });

  test('between tenants', async () => {
    const other = await world.tenant('kita');
    const there = await enrolRawPhone(world.origin, other.issuer, 'alice');
    const attempts = attemptsOf(world, bank, alice, ACCOUNT_ONLY);
    const open = await attempts.next();
    const foreign = await postPresentation(
      there,
      open.verification,
      await presentationOf(alice, open, open.code),
    );
    expect([foreign.status, await codeOf(foreign)]).toEqual([404, 'not_found']);
    const borrowed = await presentationOf(
      { ...alice, issued: there.issued, secrets: there.secrets },
      open,
      open.code,
    );
    expect(await attempts.post(open, borrowed)).toMatchObject({ reason: 'credential:account:tenant' });
  });
});

describe('credential', () => {
  test('no character of it can be another', async () => {
    const attempts = attemptsOf(world, bank, alice, ACCOUNT_ONLY);
    const { credential } = alice.issued;
    const [header = '', payload = ''] = credential.split('.');
    const places = {
      header: [Math.floor(header.length / 2), /:(?:type|issuer|signature)$/],
      payload: [header.length + 1 + Math.floor(payload.length / 2), /:signature$/],
      'signature, first character': [header.length + payload.length + 2, /:signature$/],
    } as const;
    for (const [name, [at, reason]] of Object.entries(places)) {
      const open = await attempts.next();
      const changed = replaced(credential, at);
      const presentation = await presentationOf(
        { ...alice, issued: { ...alice.issued, credential: changed } },
        open,
        open.code,
      );
      expect(await attempts.post(open, presentation), name).toMatchObject({
        reason: expect.stringMatching(reason),
      });
    }
  });

  test('its last character has one form: the bits that carry nothing are not free', async () => {
    const attempts = attemptsOf(world, bank, alice, ACCOUNT_ONLY);
    const open = await attempts.next();
    const { credential } = alice.issued;
    const good = await presentationOf(alice, open, open.code);
    const last = BASE64URL.indexOf(credential.at(-1) ?? '');
    for (let bits = 1; bits < 16; bits++) {
      const changed = `${credential.slice(0, -1)}${BASE64URL[last ^ bits]}`;
      const facts = good.facts.map((entry) => ({ ...entry, credential: changed }));
      const outcome = await attempts.post(open, { ...good, facts });
      expect(outcome, `${bits}`).toEqual({ status: 400, code: 'malformed' });
    }
    expect(await attempts.post(open, good)).toMatchObject({ verdict: 'passed' });
  });

  test('an older one is good until it ends, and not a second longer', async () => {
    const { receipt } = await (
      await alice.connection.send({ method: 'GET', path: '/v1/devices/current' })
    ).json();
    const numbers = { number: '00000000000001', label: 'Short' };
    const issued = await bank.issuer.issueAccounts({
      receipt,
      subject: alice.subject,
      accounts: [numbers],
      lifetimeSeconds: 60,
    });
    const phone = { ...alice, issued };
    const attempts = attemptsOf(world, bank, phone, ACCOUNT_ONLY);
    const open = await attempts.next();
    const presentation = await presentationOf(phone, open, open.code);
    world.advance(61);
    expect(await attempts.post(open, presentation)).toMatchObject({ reason: 'credential:account:expired' });
  });
});

describe('re-randomised', () => {
  test('copies of a used proof hold in mathematics and nowhere else', async () => {
    const keys = await loadVerificationKeys();
    const attempts = attemptsOf(world, bank, alice, PIN_ONLY);
    const used = await attempts.next();
    const good = await presentationOf(alice, used, used.code);
    expect(await attempts.post(used, good)).toMatchObject({ verdict: 'passed' });

    const [entry] = good.facts;
    if (entry === undefined) throw new TypeError('a presentation has a fact');
    const { pinKey, holderSecret } = alice.secrets;
    const commitment = pinCommitment(pinKey, holderSecret);
    const signals = signalsToArray('pin', { commitment, challenge: boundChallenge(used, 0, used.code) });
    for (const [name, proof] of Object.entries(rerandomised(entry.proof, deltaOf(), newScalar))) {
      expect(proof, name).not.toEqual(entry.proof);
      // The control: it is a proof of the same statement, which is why nothing may depend on a proof's bytes.
      expect(verifyProof(keys.pin, signals, parseProof(proof)), name).toBe(true);
      const copy = { ...good, facts: [{ ...entry, proof }] };
      expect(await attempts.post(used, copy), name).toEqual({ status: 409, code: 'verification_over' });
      const fresh = await attempts.next();
      const outcome = await attempts.post(fresh, moved(copy, fresh));
      expect(outcome, name).toMatchObject({ reason: 'proof:pin' });
    }
  });

  test('copies of one that failed by its code are refused, too', async () => {
    const attempts = attemptsOf(world, bank, alice, PIN_ONLY);
    const first = await attempts.next();
    const wrongCode = first.code.replace(/.$/, (digit) => String((Number(digit) + 1) % 10));
    const presentation = await presentationOf(alice, first, wrongCode);
    expect(await attempts.post(first, presentation)).toMatchObject({ reason: 'code' });
    const [entry] = presentation.facts;
    if (entry === undefined) throw new TypeError('a presentation has a fact');
    for (const proof of Object.values(rerandomised(entry.proof, deltaOf(), newScalar))) {
      const copy = { ...presentation, code: first.code, facts: [{ ...entry, proof }] };
      expect(await attempts.post(first, copy)).toEqual({ status: 409, code: 'attempt_used' });
    }
  });
});

test('fifty posts of one good presentation at once: exactly one passes', async () => {
  const { verification, code = '' } = await bank.issuer.start(startOf(alice.subject));
  const open = await acceptRequest(alice, verification);
  const body = await presentationOf(alice, open, code);
  const path = `/v1/requests/${verification}/presentation`;
  const posts = await Promise.all(
    Array.from({ length: 50 }, () => alice.connection.prepare({ method: 'POST', path, body })),
  );
  const answers = await Promise.all(posts.map((post) => post()));
  const outcomes = await Promise.all(
    answers.map(async (answer) => {
      const { verdict, code: problem } = await answer.json();
      return `${answer.status} ${verdict ?? problem}`;
    }),
  );
  expect(outcomes.filter((outcome) => outcome === '200 passed')).toHaveLength(1);
  const refused = outcomes.filter((outcome) => /^409 (?:attempt_used|verification_over)$/.test(outcome));
  expect(refused, outcomes.join()).toHaveLength(49);
  const lines = (await world.audit(bank.id)).filter((line) => line.verification === verification);
  expect(lines.filter(({ event }) => event === 'verification.passed')).toHaveLength(1);
  expect(lines.filter(({ event }) => event === 'attempt.used')).toHaveLength(1);
});

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The text with another letter at one place. */
function replaced(text: string, at: number): string {
  const letter = text[at] === 'A' ? 'B' : 'A';
  return `${text.slice(0, at)}${letter}${text.slice(at + 1)}`;
}

function newScalar(): bigint {
  return (bytesToInteger(randomBytes(32)) % (bn254.fields.Fr.ORDER - 1n)) + 1n;
}

/** Delta of the verification key of `pin`, as published. */
function deltaOf(): InstanceType<typeof bn254.G2.Point> {
  const name = Object.keys(ARTIFACTS.pin.files).find((file) => file.endsWith('.vkey.json'));
  const file = new URL(`../circuits/artifacts/${name}`, import.meta.url);
  const { vk_delta_2: delta } = JSON.parse(readFileSync(file, 'utf8')) as { vk_delta_2: string[][] };
  const [[x0, x1] = [], [y0, y1] = []] = delta;
  const pair = (c0 = '', c1 = '') => ({ c0: BigInt(c0), c1: BigInt(c1) });
  return bn254.G2.Point.fromAffine({ x: pair(x0, x1), y: pair(y0, y1) });
}
