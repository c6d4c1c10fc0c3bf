import { IDBFactory } from 'fake-indexeddb';
import { beforeEach, expect, test } from 'vitest';
import { HISTORY_MAX } from './history.ts';
import { queue } from './queue.ts';
import { enrolPhone, openPhone, type Phone, PIN } from './scripted-phone.ts';
import { ScriptedVerifier, SUBJECT } from './scripted-verifier.ts';
import type { DeviceStorage } from './storage.ts';
import { indexedDbStorage } from './storage-indexeddb.ts';

// Two tabs of one phone page: one database, one lock, two holders with memories of their own.

let verifier: ScriptedVerifier;
let left: Phone;
let right: Phone;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  const indexedDB = new IDBFactory();
  const inTurn = queue();
  const request = ((_: string, work: () => Promise<unknown>) => inTurn(work)) as LockManager['request'];
  const tab = (): DeviceStorage =>
    indexedDbStorage({ name: 'aoba', indexedDB, marks: null, locks: { request }, persist: null });
  left = await openPhone(verifier, { storage: tab() });
  right = await openPhone(verifier, { storage: tab() });
  await enrolPhone(left, verifier);
});

test('the other tab finds an enrolment, a new one, and its end', async () => {
  expect(right.holder.enrolled).toBeNull();
  expect(await right.holder.reload()).toEqual(left.holder.enrolled);
  await enrolPhone(right, verifier);
  await left.holder.requests();
  expect(left.holder.enrolled).toEqual(right.holder.enrolled);
  await right.holder.remove();
  await expect(left.holder.requests()).rejects.toMatchObject({ code: 'not_enrolled' });
  expect(left.holder.enrolled).toBeNull();
});

test('a change begun for one enrolment is not written into the next', async () => {
  await right.holder.reload();
  const refresh = left.holder.refreshAccounts(async (receipt) => {
    const issued = await left.issuer.issueAccounts({
      receipt,
      subject: SUBJECT,
      accounts: [{ number: '1', label: 'old' }],
    });
    await enrolPhone(right, verifier);
    return issued;
  });
  await expect(refresh).rejects.toMatchObject({ code: 'not_enrolled' });
  expect((await left.holder.reload())?.accounts).toEqual(right.holder.enrolled?.accounts);
});

test('a PIN changed in one tab is the PIN in the other', async () => {
  const id = await verifier.ask({ facts: [{ fact: 'pin', version: 1 }] });
  await right.holder.accept(id);
  await left.holder.changePin({ current: PIN, next: '840261' });
  await expect(right.holder.present(id, { code: '123456', pin: PIN })).rejects.toMatchObject({
    code: 'pin_wrong',
  });
  expect(await right.holder.present(id, { code: '123456', pin: '840261' })).toMatchObject({
    verdict: 'passed',
  });
});

test('both write one history, bounded, without losing an entry', async () => {
  for (let i = 0; i < HISTORY_MAX + 2; i++) {
    await verifier.ask();
    await Promise.all([left.holder.requests(), right.holder.requests()]);
  }
  const entries = await left.holder.history();
  expect(entries).toHaveLength(HISTORY_MAX);
  expect(new Set(entries.map(({ id }) => id)).size).toBe(HISTORY_MAX);
  expect(await right.holder.history()).toEqual(entries);
});
