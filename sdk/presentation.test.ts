import { challenge, decodeBase64url, parseField, tenantScope } from '@akashi/circuits';
import { accountsTree } from '@akashi/circuits/poseidon';
import { beforeEach, describe, expect, test } from 'vitest';
import { ACCOUNTS, enrolledPhone, isBoundTo, openPhone, type Phone, PIN } from './scripted-phone.ts';
import { ScriptedVerifier, SUBJECT, TENANT } from './scripted-verifier.ts';

const CODE = '204816';
const WRONG_PIN = '739106';
const SCOPE = String(await tenantScope(TENANT.id));

let verifier: ScriptedVerifier;
let phone: Phone;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  phone = await enrolledPhone(verifier);
});

const evaluations = () =>
  verifier.callsTo('POST', /oprf$/).filter(({ body }) => hasUse(body, 'verification'));
/** What the prover was asked for since the enrolment, which prepared the PIN. */
const jobs = () => phone.jobs.slice(1);
const tries = () => verifier.devices[0]?.tries;

function hasUse(body: unknown, use: string): boolean {
  return (body as { use: string }).use === use;
}

describe('a presentation', () => {
  test('proves each fact under a challenge of its own, from what is enrolled', async () => {
    const id = await verifier.ask();
    const { attempt, request } = await accepted(id);
    expect(await phone.holder.present(id, { code: '２０４ ８１６', pin: PIN })).toMatchObject({
      state: 'done',
      verdict: 'passed',
    });
    const nonce = decodeBase64url(attempt.nonce);
    const expected = [0, 1].map((index) => challenge({ request, index, nonce, code: CODE }));
    const [sent] = verifier.presentations;
    for (const [index, { proof }] of (sent?.facts ?? []).entries()) {
      expect(expected.map((bound) => isBoundTo(proof, bound))).toEqual([index === 0, index === 1]);
    }
    expect(sent).toMatchObject({ attempt: attempt.attempt, code: CODE });
    expect(sent?.facts.map(({ fact, credential }) => [fact, credential !== undefined])).toEqual([
      ['pin', false],
      ['account', true],
    ]);
  });

  test('in pre-call mode carries no code, and takes none', async () => {
    const id = await verifier.ask({ mode: 'precall', facts: [{ fact: 'pin', version: 1 }] });
    const { attempt, request } = await accepted(id);
    await expect(phone.holder.present(id, { code: CODE, pin: PIN })).rejects.toMatchObject({
      code: 'malformed',
    });
    expect(await phone.holder.present(id, { pin: PIN })).toMatchObject({ verdict: 'passed' });
    expect(verifier.presentations[0]).not.toHaveProperty('code');
    const nonce = decodeBase64url(attempt.nonce);
    const bound = challenge({ request, index: 0, nonce, code: null });
    expect(
      verifier.presentations.map(({ facts }) => facts.map(({ proof }) => isBoundTo(proof, bound))),
    ).toEqual([[true]]);
  });

  test.each([0, 1])('shows account %i when it is asked for by its reference', async (index) => {
    const { number } = ACCOUNTS[index] ?? { number: '' };
    const accountRef = await phone.issuer.accountReference(number);
    const id = await verifier.ask({ facts: [{ fact: 'account', version: 1, scope: SCOPE, accountRef }] });
    await phone.holder.present(id, { code: CODE });
    const accountKey = parseField(await phone.issuer.accountKeyOf(number));
    expect(jobs()[0]?.inputs).toMatchObject({ accountKey, index: BigInt(index), reveal: 1n });
    const keys = await Promise.all(ACCOUNTS.map(({ number: n }) => phone.issuer.accountKeyOf(n)));
    const { paths } = accountsTree(keys.map(parseField), parseField(verifier.devices[0]?.holder));
    expect(jobs()[0]?.inputs.siblings).toEqual(paths[index]);
  });

  test('hides which account it is when any will do', async () => {
    const id = await verifier.ask();
    await phone.holder.present(id, { code: CODE, pin: PIN });
    expect(jobs()[0]?.inputs).toMatchObject({ reveal: 0n });
  });

  test('says that the device has no such account before a PIN try is used', async () => {
    const accountRef = await phone.issuer.accountReference('0000000');
    const facts = [
      { fact: 'pin', version: 1 },
      { fact: 'account', version: 1, scope: SCOPE, accountRef },
    ] as const;
    const id = await verifier.ask({ facts: [...facts] });
    const given = { code: CODE, pin: PIN };
    await expect(phone.holder.present(id, given)).rejects.toMatchObject({ code: 'account_unknown' });
    expect(tries()).toBe(0);
  });

  test('is not made with a credential whose time is over', async () => {
    await phone.holder.refreshAccounts((receipt) =>
      phone.issuer.issueAccounts({ receipt, subject: SUBJECT, accounts: ACCOUNTS, lifetimeSeconds: 60 }),
    );
    const id = await verifier.ask();
    await phone.holder.accept(id);
    verifier.now += 60;
    await phone.holder.status();
    const given = { code: CODE, pin: PIN };
    await expect(phone.holder.present(id, given)).rejects.toMatchObject({ code: 'credential_expired' });
  });

  test.each(['', '12345', '1234567', '12345a', '½23456'])(
    'refuses the code %j before a PIN try is used',
    async (code) => {
      const id = await verifier.ask();
      await expect(phone.holder.present(id, { code, pin: PIN })).rejects.toMatchObject({ code: 'malformed' });
      expect(tries()).toBe(0);
    },
  );

  test('of one accepted by another device is refused', async () => {
    const id = await verifier.ask();
    verifier.say(id, (answer) => ({ ...answer, state: 'accepted' }));
    await expect(phone.holder.present(id, { code: CODE, pin: PIN })).rejects.toMatchObject({
      code: 'unexpected_answer',
    });
    expect(jobs()).toEqual([]);
  });

  test('tells its progress', async () => {
    const id = await verifier.ask();
    const phases: string[] = [];
    const onProgress = ({ phase, done, total }: { phase: string; done: number; total: number }) =>
      phases.push(`${phase} ${done}/${total}`);
    await phone.holder.present(id, { code: CODE, pin: PIN, onProgress });
    expect(phases).toEqual(['pin 0/2', 'sending 2/2']);
  });
});

describe('a wrong PIN', () => {
  test('costs a try and no attempt, and is known on the device', async () => {
    const id = await verifier.ask();
    const given = { code: CODE, pin: WRONG_PIN };
    await expect(phone.holder.present(id, given)).rejects.toMatchObject({ code: 'pin_wrong', triesLeft: 4 });
    expect(verifier.presentations).toEqual([]);
    expect(await phone.holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
    expect(tries()).toBe(2);
  });

  test('typed again costs nothing more', async () => {
    const id = await verifier.ask();
    const given = { code: CODE, pin: WRONG_PIN };
    for (let i = 0; i < 3; i++) {
      await expect(phone.holder.present(id, given)).rejects.toMatchObject({
        code: 'pin_wrong',
        triesLeft: 4,
      });
    }
    expect(evaluations()).toHaveLength(1);
  });

  test('five times over locks it, and says so', async () => {
    const id = await verifier.ask();
    for (const [i, pin] of ['739100', '739101', '739102', '739103', '739104'].entries()) {
      const wrong = phone.holder.present(id, { code: CODE, pin });
      await expect(wrong).rejects.toMatchObject({ code: 'pin_wrong', triesLeft: 4 - i });
    }
    await expect(phone.holder.present(id, { code: CODE, pin: PIN })).rejects.toMatchObject({
      code: 'pin_locked',
    });
  });
});

describe('a lost answer', () => {
  test('of an evaluation sends the same blinded element again, and costs one try', async () => {
    const id = await verifier.ask();
    await phone.holder.accept(id);
    let lost = 0;
    // Twice within the call, and once more in the next one that the customer makes.
    verifier.fault = (_, path) => (path.endsWith('/oprf') && lost++ < 3 ? 'lostAnswer' : undefined);
    await expect(phone.holder.present(id, { code: CODE, pin: PIN })).rejects.toMatchObject({
      code: 'network',
    });
    expect(await phone.holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
    expect(new Set(evaluations().map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(evaluations()).toHaveLength(4);
    expect(tries()).toBe(1);
  });

  test('of a presentation is looked up, the verdict included', async () => {
    const id = await verifier.ask();
    verifier.fault = (_, path) => (path.endsWith('/presentation') ? 'lostAnswer' : undefined);
    expect(await phone.holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
    expect(verifier.presentations).toHaveLength(1);
  });

  test('of a presentation that failed finds the next attempt', async () => {
    verifier.verdicts = [false];
    const id = await verifier.ask();
    verifier.fault = (_, path) => (path.endsWith('/presentation') ? 'lostAnswer' : undefined);
    const given = { code: CODE, pin: PIN };
    expect(await phone.holder.present(id, given)).toMatchObject({ state: 'accepted', attemptsLeft: 2 });
    expect(verifier.presentations).toHaveLength(1);
  });

  test('of a presentation that never arrived sends it again', async () => {
    const id = await verifier.ask();
    let lost = 0;
    verifier.fault = (_, path) => (path.endsWith('/presentation') && lost++ < 2 ? 'lostCall' : undefined);
    expect(await phone.holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
    expect(lost).toBe(3);
  });

  test('gives up in time when nothing comes at all', async () => {
    const id = await verifier.ask();
    await phone.holder.accept(id);
    const { holder } = await openPhone(verifier, { storage: phone.storage, timeoutSeconds: 2 });
    verifier.fault = (_, path) => (path.endsWith('/presentation') ? 'lostCall' : undefined);
    await expect(holder.present(id, { code: CODE, pin: PIN })).rejects.toMatchObject({
      code: 'timeout',
    });
  });
});

describe('further attempts', () => {
  test('need no PIN again, and end with the third', async () => {
    verifier.verdicts = [false];
    const id = await verifier.ask();
    expect(await phone.holder.present(id, { code: '000000', pin: PIN })).toMatchObject({ attemptsLeft: 2 });
    expect(await phone.holder.present(id, { code: '000001' })).toMatchObject({ attemptsLeft: 1 });
    expect(await phone.holder.present(id, { code: '000002' })).toMatchObject({
      state: 'done',
      verdict: 'failed',
    });
    expect(new Set(verifier.presentations.map(({ attempt }) => attempt)).size).toBe(3);
    expect(evaluations()).toHaveLength(1);
  });

  test('made by two taps at once use up one', async () => {
    const id = await verifier.ask();
    const given = { code: CODE, pin: PIN };
    const both = await Promise.all([phone.holder.present(id, given), phone.holder.present(id, given)]);
    expect(both).toMatchObject([{ verdict: 'passed' }, { verdict: 'passed' }]);
    expect([verifier.presentations.length, tries()]).toEqual([1, 1]);
    expect([evaluations().length, verifier.callsTo('POST', /presentation$/).length]).toEqual([1, 1]);
    expect(jobs()).toHaveLength(1);
  });

  test('after the verification was ended elsewhere tell how it ended', async () => {
    const id = await verifier.ask();
    await phone.holder.accept(id);
    verifier.say(id, ({ request: _, attempt: __, ...answer }) => ({
      ...answer,
      state: 'done',
      verdict: 'cancelled',
    }));
    expect(await phone.holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'cancelled' });
    expect(tries()).toBe(0);
  });

  test('forget the PIN with the end of the verification', async () => {
    const first = await verifier.ask();
    await phone.holder.present(first, { code: CODE, pin: PIN });
    const second = await verifier.ask();
    await expect(phone.holder.present(second, { code: CODE })).rejects.toBeInstanceOf(TypeError);
  });
});

async function accepted(id: string) {
  await phone.holder.accept(id);
  let found: { attempt: { attempt: string; nonce: string }; request: string } | undefined;
  verifier.say(id, (answer) => {
    if (answer.attempt && answer.request) found = { attempt: answer.attempt, request: answer.request };
    return answer;
  });
  if (!found) throw new TypeError('not accepted');
  return found;
}
