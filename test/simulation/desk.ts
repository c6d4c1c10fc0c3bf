import type { Answer, Client, Intent, Message } from './network.ts';
import { type Known, POLICY, PURPOSE, type World } from './world.ts';

type Act = Omit<Message, 'id' | 'from'>;

/** Verifications of a tenant with which a seed begins; others come seldom. */
const STARTS = 1;

/** An operator's desk, or a tenant's back end where there is no operator. It does what it may, and some of what it may not. */
export class SimulatedDesk implements Client {
  readonly name: string;

  outstanding = 0;
  readonly #world: World;
  readonly #tenant: string;
  readonly #token: string;
  readonly #operator: string | null;
  /** A start whose answer did not come is sent again under its key. */
  #unanswered: Act | undefined;
  #count = 0;

  constructor(world: World, tenant: string, name: string, token: string, operator: string | null) {
    this.#world = world;
    this.#tenant = tenant;
    this.name = name;
    this.#token = token;
    this.#operator = operator;
  }

  /** There is little for a desk to do before phones have answered. */
  get weight(): number {
    return this.#world.startsOf(this.#tenant) < STARTS ? 4 : 0.8;
  }

  async act(): Promise<Act> {
    const { chance } = this.#world;
    const own = this.#world.knownOf(this.#tenant);
    const others = this.#world.knownOf(this.#tenant, false);
    if (this.#unanswered !== undefined && chance.oneIn(3)) return this.#unanswered;
    const unclaimed = own.filter(({ claimCode }) => claimCode !== undefined);
    const [some, one, foreign] = [own.length > 0 ? 1 : 0, this.#one(own), this.#one(others)];
    return chance.weighed<() => Act>([
      [this.#world.startsOf(this.#tenant) < STARTS ? 6 : 0.4, () => this.#start()],
      [1.2 * some, () => this.#read(one, {})],
      [this.#operator === null ? 0 : 0.4, () => this.#call({ what: 'list' }, 'GET', '/v1/verifications')],
      [0.3 * some, () => this.#cancel(one, {})],
      [unclaimed.length > 0 ? 4 : 0.1 * some, () => this.#claim(this.#one(unclaimed) ?? one)],
      [this.#operator === null ? 0.7 * some : 0, () => this.#evidence(one, {})],
      [this.#operator === null ? 0.12 : 0, () => this.#revoke()],
      [foreign === undefined ? 0 : 0.4, () => this.#trespass(foreign)],
    ])();
  }

  hear(intent: Intent, answer: Answer | undefined): void {
    if (intent.what === 'start' && answer !== undefined) this.#unanswered = undefined;
  }

  #one(list: readonly Known[]): Known | undefined {
    return list.length === 0 ? undefined : this.#world.chance.pick(list);
  }

  #start(): Act {
    const { chance, phones } = this.#world;
    const { subject } = chance.pick(phones.filter(({ tenant }) => tenant === this.#tenant));
    const mode = chance.oneIn(3) ? 'precall' : 'call';
    // An operator may not start a pre-call verification for an inbound call.
    const direction = this.#operator !== null && mode === 'precall' ? 'outbound' : 'inbound';
    this.#count += 1;
    this.#world.started.push(this.#tenant);
    const idempotencyKey = `${this.name.replaceAll(' ', '-')}-${this.#count}`;
    const body = { subject, policy: POLICY, purpose: PURPOSE.id, mode, call: { direction } };
    const intent = { what: 'start', subject, idempotencyKey } as const;
    this.#unanswered = this.#call(intent, 'POST', '/v1/verifications', body, {
      'idempotency-key': idempotencyKey,
    });
    return this.#unanswered;
  }

  #read(known: Known | undefined, more: Partial<Intent>): Act {
    const { verification = '' } = known ?? {};
    return this.#call({ what: 'read', verification, ...more }, 'GET', `/v1/verifications/${verification}`);
  }

  #evidence(known: Known | undefined, more: Partial<Intent>): Act {
    const { verification = '' } = known ?? {};
    const path = `/v1/verifications/${verification}/evidence`;
    return this.#call({ what: 'evidence', verification, ...more }, 'GET', path);
  }

  #cancel(known: Known | undefined, more: Partial<Intent>): Act {
    const { verification = '' } = known ?? {};
    const path = `/v1/verifications/${verification}`;
    const intent = { what: 'cancel', verification, ...more } as const;
    return this.#operator === null
      ? this.#call(intent, 'DELETE', path)
      : this.#call(intent, 'POST', `${path}/cancel`);
  }

  #claim(known: Known | undefined, more: Partial<Intent> = {}): Act {
    const { subject = '', direction = 'inbound', claimCode } = known ?? {};
    const { chance } = this.#world;
    const code = claimCode === undefined || chance.oneIn(5) ? '000000' : claimCode;
    const body = { subject, purpose: PURPOSE.id, direction, call: `call-${chance.below(5)}`, code };
    return this.#call({ what: 'claim', subject, code, ...more }, 'POST', '/v1/claims', body);
  }

  #revoke(): Act {
    const { chance, phones } = this.#world;
    const own = chance.pick(phones.filter(({ tenant }) => tenant === this.#tenant));
    const { device } = chance.oneIn(4) ? chance.pick(phones) : own;
    const foreign = phones.some((phone) => phone.device === device && phone.tenant !== this.#tenant);
    return this.#call({ what: 'revoke', device, foreign }, 'DELETE', `/v1/devices/${device}`);
  }

  /** With the id of another tenant's verification. */
  #trespass(known: Known | undefined): Act {
    const foreign = { foreign: true };
    return this.#world.chance.weighed<() => Act>([
      [1, () => this.#read(known, foreign)],
      [1, () => this.#cancel(known, foreign)],
      [this.#operator === null ? 1 : 0, () => this.#evidence(known, foreign)],
      [1, () => this.#claim(known, foreign)],
    ])();
  }

  #call(
    intent: Omit<Intent, 'tenant'>,
    method: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Act {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    return {
      intent: { tenant: this.#tenant, ...intent },
      ...{ method, path, body: body && JSON.stringify(body) },
      headers: { authorization: `Bearer ${this.#token}`, ...type, ...headers },
    };
  }
}
