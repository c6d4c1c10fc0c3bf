import { AkashiError, challenge, decodeBase64url, tenantScope } from '@akashi/circuits';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { PreparedParts } from './groth16.ts';
import type { HolderOptions } from './holder.ts';
import { PREPARATION_RECORDS } from './preparation-store.ts';
import type { PrepareOptions, Prover } from './prover.ts';
import {
  ACCOUNTS,
  enrolledPhone,
  enrolPhone,
  isBoundTo,
  openPhone,
  type Phone,
  PIN,
  PREPARATION,
} from './scripted-phone.ts';
import { ScriptedVerifier, SUBJECT, TENANT } from './scripted-verifier.ts';

const CODE = '204816';
const SCOPE = String(await tenantScope(TENANT.id));

let verifier: ScriptedVerifier;
let phone: Phone;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  phone = await enrolledPhone(verifier);
});

/** A prover whose work is decided call by call. */
function proverOf(prepare: (call: number, options: PrepareOptions) => ReturnType<Prover['prepare']>): Prover {
  let calls = 0;
  return {
    prove: () => Promise.reject(new AkashiError('proof_failed')),
    prepare: (_fact, _inputs, options = {}) => prepare(calls++, options),
    close: () => undefined,
  };
}

const untilAborted = ({ signal }: PrepareOptions) =>
  new Promise<never>((_, reject) => {
    const stop = () => reject(new AkashiError('aborted'));
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
  });

/** The same device under another prover, as after the app was started again. */
async function reopened(options: Partial<HolderOptions>): Promise<Phone> {
  return openPhone(verifier, { storage: phone.storage, ...options });
}

async function entriesOf(fact: 'pin' | 'account'): Promise<number> {
  const kept = (await phone.storage.read(PREPARATION_RECORDS[fact])) as { entries: unknown[] } | undefined;
  return kept?.entries.length ?? 0;
}

describe('a presentation with everything prepared', () => {
  test('asks the prover for nothing, and its proofs are bound to their challenges', async () => {
    await phone.holder.prepare();
    const idle = await reopened({ prover: proverOf(() => Promise.reject(new Error('not to be asked'))) });
    for (const accountRef of ['0', await phone.issuer.accountReference(ACCOUNTS[1]?.number ?? '')]) {
      const id = await verifier.ask({
        facts: [
          { fact: 'pin', version: 1 },
          { fact: 'account', version: 1, scope: SCOPE, accountRef },
        ],
      });
      await idle.holder.accept(id);
      let expected: bigint[] = [];
      verifier.say(id, (answer) => {
        const nonce = decodeBase64url(answer.attempt?.nonce ?? '');
        expected = [0, 1].map((index) =>
          challenge({ request: answer.request ?? '', index, nonce, code: CODE }),
        );
        return answer;
      });
      expect(await idle.holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
      const proofs = verifier.presentations.at(-1)?.facts.map(({ proof }) => proof) ?? [];
      expect(proofs.map((proof, i) => isBoundTo(proof, expected[i] ?? 0n))).toEqual([true, true]);
    }
  });

  test('knows a wrong PIN before anything is sent', async () => {
    const id = await verifier.ask();
    await phone.holder.prepare();
    const wrong = phone.holder.present(id, { code: CODE, pin: '739106' });
    await expect(wrong).rejects.toMatchObject({ code: 'pin_wrong', triesLeft: 4 });
    expect(verifier.presentations).toEqual([]);
  });

  test('is what follows one made in one go: that was kept', async () => {
    const kept: number[] = [];
    for (let i = 0; i < 2; i++) {
      await phone.holder.present(await verifier.ask(), { code: CODE, pin: PIN });
      kept.push(phone.jobs.length);
    }
    expect(phone.jobs.map(({ fact }) => fact)).toEqual(['pin', 'account']);
    expect(kept).toEqual([2, 2]);
  });
});

describe('preparing the accounts', () => {
  test('prepares "an account" and each one, once', async () => {
    const progress: string[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) =>
      progress.push(`${done}/${total}`);
    await phone.holder.prepare({ onProgress });
    const asked = phone.jobs.filter(({ fact }) => fact === 'account');
    expect(asked.map(({ inputs }) => [inputs.reveal, inputs.index])).toEqual([
      [0n, 0n],
      [1n, 0n],
      [1n, 1n],
    ]);
    expect(progress).toEqual(['0/3', '1/3', '2/3', '3/3']);
    await phone.holder.prepare();
    expect(phone.jobs.filter(({ fact }) => fact === 'account')).toHaveLength(3);
  });

  test('needs an enrolled device', async () => {
    const { holder } = await openPhone(verifier);
    await expect(holder.prepare()).rejects.toMatchObject({ code: 'not_enrolled' });
  });

  test.each<[string, Partial<PreparedParts>]>([
    ['the first part', { a: PREPARATION.a }],
    ['the third part', { a: PREPARATION.a, b: PREPARATION.b, c: PREPARATION.c }],
  ])('stopped after %s goes on from there, on another day too', async (_, parts) => {
    const controller = new AbortController();
    const first = await reopened({
      prover: proverOf(async (_call, options) => {
        options.onPart?.(parts);
        controller.abort();
        return untilAborted(options);
      }),
    });
    await expect(first.holder.prepare({ signal: controller.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
    const given: unknown[] = [];
    const second = await reopened({
      prover: proverOf(async (_call, { done }) => {
        given.push(done);
        return PREPARATION;
      }),
    });
    await second.holder.prepare();
    expect(given).toEqual([parts, undefined, undefined]);
  });

  test('is not begun for a caller who stopped', async () => {
    const stopped = phone.holder.prepare({ signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect(await entriesOf('account')).toBe(0);
  });

  test('gives way to a presentation, which goes on from its parts', async () => {
    const given: unknown[] = [];
    const parts = { a: PREPARATION.a };
    let begun: () => void = () => undefined;
    const running = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { holder } = await reopened({
      prover: proverOf(async (call, options) => {
        given.push(options.done);
        if (call > 0) return PREPARATION;
        options.onPart?.(parts);
        begun();
        return untilAborted(options);
      }),
    });
    const id = await verifier.ask();
    const preparing = expect(holder.prepare()).rejects.toMatchObject({ code: 'aborted' });
    await running;
    expect(await holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
    await preparing;
    expect(given).toEqual([undefined, parts]);
  });

  test('survives a damaged record, and makes it anew', async () => {
    await phone.holder.prepare();
    await phone.storage.write(PREPARATION_RECORDS.account, { entries: 7 });
    await phone.storage.write(PREPARATION_RECORDS.pin, null);
    const id = await verifier.ask();
    expect(await phone.holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
    expect([await entriesOf('pin'), await entriesOf('account')]).toEqual([1, 1]);
  });

  test('does not fail a proof when the storage takes nothing more', async () => {
    const { storage } = phone;
    const full = { ...storage, write: () => Promise.reject(new AkashiError('storage_unavailable')) };
    const { holder } = await openPhone(verifier, { storage: full });
    const id = await verifier.ask();
    expect(await holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
  });
});

describe('what is prepared', () => {
  const issue = (accounts: typeof ACCOUNTS) => (receipt: string) =>
    phone.issuer.issueAccounts({ receipt, subject: SUBJECT, accounts });

  test('of accounts stays when the same are issued again, and goes when others are', async () => {
    await phone.holder.prepare();
    await phone.holder.refreshAccounts(issue(ACCOUNTS));
    expect(await entriesOf('account')).toBe(3);
    await phone.holder.refreshAccounts(issue(ACCOUNTS.slice(1)));
    expect(await entriesOf('account')).toBe(0);
    await phone.holder.prepare();
    expect(await entriesOf('account')).toBe(2);
  });

  test('of the PIN goes with the PIN, also when the new one cannot be prepared', async () => {
    const before = JSON.stringify(await phone.storage.read(PREPARATION_RECORDS.pin));
    const { holder } = await reopened({
      prover: proverOf(() => Promise.reject(new AkashiError('artifact_unavailable'))),
    });
    await holder.changePin({ current: PIN, next: '840261' });
    expect([JSON.parse(before).entries.length, await entriesOf('pin')]).toEqual([1, 0]);
    const id = await verifier.ask();
    expect(await phone.holder.present(id, { code: CODE, pin: '840261' })).toMatchObject({
      verdict: 'passed',
    });
    expect(await entriesOf('pin')).toBe(1);
  });

  test.each<[string, Prover]>([
    ['fails', proverOf(() => Promise.reject(new AkashiError('artifact_unavailable')))],
    [
      'throws at once',
      proverOf(() => {
        throw new TypeError('no prover here');
      }),
    ],
    [
      'takes too long',
      proverOf((_, options) => {
        queueMicrotask(() => vi.advanceTimersByTime(20_000));
        return untilAborted(options);
      }),
    ],
  ])('of the PIN is not needed: enrolment holds when preparing %s', async (_, prover) => {
    const { holder, storage, issuer } = await openPhone(verifier, { prover });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      await enrolPhone({ holder, storage, issuer, jobs: [] }, verifier);
    } finally {
      vi.useRealTimers();
    }
    expect(holder.enrolled).toMatchObject({ tenant: TENANT });
    expect(verifier.devices.at(-1)?.state).toBe('active');
    expect(await storage.read(PREPARATION_RECORDS.pin)).toBeUndefined();
  });

  test('of the PIN is not needed: an enrolment stopped while preparing stands', async () => {
    const controller = new AbortController();
    const { holder, issuer } = await openPhone(verifier, { prover: proverOf((_, o) => untilAborted(o)) });
    await holder.enrol({
      link: verifier.link(),
      pin: PIN,
      exchange: (receipt) => issuer.issueAccounts({ receipt, subject: SUBJECT, accounts: ACCOUNTS }),
      signal: controller.signal,
      onProgress: (phase) => phase === 'preparing' && controller.abort(),
    });
    expect(holder.enrolled).not.toBeNull();
    expect(verifier.devices.at(-1)?.state).toBe('active');
  });
});

test('two presentations from one preparation share no group element', async () => {
  await phone.holder.prepare();
  verifier.verdicts = [false];
  const id = await verifier.ask();
  for (const code of ['000000', '000001']) await phone.holder.present(id, { code, pin: PIN });
  expect(phone.jobs).toHaveLength(4); // all of them made ahead
  const proofs = verifier.presentations.flatMap(({ facts }) => facts.map(({ proof }) => proof));
  expect(proofs).toHaveLength(4);
  expect(new Set(JSON.stringify(proofs).match(/\d+/g)).size).toBe(32);
});
