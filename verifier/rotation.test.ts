import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseKeyStatement, verifyJws, verifyKeyStatement } from '@akashi/circuits';
import { pinCommitment } from '@akashi/circuits/poseidon';
import { Hono } from 'hono';
import { afterAll, describe, expect, it } from 'vitest';
import { ORIGIN, openTenant, openWorld, signIn, textOf, type World } from './app-fixtures.ts';
import { temporaryFolder } from './folder-fixtures.ts';
import {
  addEncryptionKey,
  certificationOf,
  certifyKeys,
  createDevelopmentKeys,
  dropEncryptionKey,
  installStatement,
  type KeysDocument,
  keyEncryptionOf,
  openKeys,
  rotateSigningKey,
  SIGNING_LEAD_SECONDS,
  useEncryptionKey,
} from './keys.ts';
import { type EnrolledPhone, enrolPhone, evaluatePin } from './phone-fixtures.ts';
import { createTestDatabase, openTestStore } from './postgres-fixtures.ts';
import { makePresentation, proveChange, startAccepted } from './presentation-fixtures.ts';
import { endProver } from './prover-fixtures.ts';
import { countSealed, resealAll } from './reseal.ts';
import { evaluationPlace, unseal } from './sealed.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';

// Keys change while customers call: verifiers are started anew one by one, so in each step two documents are in use, and
// which verifier gets a call is chance.

const START = 1_900_000_000;
const PIN = '8035174926';

afterAll(endProver);

const stores: Readonly<Record<string, () => Promise<readonly [Store, () => Promise<void>]>>> = {
  sqlite: async () => {
    const { folder, remove } = await temporaryFolder();
    return [openSqliteStore({ file: join(folder, 'akashi.db') }), remove];
  },
  postgres: async () => {
    const database = await createTestDatabase();
    return [await openTestStore(database), database.remove];
  },
};

/** Two verifiers on one store behind one address; a step puts the next document in the place of the older one. */
async function openPair(store: Store, document: KeysDocument) {
  const startWith = async (keys: KeysDocument) =>
    openWorld({ openStore: async () => store, keys: await openKeys(keys) });
  const front = new Hono();
  const first = await startWith(document);
  const world: World = { ...first, app: front };
  const running = [first, first];
  let calls = 0;
  front.all('*', (c) => {
    calls += 1;
    const to = running[calls % running.length] ?? first;
    to.clock.now = world.clock.now;
    return to.app.fetch(c.req.raw);
  });
  const step = async (next: KeysDocument) => {
    running.shift();
    running.push(await startWith(next));
  };
  return { world, step };
}

/** A verification and a change of PIN, begun and ended by calls that verifiers of different steps answer. */
async function beginLife(world: World, bank: Awaited<ReturnType<typeof openTenant>>, phone: EnrolledPhone) {
  const accepted = await startAccepted(world, bank, phone);
  const fresh = await evaluatePin(phone, PIN, { use: 'new' });
  return async (): Promise<EnrolledPhone> => {
    const { verification, code, opened, path } = accepted;
    const { pinKey } = await evaluatePin(phone, PIN, { use: 'verification', verification });
    expect(pinKey).toBe(phone.pinKey);
    const shown = await phone.call('POST', path, await makePresentation(phone, { opened, code }));
    expect(shown.json).toMatchObject({ verdict: 'passed' });
    const commitment = pinCommitment(fresh.pinKey, phone.holderSecret);
    const proof = await proveChange(phone, textOf(fresh.answer, 'nonce'), commitment);
    const body = { commitment: commitment.toString(), proof };
    expect((await phone.call('PUT', '/v1/devices/current/pin', body)).status).toBe(200);
    return { ...phone, pinKey: fresh.pinKey };
  };
}

describe.each(Object.keys(stores))('on %s', (engine) => {
  it('the key-encryption key changes while customers verify and change their PINs, and none fails', async () => {
    const [store, remove] = (await stores[engine]?.()) ?? [];
    if (store === undefined || remove === undefined) throw new TypeError('no such store');
    const { keys: before } = await createDevelopmentKeys(ORIGIN, START, randomBytes);
    const old = before.keyEncryption.current;
    const { document: known, id } = addEncryptionKey(before, randomBytes);
    const inForce = useEncryptionKey(known, id);
    const { world, step } = await openPair(store, before);
    const [bank, shop] = [await openTenant(world, 'bank'), await openTenant(world, 'shop')];
    let phone = await enrolPhone(world, bank, 'customer-1', PIN);
    // Nobody calls with this one meanwhile.
    const idle = await enrolPhone(world, shop, 'customer-1', PIN);
    const kept = (await store.sealedOfDevices('shop', '', 1))[0]?.sealed;
    const without = dropEncryptionKey(inForce, old);
    const reseal = () => resealAll(store, keyEncryptionOf(inForce), () => world.clock.now, randomBytes);
    const steps = [
      ...[known, known, inForce, inForce].map((document) => () => step(document)),
      reseal,
      // What was under way found its way under the new key by itself or in this round.
      reseal,
      ...[without, without].map((document) => () => step(document)),
    ];
    for (const change of steps) {
      const end = await beginLife(world, bank, phone);
      [phone] = await Promise.all([end(), change()]);
      world.clock.now += 60;
    }
    expect([...(await countSealed(store)).keys()]).toEqual([id]);
    // Its nonce is of long ago.
    expect((await idle.call('GET', '/v1/devices/current')).status).toBe(401);
    const { pinKey } = await evaluatePin(idle, PIN, { use: 'current' });
    expect(pinKey).toBe(idle.pinKey);
    if (kept === undefined) throw new TypeError('the idle phone had a sealed key');
    const place = evaluationPlace('shop', idle.device);
    expect(kept.kek).toBe(old);
    expect(() => unseal(keyEncryptionOf(inForce), place, kept)).not.toThrow();
    expect(() => unseal(keyEncryptionOf(without), place, kept)).toThrow('is not among the keys');
    await store.close();
    await remove();
  });
});

it('what a change of PIN had taken out of the database comes back under the key that seals', async () => {
  const { keys: before } = await createDevelopmentKeys(ORIGIN, START, randomBytes);
  const { document: known, id } = addEncryptionKey(before, randomBytes);
  const [store, remove] = (await stores.sqlite?.()) ?? [];
  if (store === undefined || remove === undefined) throw new TypeError('no such store');
  const { world, step } = await openPair(store, known);
  const bank = await openTenant(world, 'bank');
  const phone = await enrolPhone(world, bank, 'customer-1', PIN);
  const end = await beginLife(world, bank, phone);
  await step(useEncryptionKey(known, id));
  await step(useEncryptionKey(known, id));
  await end();
  expect([...(await countSealed(store)).keys()]).toEqual([id]);
  await store.close();
  await remove();
});

describe('a new signing key', () => {
  it('is known by every verifier’s statement before any verifier signs with it', async () => {
    const made = await createDevelopmentKeys(ORIGIN, START, randomBytes);
    const rotated = await rotateSigningKey(made.keys, START, SIGNING_LEAD_SECONDS);
    const certified = async (document: KeysDocument) => {
      const statement = await certifyKeys(made.root, await certificationOf(document), ORIGIN, START);
      return installStatement(document, document.root ?? '', statement);
    };
    const [store, remove] = (await stores.sqlite?.()) ?? [];
    if (store === undefined || remove === undefined) throw new TypeError('no such store');
    const { world, step } = await openPair(store, made.keys);
    let bank = await openTenant(world, 'bank');
    const phone = await enrolPhone(world, bank, 'customer-1', PIN);
    /** Who signed the request, as a phone learns by the statement of the very answer. */
    const signerOf = async () => {
      const { opened, code, path } = await startAccepted(world, bank, phone);
      const root = made.keys.root ?? '';
      const statement = opened.headers.get('akashi-keys') ?? '';
      const { keys } = parseKeyStatement(await verifyKeyStatement(statement, root));
      const now = world.clock.now;
      const valid = keys.filter(({ nbf, exp }) => nbf <= now && now < exp);
      let signer = '';
      await verifyJws('request', textOf(opened, 'request'), (kid) => {
        signer = kid;
        return valid.find((key) => key.kid === kid)?.jwk;
      });
      const shown = await phone.call('POST', path, await makePresentation(phone, { opened, code }));
      expect(shown.json).toMatchObject({ verdict: 'passed' });
      return signer;
    };
    const signers = [await signerOf()];
    for (const passed of [60, 120]) {
      await step(await certified(rotated));
      world.clock.now = START + passed;
      for (let n = 0; n < 3; n++) signers.push(await signerOf());
    }
    expect(new Set(signers).size).toBe(1);
    world.clock.now = START + SIGNING_LEAD_SECONDS;
    bank = { ...bank, session: await signIn(world, 'bank', bank.operator) };
    // Its nonce is of yesterday.
    expect((await phone.call('GET', '/v1/devices/current')).status).toBe(401);
    const signer = await signerOf();
    expect(signers).not.toContain(signer);
    await store.close();
    await remove();
  });
});
