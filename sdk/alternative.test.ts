import { type ClaimsSchema, type Request, schemaSignal, tenantScope } from '@akashi/circuits';
import { beforeEach, describe, expect, test } from 'vitest';
import { type ScriptedPasskeys, scriptedPasskeys } from './scripted-passkeys.ts';
import { ACCOUNTS, enrolledPhone, type Phone, PIN } from './scripted-phone.ts';
import { RP_ID, ScriptedVerifier, SUBJECT, TENANT } from './scripted-verifier.ts';

// Requests that leave a choice: what the phone shows is the first that it can, and just what it says that it shows.

const CODE = '204816';
const SCOPE = String(await tenantScope(TENANT.id));
const pin = { fact: 'pin', version: 1 } as const;
const account = { fact: 'account', version: 1, scope: SCOPE, accountRef: '0' } as const;
const passkey = { fact: 'passkey', version: 1, rpId: RP_ID } as const;
const PLAN = { name: 'plan', label: { en: 'Plan' }, type: 'text' } as const;
const SCHEMA: ClaimsSchema = { schema: 'customer', version: 1, volatile: false, claims: [PLAN] };
const gold = {
  ...{ fact: 'member', version: 1, schema: String(schemaSignal(SCHEMA)), volatile: false, index: 0 },
  ...{ claim: PLAN, values: ['Gold'] },
} as const satisfies Request['facts'][number];

let verifier: ScriptedVerifier;
let platform: ScriptedPasskeys;
let phone: Phone;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  platform = scriptedPasskeys();
  platform.prf = 'at once';
  phone = await enrolledPhone(verifier, { passkeys: platform });
});

const vouch = (plan: string, lifetimeSeconds = 600) =>
  phone.holder.refreshClaims(async (receipt) => [
    await phone.issuer.issueClaims({
      ...{ receipt, subject: SUBJECT, schema: SCHEMA, claims: { plan }, lifetimeSeconds },
    }),
  ]);
const ask = (facts: Request['facts'], alternatives: number[][]) => verifier.ask({ facts, alternatives });
const shownOf = async (id: string) => (await phone.holder.request(id)).asked;
const present = (id: string) => phone.holder.present(id, { code: CODE, pin: PIN });

/** What the phone says that it shows, and what it then shows. */
async function outcome(facts: Request['facts'], alternatives: number[][]) {
  const id = await ask(facts, alternatives);
  const said = (await shownOf(id))?.facts;
  expect(await present(id)).toMatchObject({ verdict: 'passed' });
  const sent = verifier.presentations.at(-1);
  const shown = sent?.facts.map(({ fact }) => fact) ?? [];
  return { said, shown: sent?.passkey ? [...shown, 'passkey'] : shown, alternative: sent?.alternative };
}

describe('of several alternatives a phone shows the first', () => {
  test('that it has claims for', async () => {
    const list = [[0], [1]];
    expect(await outcome([gold, account], list)).toEqual({
      ...{ said: ['account'], shown: ['account'], alternative: 1 },
    });
    await vouch('Silver');
    expect(await outcome([gold, account], list)).toMatchObject({ alternative: 1 });
    await vouch('Gold');
    expect(await outcome([gold, account], list)).toEqual({
      ...{ said: ['member'], shown: ['member'], alternative: 0 },
    });
  });

  test('whose claims are not over', async () => {
    await vouch('Gold', 60);
    verifier.now += 60;
    await phone.holder.status();
    expect(await outcome([gold, pin], [[0], [1]])).toMatchObject({ said: ['pin'], alternative: 1 });
  });

  test('that it has a passkey for', async () => {
    const list = [
      [0, 1],
      [0, 2],
    ];
    expect(await outcome([pin, passkey, account], list)).toMatchObject({ said: ['pin', 'account'] });
    await phone.holder.addPasskey({ pin: PIN });
    expect(await outcome([pin, passkey, account], list)).toEqual({
      ...{ said: ['pin', 'passkey'], shown: ['pin', 'passkey'], alternative: 0 },
    });
  });

  test('that it has an account for', async () => {
    const other = { ...account, accountRef: '5' };
    expect(await outcome([other, pin], [[0], [1]])).toMatchObject({ said: ['pin'] });
    expect(await outcome([account, pin], [[0], [1]])).toMatchObject({ said: ['account'] });
  });

  test('of all, where it can show none, and says what is wrong with that', async () => {
    const other = { ...account, accountRef: '5' };
    const id = await ask([gold, other], [[0], [1]]);
    expect((await shownOf(id))?.facts).toEqual(['member']);
    await expect(present(id)).rejects.toMatchObject({ code: 'claim_unknown' });
    expect(verifier.presentations).toEqual([]);
  });
});

describe('what was said is what is shown', () => {
  test('also when claims come between accepting and the code', async () => {
    const id = await ask([gold, account], [[0], [1]]);
    expect((await phone.holder.accept(id)).asked).toMatchObject({ facts: ['account'], claims: [] });
    await vouch('Gold');
    expect(await present(id)).toMatchObject({ verdict: 'passed' });
    expect(verifier.presentations.at(-1)).toMatchObject({ alternative: 1, facts: [{ fact: 'account' }] });
  });

  test('and stays in the history', async () => {
    await outcome([gold, account], [[0], [1]]);
    expect((await phone.holder.history())[0]?.asked).toMatchObject({ facts: ['account'], claims: [] });
  });

  test('with progress that counts it alone', async () => {
    const id = await ask([gold, pin, account], [[0], [1, 2]]);
    const totals: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => totals.push(total, done);
    await phone.holder.present(id, { code: CODE, pin: PIN, onProgress });
    expect(new Set(totals)).toEqual(new Set([0, 2]));
  });
});

describe('a phone whose secrets are wrapped', () => {
  beforeEach(async () => {
    await vouch('Gold');
    await phone.holder.addPasskey({ pin: PIN, wrapSecrets: true });
  });

  test('prefers what it is sure of without opening them', async () => {
    expect(await outcome([gold, account], [[0], [1]])).toMatchObject({ said: ['account'], alternative: 1 });
  });

  test('shows what it may have where there is nothing else', async () => {
    const other = { ...account, accountRef: '5' };
    expect(
      await outcome([{ ...passkey, rpId: 'other.example' }, gold, other], [[0], [1], [2]]),
    ).toMatchObject({
      ...{ said: ['member'], alternative: 1 },
    });
  });
});

test('accounts are renewed where they are over, not shown', async () => {
  await phone.holder.refreshAccounts((receipt) =>
    phone.issuer.issueAccounts({ receipt, subject: SUBJECT, accounts: ACCOUNTS, lifetimeSeconds: 60 }),
  );
  verifier.now += 60;
  await phone.holder.status();
  expect(await outcome([account, pin], [[0], [1]])).toMatchObject({ said: ['pin'], alternative: 1 });
});
