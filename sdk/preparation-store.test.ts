import { AkashiError, decodeBase64url, encodeBase64url } from '@akashi/circuits';
import { beforeEach, describe, expect, test } from 'vitest';
import { findAccount } from './accounts.ts';
import { isOpen, loadIdentity, type OpenIdentity, updateRecord } from './holder-record.ts';
import { encodePreparation } from './preparation.ts';
import {
  dropStalePreparations,
  findPreparation,
  keepPreparation,
  PREPARATION_RECORDS,
} from './preparation-store.ts';
import { newId, ORIGIN } from './scripted-keys.ts';
import { enrolledPhone, enrolPhone, openPhone, type Phone, PREPARATION } from './scripted-phone.ts';
import { ScriptedVerifier } from './scripted-verifier.ts';
import { accountStatement, pinStatement, type Statement } from './statement.ts';

const SCOPE = '3';
const MADE = { preparation: PREPARATION };
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

let verifier: ScriptedVerifier;
let phone: Phone;
let identity: OpenIdentity;
let pinKey: bigint;
let statements: { readonly pin: Statement<'pin'>; readonly account: Statement<'account'> };

beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  phone = await enrolledPhone(verifier);
  identity = await enrolledIdentity();
  pinKey = phone.jobs[0]?.inputs.pinKey as bigint;
  const asked = { accountRef: '0', scope: SCOPE };
  statements = {
    pin: pinStatement(identity.record, pinKey),
    account: accountStatement(identity.record, await findAccount(identity.record.issued, asked), asked),
  };
  for (const statement of Object.values(statements)) await keep(statement);
});

async function enrolledIdentity(): Promise<OpenIdentity> {
  const found = await loadIdentity(phone.storage, ORIGIN);
  if (found === null || !isOpen(found)) throw new TypeError('not enrolled');
  return found;
}

const keep = (statement: Statement, by = identity) =>
  keepPreparation({ storage: phone.storage, random }, by, statement, MADE);
const find = (statement: Statement, by = identity) => findPreparation(phone.storage, by, statement);

type Kept = {
  device: string;
  key: string;
  entries: { signals: Record<string, string>; prepared: Record<string, unknown> }[];
};
/** Rewrites a record as whoever has the storage key could. */
async function rewrite(fact: 'pin' | 'account', change: (kept: Kept) => unknown): Promise<void> {
  const kept = structuredClone(await phone.storage.read(PREPARATION_RECORDS[fact]));
  await phone.storage.write(PREPARATION_RECORDS[fact], change(kept as Kept));
}

describe.each(['pin', 'account'] as const)('a preparation of %s', (fact) => {
  test('is found again for its statement', async () => {
    expect(await find(statements[fact])).toEqual(MADE);
  });

  test('is not used when any public signal differs', async () => {
    const { signals } = statements[fact];
    for (const [name, value] of Object.entries(signals)) {
      const other = { ...statements[fact], signals: { ...signals, [name]: value + 1n } } as Statement;
      expect(await find(other), name).toBeNull();
    }
  });

  test('is not used by another device', async () => {
    const other = { ...identity, record: { ...identity.record, device: newId() } };
    expect(await find(statements[fact], other)).toBeNull();
  });

  test('is not used under another proving key', async () => {
    await rewrite(fact, (kept) => ({ ...kept, key: kept.key.replace(/^./, (c) => (c === '0' ? '1' : '0')) }));
    expect(await find(statements[fact])).toBeNull();
  });

  test.each<[string, (kept: Kept) => unknown]>([
    ['null', () => null],
    ['a text', () => 'preparation'],
    ['one without entries', ({ device, key }) => ({ device, key })],
    ['one with more fields', (kept) => ({ ...kept, more: 1 })],
    [
      'an entry of nothing',
      (kept) => ({ ...kept, entries: kept.entries.map((e) => ({ ...e, prepared: {} })) }),
    ],
    [
      'a coordinate that is none',
      (kept) => ({
        ...kept,
        entries: kept.entries.map((entry) => ({
          ...entry,
          prepared: { preparation: { ...encodePreparation(PREPARATION), a: ['01', '2'] } },
        })),
      }),
    ],
  ])('that was damaged to %s is as good as none, and is replaced', async (_, change) => {
    await rewrite(fact, change);
    expect(await find(statements[fact])).toBeNull();
    await keep(statements[fact]);
    expect(await find(statements[fact])).toEqual(MADE);
  });

  test('that cannot be decrypted is as good as none', async () => {
    const { storage } = phone;
    const failing = { ...storage, read: () => Promise.reject(new AkashiError('storage_unavailable')) };
    expect(await findPreparation(failing, identity, statements[fact])).toBeNull();
  });

  test('is not kept for a device that was enrolled anew meanwhile', async () => {
    await enrolPhone(phone, verifier);
    const before = await phone.storage.read(PREPARATION_RECORDS[fact]);
    await keep(statements[fact]);
    expect(await phone.storage.read(PREPARATION_RECORDS[fact])).toEqual(before);
    expect(await find(statements[fact], await enrolledIdentity())).toBeNull();
  });
});

describe('the preparation of the PIN', () => {
  const coordinates = JSON.stringify(encodePreparation(PREPARATION)).match(/\d+/g) ?? [];

  test('does not open with all that is stored and the storage key; the control opens it with pinKey', async () => {
    const dump = JSON.stringify([
      await phone.storage.read('holder'),
      await phone.storage.read(PREPARATION_RECORDS.pin),
      await phone.storage.read(PREPARATION_RECORDS.account),
    ]);
    const [ofPin] = ((await phone.storage.read(PREPARATION_RECORDS.pin)) as Kept).entries;
    expect(Object.keys(ofPin?.prepared ?? {}).sort()).toEqual(['ciphertext', 'iv']);
    // The storage holds the account's coordinates in the clear (under its own key), so each is there; not those of the PIN.
    const [, pinRecord] = JSON.parse(dump) as unknown[];
    for (const digits of coordinates.filter((text) => text.length > 20)) {
      expect(JSON.stringify(pinRecord)).not.toContain(digits);
      expect(dump).toContain(digits);
    }
    expect(dump).not.toContain(String(pinKey));
    const { holderSecret, commitment, holder } = identity.record;
    for (const guess of [0n, 1n, pinKey + 1n, BigInt(holderSecret), BigInt(commitment), BigInt(holder)]) {
      const guessed = { ...statements.pin, inputs: { ...statements.pin.inputs, pinKey: guess } };
      expect(await find(guessed)).toBeNull();
    }
    expect(await find(statements.pin)).toEqual(MADE);
  });

  test('opens only as what it was sealed as: device, proving key and commitment', async () => {
    const device = newId();
    const moved = { ...identity, record: { ...identity.record, device } };
    await rewrite('pin', (kept) => ({ ...kept, device }));
    expect(await find(statements.pin, moved)).toBeNull();

    const commitment = statements.pin.signals.commitment + 1n;
    const renamed = { ...statements.pin, signals: { commitment } };
    await rewrite('pin', (kept) => ({
      ...kept,
      device: identity.record.device,
      entries: kept.entries.map((entry) => ({ ...entry, signals: { commitment: String(commitment) } })),
    }));
    expect(await find(renamed)).toBeNull();
  });

  test('is no preparation when one byte of it has changed', async () => {
    await rewrite('pin', (kept) => ({
      ...kept,
      entries: kept.entries.map((entry) => {
        const bytes = decodeBase64url(String(entry.prepared.ciphertext));
        bytes[7] = (bytes[7] ?? 0) ^ 1;
        return { ...entry, prepared: { ...entry.prepared, ciphertext: encodeBase64url(bytes) } };
      }),
    }));
    expect(await find(statements.pin)).toBeNull();
  });

  test('is never taken from the clear, and never leaves parts there', async () => {
    await rewrite('pin', (kept) => ({
      ...kept,
      entries: kept.entries.map((entry) => ({
        ...entry,
        prepared: { preparation: encodePreparation(PREPARATION) },
      })),
    }));
    expect(await find(statements.pin)).toBeNull();
    const before = await phone.storage.read(PREPARATION_RECORDS.pin);
    const parts = { a: PREPARATION.a };
    await keepPreparation({ storage: phone.storage, random }, identity, statements.pin, { parts });
    expect(await phone.storage.read(PREPARATION_RECORDS.pin)).toEqual(before);
  });

  test('is sealed with fresh bytes each time', async () => {
    const before = await phone.storage.read(PREPARATION_RECORDS.pin);
    await keep(statements.pin);
    const [one, other] = [before, await phone.storage.read(PREPARATION_RECORDS.pin)].map(
      (kept) => (kept as Kept).entries[0]?.prepared,
    );
    expect(one?.iv).not.toBe(other?.iv);
    expect(one?.ciphertext).not.toBe(other?.ciphertext);
  });
});

describe('what is stale', () => {
  test('goes with the commitment and the root it was for, and the rest stays', async () => {
    await updateRecord(phone.storage, identity, (record) => ({ ...record, commitment: '5' }));
    await dropStalePreparations(phone.storage, identity);
    expect(await phone.storage.read(PREPARATION_RECORDS.pin)).toMatchObject({ entries: [] });
    expect(await find(statements.account)).toEqual(MADE);
    await keep(statements.pin);
    expect(await find(statements.pin)).toBeNull();
  });

  test('parts take the place of nothing but their own statement', async () => {
    const { storage } = phone;
    const asked = { accountRef: '7', scope: SCOPE };
    const first = await findAccount(identity.record.issued, { ...asked, accountRef: '0' });
    const other = accountStatement(identity.record, first, asked);
    const parts = { a: PREPARATION.a, b: PREPARATION.b };
    await keepPreparation({ storage, random }, identity, other, { parts });
    expect(await find(other)).toEqual({ parts });
    await keep(other);
    expect([await find(other), await find(statements.account)]).toEqual([MADE, MADE]);
  });

  test('is gone from a device that was enrolled anew or removed', async () => {
    await phone.holder.remove();
    for (const name of Object.values(PREPARATION_RECORDS))
      expect(await phone.storage.read(name)).toBeUndefined();
    const fresh = await openPhone(verifier, { storage: phone.storage });
    await enrolPhone(fresh, verifier);
    expect(await phone.storage.read(PREPARATION_RECORDS.account)).toBeUndefined();
  });
});
