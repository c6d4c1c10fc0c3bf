import { storeOn } from '../../verifier/store-verbs.ts';
import { Chance } from './chance.ts';
import { Invariants } from './invariants.ts';
import { type Answer, type Handling, type Message, summary } from './network.ts';
import { ORIGIN, ProofLedger, type Room, VERIFIERS } from './room.ts';
import { Flight, Turns } from './turns.ts';
import { type Sabotage, Verifiers } from './verifiers.ts';
import { furnish, World } from './world.ts';

// A life of verifications from one number. The real app runs in several verifiers over one real database file; the scheduler
// alone says what happens next: which message is delivered, repeated or lost, which transaction is run or fails, which
// verifier dies or comes back, how much time passes, whose clock is wrong. The same seed does the same again, step by step.

export interface Outcome {
  readonly seed: number;
  readonly steps: number;
  /** What was violated; `null`: nothing. */
  readonly violation: string | null;
  readonly trace: readonly string[];
}

/** Calls that clients make, and how often a seed is longer; its steps are about ten times as many. */
const CALLS = { usual: 20, long: 60, oneIn: 6 } as const;
/** Of one client at a time. */
const OUTSTANDING = 2;
/** A verification that was started by the clock that was furthest ahead; then a pass that nobody claimed. */
const END_SECONDS = [5000, 700] as const;

/** How soon a flight goes on, by where it stands: what is slow lets much come in between. */
const PATIENCE = { read: 4, write: 1.5, proofs: 0.5 } as const;

/** Seconds that pass at once. */
const PASSING = [
  [40, 9],
  [3, 70],
  [1, 400],
] as const;

/** Seconds by which a verifier's clock is ahead from then on. */
const CLOCKS = [
  [8, 0],
  [2, 40],
  [2, -40],
  [1, 400],
  [1, -400],
  [1, 4000],
] as const;

type Step = () => Promise<void> | void;

export async function simulate(room: Room, seed: number, sabotage: Sabotage = {}): Promise<Outcome> {
  room.chance = new Chance(`verifiers ${seed}`);
  const scheduler = new Scheduler(room, seed, sabotage);
  let violation: string | null = null;
  try {
    await scheduler.run();
  } catch (cause) {
    // Also what invariants are not made for: whatever is thrown here is no answer of the verifier's.
    violation = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    scheduler.note(`violation: ${violation}`);
  }
  const { trace, steps } = scheduler;
  return { seed, steps, violation, trace };
}

class Scheduler {
  readonly trace: string[] = [];
  steps = 0;
  readonly #room: Room;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #turns = new Turns();
  readonly #ledger: ProofLedger;
  readonly #verifiers: Verifiers;
  /** What is on its way to verifiers, inside of them, and on its way back. */
  readonly #requests: Message[] = [];
  readonly #handlings: Handling[] = [];
  readonly #responses: { readonly message: Message; readonly answer: Answer | undefined }[] = [];
  /** Upkeep under way, and where. */
  readonly #upkeep = new Map<Flight, { readonly verifier: number; fault?: unknown }>();
  #invariants: Invariants | undefined;
  readonly #calls: number;
  #messages = 0;
  readonly #linked: Awaited<ReturnType<Invariants['onLinked']>>[number][] = [];

  constructor(room: Room, seed: number, sabotage: Sabotage) {
    this.#room = room;
    this.#chance = new Chance(`scheduler ${seed}`);
    this.#calls = this.#chance.oneIn(CALLS.oneIn) ? CALLS.long : CALLS.usual;
    this.#ledger = new ProofLedger(this.#turns, room.means, (flight) => {
      const handling = this.#handlings.find((one) => one.flight === flight);
      if (handling !== undefined) this.#invariants?.onCheck(handling);
    });
    this.#world = new World(String(seed), room, this.#ledger);
    this.#verifiers = new Verifiers(this.#world, this.#turns, sabotage);
  }

  note(line: string): void {
    this.trace.push(`${this.steps} ${line}`);
  }

  async run(): Promise<void> {
    await furnish(this.#world);
    this.#invariants = new Invariants(this.#world, this.#room.reader);
    const verifiers = VERIFIERS - this.#chance.below(2);
    for (let verifier = 0; verifier < verifiers; verifier++) this.#start(verifier);
    while (this.#messages < this.#calls || this.#busy()) {
      this.steps += 1;
      await this.#chance.weighed(this.#steps())();
    }
    await this.#end();
  }

  #busy(): boolean {
    return this.#requests.length + this.#handlings.length + this.#responses.length + this.#upkeep.size > 0;
  }

  /** All that could happen now. */
  #steps(): readonly (readonly [number, Step])[] {
    const { up, down } = this.#verifiers;
    const pick = this.#chance.pick.bind(this.#chance);
    const arriving = up.length === 0 ? 0 : this.#requests.length;
    const standing = [...this.#handlings.map(({ flight }) => flight), ...this.#upkeep.keys()].map(
      (flight) => [PATIENCE[flight.standing?.port ?? 'read'], flight] as const,
    );
    const moving = standing.reduce((sum, [weight]) => sum + weight, 0);
    const idle = this.#world.clients.filter(({ outstanding }) => outstanding < OUTSTANDING);
    const acting = this.#messages < this.#calls ? idle : [];
    const over = this.#messages >= this.#calls;
    return [
      [moving, () => this.#goOn(this.#chance.weighed(standing))],
      [2 * arriving, () => this.#deliver(take(this.#requests, this.#chance), pick(up))],
      [2 * this.#responses.length, () => this.#answer(take(this.#responses, this.#chance))],
      [acting.length === 0 ? 0 : 2, () => this.#act(acting)],
      [0.08 * arriving, () => this.#lose(take(this.#requests, this.#chance))],
      [0.2 * arriving, () => this.#repeat(pick(this.#requests))],
      [0.1 * this.#responses.length, () => this.#loseAnswer(take(this.#responses, this.#chance))],
      [over ? 0 : 0.06 * up.length, () => this.#crash(pick(up))],
      [down.length === 0 ? 0 : 1 / (1 + up.length), () => this.#start(pick(down))],
      [over || up.length === 0 ? 0 : 0.2, () => this.#keepHouse(pick(up))],
      [over || up.length === 0 ? 0 : 0.03, () => this.#setClock(pick(up), this.#chance.weighed(CLOCKS))],
      [over ? 0 : 0.5, () => this.#pass(this.#chance.weighed(PASSING))],
    ];
  }

  async #act(idle: World['clients']): Promise<void> {
    const client = this.#chance.weighed(idle.map((one) => [one.weight, one] as const));
    client.outstanding += 1;
    this.#messages += 1;
    const message = { id: this.#messages, from: client, ...(await client.act()) };
    this.note(`${client.name}: ${message.id} ${message.method} ${message.path} ${about(message)}`);
    this.#requests.push(message);
  }

  async #deliver(message: Message, verifier: number): Promise<void> {
    this.note(`${message.id} reaches verifier ${verifier}`);
    const flight = new Flight(`${message.id}`);
    const handling: Handling = { flight, message, verifier, answer: undefined };
    this.#handlings.push(handling);
    this.#invariants?.onDelivery(handling);
    await this.#turns.begin(flight, async () => {
      const { method, path, headers, body } = message;
      const init = body === undefined ? { method, headers } : { method, headers, body };
      const response = await this.#verifiers.app(verifier)?.fetch(new Request(`${ORIGIN}${path}`, init));
      if (response !== undefined) handling.answer = await readAnswer(response);
    });
    await this.#after(flight);
  }

  async #goOn(flight: Flight): Promise<void> {
    const { standing, name } = flight;
    const fails = standing?.port !== 'read' && this.#chance.oneIn(60);
    this.note(`${name} ${fails ? 'fails at' : 'goes on through'} ${standing?.port}`);
    await (fails ? this.#turns.fail(flight) : this.#turns.goOn(flight));
    await this.#after(flight, standing?.port === 'write' && !fails);
  }

  async #after(flight: Flight, wrote = false): Promise<void> {
    const handling = this.#handlings.find((one) => one.flight === flight);
    if (wrote) this.#invariants?.afterStep(handling?.message);
    if (!flight.ended) return;
    const { fault } = this.#upkeep.get(flight) ?? {};
    if (fault !== undefined) throw fault;
    if (this.#upkeep.delete(flight)) await this.#readAudit();
    if (handling === undefined) return;
    const { answer, message } = handling;
    this.#handlings.splice(this.#handlings.indexOf(handling), 1);
    if (answer === undefined) throw new TypeError('a call ended without an answer');
    this.note(`${message.id} is answered ${summary(answer)}`);
    this.#learn(message, answer);
    this.#invariants?.onAnswer(handling, answer);
    this.#responses.push({ message, answer });
  }

  /** What those in the world who hear of it then know. */
  #learn({ intent }: Message, { status, json }: Answer): void {
    if (status >= 300) return;
    if (intent.device === undefined) this.#world.learn(intent.tenant, json);
    const known = this.#world.known.get(String(json.verification));
    const { code } = (json.claim ?? {}) as { readonly code?: string };
    if (known !== undefined && code !== undefined) known.claimCode = code;
  }

  async #answer({ message, answer }: { message: Message; answer: Answer | undefined }): Promise<void> {
    this.note(answer === undefined ? `${message.id} gets no answer` : `${message.id} gets its answer`);
    message.from.outstanding = Math.max(0, message.from.outstanding - 1);
    await message.from.hear(message.intent, answer);
  }

  #lose(message: Message): void {
    this.note(`${message.id} is lost`);
    this.#responses.push({ message, answer: undefined });
  }

  #loseAnswer({ message }: { readonly message: Message }): void {
    this.note(`the answer to ${message.id} is lost`);
    this.#responses.push({ message, answer: undefined });
  }

  #repeat(message: Message): void {
    this.note(`${message.id} is repeated`);
    this.#requests.push(message);
  }

  /** The process is gone between two steps: what it had written stays, what it was about to do does not happen. */
  #crash(verifier: number): void {
    this.note(`verifier ${verifier} dies`);
    this.#verifiers.die(verifier);
    for (const handling of this.#handlings.filter((one) => one.verifier === verifier)) {
      this.#handlings.splice(this.#handlings.indexOf(handling), 1);
      this.#responses.push({ message: handling.message, answer: undefined });
    }
    for (const [flight, at] of this.#upkeep) if (at.verifier === verifier) this.#upkeep.delete(flight);
    if (this.#chance.oneIn(10)) this.#room.reopen(verifier);
  }

  #start(verifier: number): void {
    this.note(`verifier ${verifier} starts`);
    this.#verifiers.start(verifier);
  }

  #setClock(verifier: number, ahead: number): void {
    this.#verifiers.setClock(verifier, ahead);
    this.note(`the clock of verifier ${verifier} is ${ahead} s ahead`);
  }

  #pass(seconds: number): void {
    this.#world.now += seconds;
    this.note(`${seconds} s pass`);
  }

  /** What a verifier does every second: ends what is over its time, links the audit. */
  async #keepHouse(verifier: number): Promise<void> {
    this.note(`verifier ${verifier} keeps house`);
    const store = this.#verifiers.store(verifier);
    const flight = new Flight(`upkeep of ${verifier}`);
    const upkeep: { readonly verifier: number; fault?: unknown } = { verifier };
    this.#upkeep.set(flight, upkeep);
    await this.#turns.begin(flight, async () => {
      for (const part of [() => store?.sweep(this.#verifiers.now(verifier)), () => store?.linkAudit()]) {
        await part()?.catch((cause: unknown) => {
          if (!flight.faulted) upkeep.fault = cause;
        });
      }
    });
    await this.#after(flight);
  }

  /** Time enough for everything that is open to end, and a look at all that was recorded. */
  async #end(): Promise<void> {
    const store = storeOn(this.#room.database(0));
    for (const seconds of END_SECONDS) {
      this.#pass(seconds);
      await store.sweep(this.#world.now);
      await store.linkAudit();
      this.#invariants?.afterStep(undefined);
      await this.#readAudit();
    }
    this.#invariants?.atEnd(this.#linked);
  }

  async #readAudit(): Promise<void> {
    const linked = await this.#invariants?.onLinked(storeOn(this.#room.database(0)));
    this.#linked.push(...(linked ?? []));
  }
}

function take<T>(list: T[], chance: Chance): T {
  const taken = chance.pick(list);
  list.splice(list.indexOf(taken), 1);
  return taken;
}

async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  return { status: response.status, text, json, nonce: response.headers.get('dpop-nonce') };
}

/** What a message is, by the books of who sends it. */
function about({ intent }: Message): string {
  const { presented, changed, foreign, code } = intent;
  const books = presented ?? changed ?? (code ? { code } : {});
  return JSON.stringify({ ...(foreign ? { foreign } : {}), ...books });
}
