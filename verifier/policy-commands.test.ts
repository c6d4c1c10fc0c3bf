import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from './command-line.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'akashi-policy-'));
  await run('tenant', 'add', 'bank', '--name', 'Bank', 'https://phone.bank.example');
});
afterEach(() => rm(folder, { recursive: true }));

async function run(...args: readonly string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCommand(args, {
    env: { AKASHI_DATABASE: join(folder, 'akashi.db') },
    random: randomBytes,
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    untilStopped: async () => {},
  });
  return { code, out, err: err.join('\n') };
}

async function put(policy: unknown, tenant = 'bank') {
  const file = join(folder, 'policy.json');
  await writeFile(file, typeof policy === 'string' ? policy : JSON.stringify(policy));
  return run('policy', 'put', tenant, file);
}

const income = {
  fact: 'range',
  schema: {
    ...{ schema: 'customer', version: 1, volatile: false },
    claims: [{ name: 'income', label: { en: 'Income' }, type: 'money', currency: 'JPY' }],
  },
  claim: 'income',
  atLeast: '4000000',
};
const LIMIT = {
  policy: 'limit',
  facts: ['account', { anyOf: [income, { allOf: ['pin', income] }, 'pin'] }],
  reuseSeconds: 300,
  stepUp: [
    { when: { numberWithheld: true }, facts: ['pin'], twoFactor: true },
    { when: { hours: { from: '22:00', until: '06:00', timeZone: 'Asia/Tokyo' } }, facts: ['pin'] },
    { when: { earlierFailures: { atLeast: 2, withinSeconds: 3600 } }, facts: ['pin'] },
    { when: { amount: { atLeast: '1000000', currency: 'JPY' } }, facts: [income] },
  ],
  purposes: [{ id: 'limit', text: { en: 'Raising a limit' } }],
};
const QUIET = [
  '--signal',
  'numberWithheld=no',
  '--amount',
  '999999:JPY',
  '--at',
  '2026-11-22T12:00:00+09:00',
];

describe('policy put', () => {
  test('stores the next version, with its audit, and list shows it', async () => {
    expect(await put(LIMIT)).toEqual({ code: 0, out: ['limit 1'], err: '' });
    expect((await put(LIMIT)).out).toEqual(['limit 2']);
    expect((await run('policy', 'list', 'bank')).out).toEqual(['limit 2 limit']);
    const [json = ''] = (await run('policy', 'list', 'bank', '--json')).out;
    expect(JSON.parse(json)).toEqual({ ...LIMIT, version: 2 });
    const entries = (await run('audit', 'export', 'bank')).out.map((line) =>
      JSON.parse(JSON.parse(line).content),
    );
    expect(entries.at(-1)).toMatchObject({ event: 'tenant.policy_put', actor: { kind: 'cli' }, version: 2 });
  });

  test.each<[string, unknown, number, string]>([
    [
      'each fault by where it is',
      { ...LIMIT, twoFactor: 1, stepUp: [{ when: {}, twoFactor: true }] },
      2,
      'malformed\ntwoFactor: invalid\nstepUp.0.when: invalid',
    ],
    ['a list, which is no policy', [LIMIT], 2, 'malformed\npolicy: missing'],
    ['two factors that one could meet', { ...LIMIT, twoFactor: true }, 1, 'policy not two factor'],
    ['a passkey of a tenant without any', { ...LIMIT, facts: ['passkey'] }, 1, 'passkeys off'],
    [
      'bounds that are none of the claim',
      { ...LIMIT, facts: [{ ...income, atLeast: 'x' }] },
      1,
      'not in its form',
    ],
    ['what is no JSON', '{', 1, 'not in its form'],
  ])('refuses, and names %s', async (_, policy, code, said) => {
    const ended = await put(policy);
    expect([ended.code, ended.out]).toEqual([code, []]);
    expect(ended.err).toContain(said);
    expect((await run('policy', 'list', 'bank')).out).toEqual([]);
  });

  test('knows no tenant that is none', async () => {
    expect((await put(LIMIT, 'shop')).err).toContain('no such tenant');
    expect((await run('policy', 'list', 'shop')).err).toContain('no such tenant');
  });
});

describe('policy explain', () => {
  beforeEach(() => put(LIMIT));
  const explain = (...args: readonly string[]) => run('policy', 'explain', 'bank', 'limit', ...args);
  const json = async (...args: readonly string[]) =>
    JSON.parse((await explain('--json', ...args)).out.join(''));
  const raisedBy = async (...args: readonly string[]) =>
    (await json(...args)).rules
      .filter(({ holds }: { holds: boolean }) => holds)
      .map(({ rule }: { rule: string }) => rule);

  test('says what is asked on a quiet day, in the order in which a phone chooses', async () => {
    expect((await explain(...QUIET)).out).toEqual([
      'limit, version 1, at 2026-11-22T03:00:00Z',
      'asks for',
      '  0  account, any',
      '  1  range: income at least 4000000',
      '  2  pin',
      'the first of these that the phone can show',
      '  0 + 1  shows possession',
      '  0 + 2  shows knowledge, possession',
      'one factor is enough',
      'step-up rules',
      '  stepUp.0  does not hold (numberWithheld no): adds pin, two factors',
      '  stepUp.1  does not hold (hours no): adds pin',
      '  stepUp.2  does not hold (earlierFailures no): adds pin',
      '  stepUp.3  does not hold (amount no): adds range',
      'a pass of the same call stands in for it, for 300 seconds',
    ]);
  });

  test('says which rules raise it, and what for', async () => {
    expect(await raisedBy(...QUIET)).toEqual([]);
    expect(await raisedBy(...QUIET, '--failures', '2')).toEqual(['stepUp.2']);
    expect(await raisedBy(...QUIET.slice(2))).toEqual(['stepUp.0']);
    expect(await raisedBy(...QUIET, '--at', '2026-11-22T23:30:00+09:00')).toEqual(['stepUp.1']);
    expect(await raisedBy(...QUIET, '--amount', '1000000:JPY')).toEqual(['stepUp.3']);
    expect(await raisedBy(...QUIET, '--amount', '1:USD')).toEqual(['stepUp.3']);
    const said = await json('--signal', 'numberWithheld', '--amount', '1:JPY', ...QUIET.slice(4));
    expect(said).toMatchObject({
      twoFactor: true,
      // With the PIN nothing more is needed: the way by the income contains this one.
      facts: [{ fact: 'account' }, { fact: 'pin' }],
      alternatives: [{ places: [0, 1], factors: ['knowledge', 'possession'], enough: true }],
      rules: [
        { rule: 'stepUp.0', conditions: { numberWithheld: true }, adds: ['pin'], twoFactor: true },
        {},
        {},
        {},
      ],
    });
  });

  test.each([
    ['--signal', 'withheld'],
    ['--signal', 'numberWithheld=maybe'],
    ['--signal', 'numberWithheld,numberWithheld=no'],
    ['--signal', '__proto__'],
    ['--amount', '1,000:JPY'],
    ['--amount', '1000'],
    ['--at', 'tomorrow'],
    ['--failures', '-1'],
  ])('refuses %s %s', async (flag, value) => {
    const { code, err } = await explain(`${flag}=${value}`);
    expect([code, err.includes(flag)]).toEqual([2, true]);
  });

  test('knows no policy that is none', async () => {
    expect(await run('policy', 'explain', 'bank', 'other')).toMatchObject({ code: 1, err: 'policy unknown' });
  });
});
