import { type ClaimsSchema, type Request, schemaSignal, tenantScope } from '@akashi/circuits';
import { beforeEach, describe, expect, test } from 'vitest';
import { HOLDER_RECORD } from './holder-record.ts';
import { PREPARATION_RECORDS } from './preparation-store.ts';
import { refusedByCustomer, type ScriptedPasskeys, scriptedPasskeys } from './scripted-passkeys.ts';
import { ACCOUNTS, enrolledPhone, enrolPhone, openPhone, type Phone, PIN } from './scripted-phone.ts';
import { RP_ID, ScriptedVerifier, SUBJECT, TENANT } from './scripted-verifier.ts';

const CODE = '204816';
const NEXT_PIN = '862057';
const SCOPE = String(await tenantScope(TENANT.id));
const pin = { fact: 'pin', version: 1 } as const;
const account = { fact: 'account', version: 1, scope: SCOPE, accountRef: '0' } as const;
const passkey = { fact: 'passkey', version: 1, rpId: RP_ID } as const;
const PLAN = { name: 'plan', label: { en: 'Plan' }, type: 'text' } as const;
const SCHEMA: ClaimsSchema = { schema: 'customer', version: 1, volatile: false, claims: [PLAN] };
const member = {
  fact: 'member',
  version: 1,
  schema: String(schemaSignal(SCHEMA)),
  volatile: false,
  index: 0,
  claim: PLAN,
  values: ['Gold with a blue stripe'] as string[],
} as const;

let verifier: ScriptedVerifier;
let platform: ScriptedPasskeys;
let phone: Phone;
let plain: { holderSecret: string; issued: { accounts: { accountKey: string; siblings: string[] }[] } };
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  platform = scriptedPasskeys();
  platform.prf = 'at once';
  phone = await enrolledPhone(verifier, { passkeys: platform });
  plain = (await phone.storage.read(HOLDER_RECORD)) as typeof plain;
});

const wrapSecrets = () => phone.holder.addPasskey({ pin: PIN, wrapSecrets: true });
const exchange = (receipt: string) =>
  phone.issuer.issueAccounts({ receipt, subject: SUBJECT, accounts: ACCOUNTS });
/** Has a claim vouched for. @returns what came: nobody else may read it */
async function refreshClaims(plan: string): Promise<readonly string[]> {
  const secrets: string[] = [];
  await phone.holder.refreshClaims(async (receipt) => {
    const claims = { plan };
    const issued = await phone.issuer.issueClaims({ receipt, subject: SUBJECT, schema: SCHEMA, claims });
    secrets.push(issued.salt, plan, issued.credential);
    return [issued];
  });
  return secrets;
}
const gestures = () => platform.asked.length;

async function presents(facts: Request['facts'], typed = PIN) {
  const id = await verifier.ask({ facts });
  return phone.holder.present(id, { code: CODE, pin: typed });
}

/** All that can be read with the storage key alone. */
async function readable(): Promise<string> {
  const names = [HOLDER_RECORD, 'claims', ...Object.values(PREPARATION_RECORDS)];
  return JSON.stringify(await Promise.all(names.map((name) => phone.storage.read(name))));
}

async function expectWrapped(): Promise<void> {
  const text = await readable();
  expect(text).toContain('"wrapped"');
  expect(text).not.toContain(plain.holderSecret);
  for (const { accountKey } of plain.issued.accounts) expect(text).not.toContain(accountKey);
  // Nor anything that a proof could be bound from.
  for (const name of Object.values(PREPARATION_RECORDS)) {
    const kept: unknown = (await phone.storage.read(name)) ?? { entries: [] };
    expect(kept).toMatchObject({ entries: [] });
  }
}

describe('secrets under a passkey', () => {
  test('cannot be read with the storage key, and nothing ready lies beside them', async () => {
    await phone.holder.prepare();
    expect(await readable()).toContain(plain.holderSecret);
    expect(await wrapSecrets()).toMatchObject({ wrapsSecrets: true });
    expect(phone.holder.enrolled).toMatchObject({ secretsWrapped: true, accounts: [{}, {}] });
    await expectWrapped();
    await phone.holder.prepare();
    await presents([pin, account]);
    await expectWrapped();
  });

  test('open by one gesture where no passkey is asked for', async () => {
    await wrapSecrets();
    const before = gestures();
    expect(await presents([pin, account])).toMatchObject({ verdict: 'passed' });
    expect(gestures()).toBe(before + 1);
    const secrets = phone.jobs.slice(-2).map(({ inputs }) => inputs.holderSecret);
    expect(secrets).toEqual([BigInt(plain.holderSecret), BigInt(plain.holderSecret)]);
    expect(verifier.presentations.at(-1)).not.toHaveProperty('passkey');
  });

  test('open by the same gesture that a request asks for', async () => {
    await wrapSecrets();
    const before = gestures();
    expect(await presents([pin, passkey])).toMatchObject({ verdict: 'passed' });
    expect(gestures()).toBe(before + 1);
    expect(verifier.presentations.at(-1)).toHaveProperty('passkey');
  });

  test('open after the page was opened anew, and say that they are wrapped', async () => {
    await wrapSecrets();
    const again = await openPhone(verifier, { storage: phone.storage, passkeys: platform });
    phone = { ...again, issuer: phone.issuer };
    expect(again.holder.enrolled).toMatchObject({ secretsWrapped: true });
    expect(await presents([account])).toMatchObject({ verdict: 'passed' });
  });

  test('stay closed when the customer does not confirm: no try, no attempt is used', async () => {
    await wrapSecrets();
    const id = await verifier.ask({ facts: [pin] });
    platform.fault = refusedByCustomer();
    const given = phone.holder.present(id, { code: CODE, pin: PIN });
    await expect(given).rejects.toMatchObject({ code: 'passkey_cancelled' });
    expect([verifier.devices[0]?.tries, verifier.presentations.length]).toEqual([0, 0]);
    expect(await phone.holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
  });

  test('stay wrapped through a change of the PIN and new accounts', async () => {
    await wrapSecrets();
    await phone.holder.changePin({ current: PIN, next: NEXT_PIN });
    await expectWrapped();
    await phone.holder.refreshAccounts(exchange);
    await expectWrapped();
    expect(await presents([pin, account], NEXT_PIN)).toMatchObject({ verdict: 'passed' });
  });

  test('move to a newer passkey', async () => {
    const first = await wrapSecrets();
    const second = await wrapSecrets();
    await expectWrapped();
    await phone.holder.removePasskey(first.passkey);
    expect(phone.holder.enrolled).toMatchObject({ secretsWrapped: true });
    expect(await presents([account])).toMatchObject({ verdict: 'passed' });
    expect(second.wrapsSecrets).toBe(true);
  });

  test('are unwrapped before their passkey is removed', async () => {
    const added = await wrapSecrets();
    platform.fault = refusedByCustomer();
    await expect(phone.holder.removePasskey(added.passkey)).rejects.toMatchObject({
      code: 'passkey_cancelled',
    });
    await expectWrapped();
    await phone.holder.removePasskey(added.passkey);
    expect(phone.holder.enrolled).toMatchObject({ secretsWrapped: false });
    expect(await phone.storage.read(HOLDER_RECORD)).toEqual({ ...plain, passkeys: [] });
    const before = gestures();
    expect(await presents([pin, account])).toMatchObject({ verdict: 'passed' });
    expect(gestures()).toBe(before);
  });

  test('are lost with their passkey, and a new enrolment is the way on', async () => {
    await wrapSecrets();
    platform.made.length = 0;
    await expect(presents([pin])).rejects.toMatchObject({ code: 'passkey_cancelled' });
    // Who asks is still shown, and can be declined and reported.
    const id = await verifier.ask();
    expect(await phone.holder.request(id)).toMatchObject({ state: 'pending', asked: { operator: 'Sato' } });
    expect(await phone.holder.decline(id)).toMatchObject({ verdict: 'declined' });
    await enrolPhone(phone, verifier);
    expect(phone.holder.enrolled).toMatchObject({ secretsWrapped: false });
    expect(await presents([pin, account])).toMatchObject({ verdict: 'passed' });
  });

  test('do not open under another answer of the PRF, and none is told from a broken storage', async () => {
    await wrapSecrets();
    const [own] = platform.made;
    await phone.holder.addPasskey({ pin: PIN });
    const other = platform.made[1];
    if (own === undefined || other === undefined) throw new TypeError('two were made');
    platform.made.splice(0, 2, { ...own, key: other.key });
    await expect(presents([account])).rejects.toMatchObject({ code: 'storage_unavailable' });
    platform.prf = 'none';
    await expect(presents([account])).rejects.toMatchObject({ code: 'passkey_unavailable' });
  });
});

describe('claims under a passkey', () => {
  const GOLD = 'Gold with a blue stripe';
  const expectHidden = async (secrets: readonly string[]) => {
    const text = await readable();
    expect(secrets).toHaveLength(3);
    for (const secret of secrets) expect(text).not.toContain(secret);
    await expectWrapped();
  };

  test('are wrapped with the other secrets, proven by their gesture, and shown by one', async () => {
    verifier.askable = [member];
    const secrets = await refreshClaims(GOLD);
    await phone.holder.prepare();
    const before = await readable();
    for (const secret of secrets) expect(before).toContain(secret);
    await wrapSecrets();
    await expectHidden(secrets);
    expect(await presents([member, passkey])).toMatchObject({ verdict: 'passed' });
    expect(verifier.presentations.at(-1)).toMatchObject({ facts: [{ fact: 'member' }], passkey: {} });
    await phone.holder.prepare();
    await expectHidden(secrets);
    const asked = gestures();
    expect(await phone.holder.claims()).toMatchObject([{ schema: SCHEMA, claims: { plan: GOLD } }]);
    expect(gestures()).toBe(asked + 1);
    await expectHidden(secrets);
  });

  test('are wrapped where they come after the passkey, each in place of an earlier one', async () => {
    await wrapSecrets();
    const first = await refreshClaims('Silver without any stripes');
    await expectHidden(first);
    const second = await refreshClaims(GOLD);
    await expectHidden(second);
    expect(await presents([pin, account, member])).toMatchObject({ verdict: 'passed' });
    await phone.holder.refreshAccounts(exchange);
    await phone.holder.changePin({ current: PIN, next: NEXT_PIN });
    await expectHidden(second);
    expect(await phone.holder.claims()).toMatchObject([{ claims: { plan: GOLD } }]);
  });

  test('are not kept at all when the customer does not confirm', async () => {
    await wrapSecrets();
    platform.fault = refusedByCustomer();
    await expect(refreshClaims(GOLD)).rejects.toMatchObject({ code: 'passkey_cancelled' });
    expect(await readable()).not.toContain(GOLD);
    expect(await phone.holder.claims()).toEqual([]);
  });

  test('move to a newer passkey, and lie as before once the last is removed', async () => {
    const secrets = await refreshClaims(GOLD);
    const kept = await phone.storage.read('claims');
    const first = await wrapSecrets();
    const second = await wrapSecrets();
    await phone.holder.removePasskey(first.passkey);
    await expectHidden(secrets);
    await phone.holder.removePasskey(second.passkey);
    expect(await phone.storage.read('claims')).toEqual(kept);
    const asked = gestures();
    expect(await presents([member])).toMatchObject({ verdict: 'passed' });
    expect(gestures()).toBe(asked);
  });

  test('and accounts that come while the customer has them wrapped are wrapped as well', async () => {
    let secrets: readonly string[] = [];
    await phone.holder.refreshClaims(async (receipt) => {
      const claims = { plan: GOLD };
      const issued = await phone.issuer.issueClaims({ receipt, subject: SUBJECT, schema: SCHEMA, claims });
      secrets = [issued.salt, GOLD, issued.credential];
      await wrapSecrets();
      return [issued];
    });
    await expectHidden(secrets);
    const [first] = (await phone.holder.status()).passkeys;
    await phone.holder.removePasskey(first?.passkey ?? '');
    await phone.holder.refreshAccounts(async (receipt) => {
      await wrapSecrets();
      return exchange(receipt);
    });
    await expectHidden(secrets);
    expect(await presents([account, member])).toMatchObject({ verdict: 'passed' });
  });

  test('that an interrupted call left beside wrapped secrets are not used, and go', async () => {
    const secrets = await refreshClaims(GOLD);
    const left = await phone.storage.read('claims');
    await wrapSecrets();
    await phone.storage.write('claims', left);
    await refreshClaims('Silver without any stripes');
    await expectHidden(secrets);
    await phone.storage.write('claims', left);
    await phone.holder.prepare();
    await expectHidden(secrets);
    await expect(presents([member])).rejects.toMatchObject({ code: 'claim_unmet' });
  });
});

describe('a phone', () => {
  test('without a PRF keeps its secrets as before', async () => {
    platform.prf = 'none';
    expect(await wrapSecrets()).toMatchObject({ wrapsSecrets: false });
    expect(phone.holder.enrolled).toMatchObject({ secretsWrapped: false });
    expect(await readable()).toContain(plain.holderSecret);
    const before = gestures();
    expect(await presents([pin, account])).toMatchObject({ verdict: 'passed' });
    expect(gestures()).toBe(before);
  });

  test('that answers only when the passkey is used is asked once more', async () => {
    platform.prf = 'when used';
    expect(await wrapSecrets()).toMatchObject({ wrapsSecrets: true });
    expect(gestures()).toBe(2);
    await expectWrapped();
    expect(await presents([pin, account])).toMatchObject({ verdict: 'passed' });
  });

  test('whose accounts are renewed while the customer confirms wraps the new ones', async () => {
    platform.prf = 'when used';
    const { get } = platform;
    platform.get = async (options) => {
      platform.get = get;
      await phone.holder.refreshAccounts((receipt) =>
        phone.issuer.issueAccounts({ receipt, subject: SUBJECT, accounts: ACCOUNTS.slice(1) }),
      );
      return get(options);
    };
    await wrapSecrets();
    expect(phone.holder.enrolled).toMatchObject({ secretsWrapped: true, accounts: [{ label: 'Savings' }] });
    expect(await presents([account])).toMatchObject({ verdict: 'passed' });
    expect(phone.jobs.at(-1)?.inputs.accountKey).toBe(BigInt(plain.issued.accounts[1]?.accountKey ?? 0));
  });

  test('whose customer says no to that has the passkey, and its secrets as before', async () => {
    platform.prf = 'when used';
    const { get } = platform;
    platform.get = () => Promise.reject(refusedByCustomer());
    expect(await wrapSecrets()).toMatchObject({ wrapsSecrets: false });
    platform.get = get;
    expect(phone.holder.enrolled).toMatchObject({ secretsWrapped: false });
    expect(await presents([pin, passkey])).toMatchObject({ verdict: 'passed' });
  });

  test('is asked for a passkey that can be found only where it is to wrap', async () => {
    await phone.holder.addPasskey({ pin: PIN });
    await wrapSecrets();
    const [plainOne, wrapping] = platform.asked as CredentialCreationOptions[];
    expect(plainOne?.publicKey).not.toHaveProperty('extensions');
    expect(plainOne?.publicKey?.authenticatorSelection?.residentKey).toBe('discouraged');
    expect(wrapping?.publicKey?.authenticatorSelection?.residentKey).toBe('required');
    expect(wrapping?.publicKey?.extensions?.prf?.eval?.first).toHaveLength(32);
  });
});
