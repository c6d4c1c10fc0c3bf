import { createApp, type Store } from '@akashi/verifier';
import type { Hono } from 'hono';
import type { ProofChecker } from '../../verifier/checker.ts';
import { storeOn } from '../../verifier/store-verbs.ts';
import { issuersFor } from '../../verifier/verifier.ts';
import { ORIGIN } from './room.ts';
import { TurnDatabase, type Turns } from './turns.ts';
import type { World } from './world.ts';

/** Puts a fault into the product, to show that the invariants see it. */
export interface Sabotage {
  readonly store?: (store: Store, world: World) => Store;
  readonly checker?: (checker: ProofChecker) => ProofChecker;
}

/** Processes with the real app, over one database. One that died has nothing in memory when it comes back. */
export class Verifiers {
  readonly #world: World;
  readonly #turns: Turns;
  readonly #sabotage: Sabotage;
  /** Seconds by which each is ahead of the world's time, or behind. */
  readonly #clocks: number[] = [];
  readonly #processes: ({ readonly app: Hono; readonly store: Store } | undefined)[] = [];

  constructor(world: World, turns: Turns, sabotage: Sabotage) {
    this.#world = world;
    this.#turns = turns;
    this.#sabotage = sabotage;
  }

  get up(): readonly number[] {
    return this.#processes.flatMap((process, verifier) => (process === undefined ? [] : [verifier]));
  }

  get down(): readonly number[] {
    return this.#processes.flatMap((process, verifier) => (process === undefined ? [verifier] : []));
  }

  app(verifier: number): Hono | undefined {
    return this.#processes[verifier]?.app;
  }

  store(verifier: number): Store | undefined {
    return this.#processes[verifier]?.store;
  }

  /** By the clock of its machine, which outlives a process. */
  now(verifier: number): number {
    return this.#world.now + (this.#clocks[verifier] ?? 0);
  }

  setClock(verifier: number, ahead: number): void {
    this.#clocks[verifier] = ahead;
  }

  die(verifier: number): void {
    this.#processes[verifier] = undefined;
  }

  start(verifier: number): void {
    const world = this.#world;
    const { room, ledger } = world;
    const { keys, verificationKeys } = room.means;
    const plain = storeOn(new TurnDatabase(room.database(verifier), this.#turns));
    const store = this.#sabotage.store?.(plain, world) ?? plain;
    const checker = this.#sabotage.checker?.(ledger) ?? ledger;
    const now = () => this.now(verifier);
    const log = () => {};
    const read = async () => {
      throw new Error('nobody publishes here');
    };
    const app = createApp({
      ...{ store, checker, now, keys, verificationKeys, log, origin: ORIGIN },
      issuers: issuersFor({ store, now, origin: ORIGIN, log, read }),
      random: (length) => room.chance.bytes(length),
      notify: async ({ tenant, subject, verification }) => world.notify(tenant, subject, verification),
      alert: async () => {},
    });
    this.#processes[verifier] = { app, store };
  }
}
