import type { Database, Listener } from '../../verifier/database.ts';
import type { Scope, Verb, Writing } from '../../verifier/statement.ts';

// Why a run can be had again although signatures are made on other threads and take as long as they take: of all calls
// that are in flight one moves at a time, from one port (the database, the checker of proofs) to the next or to its
// end. Where it stands it waits until the scheduler picks it again, so nothing depends on what is ready first.

export type PortName = 'read' | 'write' | 'proofs';

/** A call, or a piece of upkeep, inside of one verifier. */
export class Flight {
  readonly name: string;
  /** Whether a fault was put into it: then it may answer 5xx. */
  faulted = false;
  standing:
    | { readonly port: PortName; readonly go: () => void; readonly fail: (cause: Error) => void }
    | undefined;
  #ended = false;

  constructor(name: string) {
    this.name = name;
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    this.#ended = true;
  }
}

export class Turns {
  #moving: Flight | undefined;
  #rest: (() => void) | undefined;

  /** Lets the flight begin; resolves when it stands at a port, or ended. */
  begin(flight: Flight, work: () => Promise<void>): Promise<void> {
    return this.#move(flight, () => {
      void work().finally(() => {
        flight.end();
        this.#stop();
      });
    });
  }

  /** Lets a flight that stands go on: through the port, and to the next. */
  goOn(flight: Flight): Promise<void> {
    const { standing } = flight;
    if (standing === undefined) throw new TypeError('it stands nowhere');
    return this.#move(flight, standing.go);
  }

  /** The port fails a flight that stands at it, before anything was done there. */
  fail(flight: Flight): Promise<void> {
    const { standing } = flight;
    if (standing === undefined) throw new TypeError('it stands nowhere');
    flight.faulted = true;
    return this.#move(flight, () => standing.fail(new Error('a fault of the simulation')));
  }

  /** Called by a port: stands there until it is let through, then does the work. */
  async cross<R>(port: PortName, work: (flight: Flight) => Promise<R>): Promise<R> {
    const flight = this.#moving;
    if (flight === undefined) throw new TypeError('something moves that is not in flight');
    await new Promise<void>((go, fail) => {
      flight.standing = { port, go, fail };
      this.#stop();
    });
    return work(flight);
  }

  async #move(flight: Flight, go: () => void): Promise<void> {
    if (this.#moving !== undefined) throw new TypeError('one moves at a time');
    this.#moving = flight;
    flight.standing = undefined;
    const rest = new Promise<void>((resolve) => {
      this.#rest = resolve;
    });
    go();
    await rest;
  }

  #stop(): void {
    this.#moving = undefined;
    this.#rest?.();
  }
}

/** A database as a port: each transaction waits for its turn. */
export class TurnDatabase implements Database {
  readonly gapless: boolean;
  readonly #database: Database;
  readonly #turns: Turns;

  constructor(database: Database, turns: Turns) {
    this.gapless = database.gapless;
    this.#database = database;
    this.#turns = turns;
  }

  read<R>(scope: Scope, verb: () => Verb<R>): Promise<R> {
    return this.#turns.cross('read', () => this.#database.read(scope, verb));
  }

  write<R>(scope: Scope, verb: (tx: Writing) => Verb<R>): Promise<R> {
    return this.#turns.cross('write', () => this.#database.write(scope, verb));
  }

  subscribe(topic: string, listener: Listener): () => void {
    return this.#database.subscribe(topic, listener);
  }

  ping(): Promise<void> {
    return this.#database.ping();
  }

  async close(): Promise<void> {}
}
