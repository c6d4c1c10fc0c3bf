import { challengeBytes, type Request, tenantScope } from '@akashi/circuits';
import { base64url } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { memoryStorage, openHolder } from './holder.ts';
import { HOLDER_RECORD } from './holder-record.ts';
import { ORIGIN } from './scripted-keys.ts';
import { refusedByCustomer, type ScriptedPasskeys, scriptedPasskeys } from './scripted-passkeys.ts';
import { enrolledPhone, enrolPhone, openPhone, type Phone, PIN } from './scripted-phone.ts';
import { ScriptedVerifier, TENANT } from './scripted-verifier.ts';

const CODE = '204816';
const RP_ID = 'bank.example';
const passkeyEntry = { fact: 'passkey', version: 1, rpId: RP_ID } as const;
const pinEntry = { fact: 'pin', version: 1 } as const;

let verifier: ScriptedVerifier;
let platform: ScriptedPasskeys;
let phone: Phone;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  platform = scriptedPasskeys();
  phone = await enrolledPhone(verifier, { passkeys: platform });
});

const registrations = () => verifier.callsTo('POST', /passkeys$/);
const tries = () => verifier.devices[0]?.tries;
const ask = (facts: Request['facts'], rest: Partial<Request> = {}) => verifier.ask({ facts, ...rest });

describe('adding a passkey', () => {
  test('asks the phone for one of its own sensor, and proves the PIN for it', async () => {
    const { passkey } = await phone.holder.addPasskey({ pin: PIN, name: 'C-48201' });
    const [options] = platform.asked as CredentialCreationOptions[];
    expect(options?.publicKey).toMatchObject({
      rp: { id: RP_ID, name: TENANT.name },
      user: { name: 'C-48201', displayName: 'C-48201' },
      authenticatorSelection: {
        authenticatorAttachment: 'platform',
        residentKey: 'discouraged',
        userVerification: 'required',
      },
      attestation: 'none',
      excludeCredentials: [],
    });
    const user = new Uint8Array(options?.publicKey?.user.id as Uint8Array);
    expect(base64url.encode(user)).toBe(verifier.devices[0]?.device);
    expect(registrations()).toHaveLength(1);
    expect(phone.jobs.map(({ fact }) => fact)).toEqual(['pin']);
    expect(await phone.holder.status()).toMatchObject({
      passkeysOffered: true,
      passkeys: [{ passkey, usable: true }],
    });
    await phone.holder.addPasskey({ pin: PIN });
    const [, second] = platform.asked as CredentialCreationOptions[];
    expect(second?.publicKey?.excludeCredentials).toHaveLength(1);
    expect(second?.publicKey?.user.name).toBe(TENANT.name);
  });

  test('with a wrong PIN makes none', async () => {
    await expect(phone.holder.addPasskey({ pin: '739106' })).rejects.toMatchObject({
      ...{ code: 'pin_wrong', triesLeft: 4 },
    });
    expect([platform.asked.length, registrations().length]).toEqual([0, 0]);
  });

  test.each([
    ['the customer says no', refusedByCustomer(), 'passkey_cancelled'],
    ['the phone has one already', new DOMException('', 'InvalidStateError'), 'passkey_unavailable'],
    ['the page may not', new DOMException('', 'SecurityError'), 'passkey_unavailable'],
    ['there is no WebAuthn', new TypeError('no'), 'passkey_unavailable'],
  ])('when %s, adds none and costs one try at most, however often', async (_, fault, code) => {
    for (let i = 0; i < 3; i++) {
      platform.fault = fault;
      await expect(phone.holder.addPasskey({ pin: PIN })).rejects.toMatchObject({ code });
    }
    expect(tries()).toBe(1);
    expect(registrations()).toHaveLength(0);
    await phone.holder.addPasskey({ pin: PIN });
    expect((await phone.holder.status()).passkeys).toHaveLength(1);
  });

  test('stops when the caller does', async () => {
    const controller = new AbortController();
    platform.create = async ({ signal }) => {
      controller.abort();
      throw signal?.reason;
    };
    const added = phone.holder.addPasskey({ pin: PIN, signal: controller.signal });
    await expect(added).rejects.toMatchObject({ code: 'aborted' });
  });

  test('whose answer is lost leaves one that is listed, of no use here, and can be removed', async () => {
    verifier.fault = (method, path) =>
      method === 'POST' && path.endsWith('/passkeys') ? 'lostAnswer' : undefined;
    await expect(phone.holder.addPasskey({ pin: PIN })).rejects.toMatchObject({ code: 'network' });
    const [lost] = (await phone.holder.status()).passkeys;
    expect(lost).toMatchObject({ usable: false });
    await phone.holder.removePasskey(lost?.passkey ?? '');
    expect((await phone.holder.status()).passkeys).toEqual([]);
  });

  test('says whether the phone can', async () => {
    expect(await phone.holder.canMakePasskeys()).toBe(true);
    platform.available = false;
    expect(await phone.holder.canMakePasskeys()).toBe(false);
    const elsewhere = await openHolder({
      ...{ verifier: ORIGIN, storage: memoryStorage() },
      prover: { prove: () => Promise.reject(), prepare: () => Promise.reject(), close: () => undefined },
    });
    expect(await elsewhere.canMakePasskeys()).toBe(false);
  });
});

describe('a request for a passkey', () => {
  test.each([0, 1])('at place %i is confirmed over exactly its 31 bytes, after the PIN', async (index) => {
    await phone.holder.addPasskey({ pin: PIN });
    const id = await ask(index === 0 ? [passkeyEntry, pinEntry] : [pinEntry, passkeyEntry]);
    await phone.holder.accept(id);
    let open: { request: string; nonce: string } | undefined;
    verifier.say(id, (answer) => {
      open = { request: answer.request ?? '', nonce: answer.attempt?.nonce ?? '' };
      return answer;
    });
    const phases: string[] = [];
    const outcome = await phone.holder.present(id, {
      ...{ code: CODE, pin: PIN },
      onProgress: ({ phase }) => {
        if (phases.at(-1) !== phase) phases.push(phase);
      },
    });
    expect(outcome).toMatchObject({
      verdict: 'passed',
      asked: { facts: expect.arrayContaining(['passkey']) },
    });
    expect(phases).toEqual(['pin', 'passkey', 'sending']);
    const nonce = base64url.decode(open?.nonce ?? '');
    const expected = challengeBytes({ request: open?.request ?? '', index, nonce, code: CODE });
    const [, options] = platform.asked as CredentialRequestOptions[];
    expect(options?.publicKey).toMatchObject({ rpId: RP_ID, userVerification: 'required' });
    expect(options?.publicKey?.challenge).toEqual(new Uint8Array(expected));
    expect(options?.publicKey?.allowCredentials).toMatchObject([{ transports: ['internal'] }]);
    const [sent] = verifier.presentations;
    expect(sent?.facts.map(({ fact }) => fact)).toEqual(['pin']);
    const client = JSON.parse(Buffer.from(sent?.passkey?.clientData ?? '', 'base64url').toString());
    expect(client).toMatchObject({ type: 'webauthn.get', challenge: base64url.encode(expected) });
  });

  test('alone needs no PIN', async () => {
    await phone.holder.addPasskey({ pin: PIN });
    const id = await ask([passkeyEntry]);
    expect(await phone.holder.present(id, { code: CODE })).toMatchObject({ verdict: 'passed' });
    expect(verifier.presentations[0]).toMatchObject({ facts: [] });
  });

  test('that is not confirmed uses no attempt up and no further try, and can be confirmed again', async () => {
    await phone.holder.addPasskey({ pin: PIN });
    const id = await ask([pinEntry, passkeyEntry]);
    const before = tries() ?? 0;
    for (let i = 0; i < 3; i++) {
      platform.fault = refusedByCustomer();
      const given = phone.holder.present(id, { code: CODE, pin: PIN });
      await expect(given).rejects.toMatchObject({ code: 'passkey_cancelled' });
    }
    expect([verifier.presentations.length, tries()]).toEqual([0, before + 1]);
    expect(await phone.holder.present(id, { code: CODE, pin: PIN })).toMatchObject({ verdict: 'passed' });
  });

  test('asks for no face under a wrong PIN', async () => {
    await phone.holder.addPasskey({ pin: PIN });
    const id = await ask([passkeyEntry, pinEntry]);
    const given = phone.holder.present(id, { code: CODE, pin: '739106' });
    await expect(given).rejects.toMatchObject({ code: 'pin_wrong' });
    expect(platform.asked).toHaveLength(1);
  });

  test.each([
    ['has none', RP_ID, false],
    ['has one of another rpId', 'other.example', true],
  ])('is told apart when this device %s', async (_, rpId, add) => {
    if (add) await phone.holder.addPasskey({ pin: PIN });
    const id = await ask([{ ...passkeyEntry, rpId }]);
    const given = phone.holder.present(id, { code: CODE });
    await expect(given).rejects.toMatchObject({ code: 'passkey_missing' });
    expect(verifier.presentations).toEqual([]);
  });

  test('after one was removed finds none', async () => {
    const { passkey } = await phone.holder.addPasskey({ pin: PIN });
    await phone.holder.removePasskey(passkey);
    const given = phone.holder.present(await ask([passkeyEntry]), { code: CODE });
    await expect(given).rejects.toMatchObject({ code: 'passkey_missing' });
    await expect(phone.holder.removePasskey(passkey)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('removing forgets one here that the verifier forgot before', async () => {
    const { passkey } = await phone.holder.addPasskey({ pin: PIN });
    const [device] = verifier.devices;
    if (device !== undefined) device.passkeys.length = 0;
    await phone.holder.removePasskey(passkey);
    const given = phone.holder.present(await ask([passkeyEntry]), { code: CODE });
    await expect(given).rejects.toMatchObject({ code: 'passkey_missing' });
  });

  test('stays with its enrolment', async () => {
    await phone.holder.addPasskey({ pin: PIN });
    await enrolPhone(phone, verifier);
    const given = phone.holder.present(await ask([passkeyEntry]), { code: CODE });
    await expect(given).rejects.toMatchObject({ code: 'passkey_missing' });
  });
});

test('a device that was enrolled before there were passkeys opens, and can have one', async () => {
  const { storage } = phone;
  const { passkeys: _, ...old } = (await storage.read(HOLDER_RECORD)) as Record<string, unknown>;
  await storage.write(HOLDER_RECORD, old);
  const { holder } = await openPhone(verifier, { storage, passkeys: platform });
  expect([holder.enrolled === null, holder.storageLost]).toEqual([false, false]);
  await holder.addPasskey({ pin: PIN });
  const scope = String(await tenantScope(TENANT.id));
  const id = await ask([{ fact: 'account', version: 1, scope, accountRef: '0' }, passkeyEntry]);
  expect(await holder.present(id, { code: CODE })).toMatchObject({ verdict: 'passed' });
});
