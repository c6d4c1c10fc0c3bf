import { createHash } from 'node:crypto';
import { fieldFromBytes } from '@akashi/circuits';
import { createOperator, createTenant, type Store } from '@akashi/verifier';
import { evaluationPlace, seal } from '../../verifier/sealed.ts';
import { storeOn } from '../../verifier/store-verbs.ts';
import { Chance } from './chance.ts';
import { SimulatedDesk } from './desk.ts';
import type { Client } from './network.ts';
import { SimulatedPhone } from './phone.ts';
import { EPOCH, type ProofLedger, type Room } from './room.ts';

// Two tenants with the same subjects, their desks, back ends and phones; and what everybody together knows: it is by these
// books, never by the database, that a pass is called good.

export const POLICY = 'knows-pin';
export const PURPOSE = { id: 'transfer', text: { en: 'A transfer', ja: 'お振込み' } } as const;
const TENANTS = ['bank', 'shop'] as const;
const SUBJECTS = ['customer-1', 'customer-2'] as const;
const HOUR = 3600;

/** A verification, by what verifiers said of it. */
export interface Known {
  readonly tenant: string;
  readonly verification: string;
  readonly subject: string;
  readonly mode: string;
  readonly direction: string;
  /** The transfer code, as the desk was told it. */
  code: string | undefined;
  /** The claim code, as the phone was told it. */
  claimCode: string | undefined;
}

export class World {
  readonly seed: string;
  readonly room: Room;
  readonly ledger: ProofLedger;
  /** What clients do. */
  readonly chance: Chance;
  readonly clients: Client[] = [];
  readonly phones: SimulatedPhone[] = [];
  readonly tenants: string[] = [];
  readonly known = new Map<string, Known>();
  /** The tenant of each start that was sent. */
  readonly started: string[] = [];
  /** Which tenant an id belongs to. */
  readonly owners = new Map<string, string>();
  now = EPOCH;

  constructor(seed: string, room: Room, ledger: ProofLedger) {
    this.seed = seed;
    this.room = room;
    this.ledger = ledger;
    this.chance = new Chance(`clients ${seed}`);
  }

  /** Those of a tenant, or those of others. */
  knownOf(tenant: string, own = true): readonly Known[] {
    return [...this.known.values()].filter((known) => (known.tenant === tenant) === own);
  }

  startsOf(tenant: string): number {
    return this.started.filter((one) => one === tenant).length;
  }

  /** A verification was told of to somebody of this tenant. */
  learn(tenant: string, view: Readonly<Record<string, unknown>>): void {
    const { verification, subject, mode, direction, code } = view;
    if (typeof verification !== 'string' || typeof subject !== 'string') return;
    const known = this.known.get(verification) ?? {
      ...{ tenant, verification, subject, mode: String(mode), direction: String(direction) },
      ...{ code: undefined, claimCode: undefined },
    };
    if (typeof code === 'string') known.code = code;
    this.known.set(verification, known);
    this.owners.set(verification, tenant);
  }

  /** The notice that a request waits, to an app that may be open. */
  notify(tenant: string, subject: string, verification: string): void {
    for (const phone of this.phones) {
      if (phone.tenant === tenant && phone.subject === subject && !this.chance.oneIn(4)) {
        phone.learn(verification);
      }
    }
  }
}

/** Makes tenants, operators and devices straight in the store, which is not what is simulated. */
export async function furnish(world: World): Promise<void> {
  const { room, seed } = world;
  const deviceKeys = [...(await room.next())];
  const store = storeOn(room.database(0));
  for (const name of TENANTS) {
    const tenant = `${name}-${seed}`;
    const random = (length: number) => room.chance.bytes(length);
    const { apiKey } = await createTenant(store, { tenant, name, origins: [] }, world.now, random);
    const policy = { policy: POLICY, facts: ['pin' as const], purposes: [PURPOSE] };
    await store.putPolicy(tenant, policy, { kind: 'backend' }, world.now);
    world.tenants.push(tenant);
    world.owners.set(tenant, tenant);
    world.clients.push(new SimulatedDesk(world, tenant, `${name} back end`, apiKey, null));
    for (const operator of name === 'bank' ? ['Sato', 'Kato'] : ['Mori']) {
      const { id, session } = await signIn(world, store, tenant, operator);
      world.clients.push(new SimulatedDesk(world, tenant, `${name} ${operator}`, session, id));
    }
    const owners = name === 'bank' ? [...SUBJECTS, SUBJECTS[0]] : SUBJECTS;
    for (const [i, subject] of owners.entries()) {
      const key = deviceKeys.pop();
      if (key === undefined) throw new TypeError('too few keys of devices');
      const { device, commitment } = await enrol(world, store, tenant, subject, key.thumbprint);
      world.owners.set(device, tenant).set(key.thumbprint, tenant);
      const phone = new SimulatedPhone(world, {
        ...{ name: `${name} ${subject} phone ${i + 1}`, tenant, subject, device, key, commitment },
      });
      world.phones.push(phone);
      world.clients.push(phone);
    }
  }
}

async function signIn(world: World, store: Store, tenant: string, name: string) {
  const { chance } = world.room;
  const random = (length: number) => chance.bytes(length);
  const id = await createOperator(store, { tenant, name, role: 'operator' }, world.now, random);
  const [token, session] = [chance.id(), chance.id()];
  const hash = (text: string) => createHash('sha256').update(text).digest();
  await store.addSignInLink(tenant, id, hash(token), world.now + HOUR, world.now);
  const link = { tokenHash: hash(token), sessionHash: hash(session), endsAt: world.now + 12 * HOUR };
  await store.openSession({ ...link, idleSeconds: HOUR }, world.now);
  world.owners.set(id, tenant);
  return { id, session };
}

async function enrol(world: World, store: Store, tenant: string, subject: string, thumbprint: string) {
  const { chance, means } = world.room;
  const [tokenHash, device] = [chance.bytes(32), chance.id()];
  const random = (length: number) => chance.bytes(length);
  const key = chance.bytes(32);
  // Any scalar below the group's order is an evaluation key.
  key[31] = 0;
  const evaluationKey = seal(means.keys.keyEncryption, evaluationPlace(tenant, device), key, random);
  await store.createEnrolment({ tenant, subject, tokenHash, expiresAt: world.now + HOUR }, world.now);
  await store.redeemEnrolment({ tokenHash, device, thumbprint, evaluationKey }, world.now);
  const field = () => fieldFromBytes(chance.bytes(31)).toString();
  const [holder, commitment] = [field(), field()];
  await store.registerPin(tenant, device, { holder, commitment }, world.now);
  return { device, commitment };
}
