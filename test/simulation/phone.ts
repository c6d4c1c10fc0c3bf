import {
  challenge,
  type DeviceKey,
  type DpopCall,
  FACTS,
  fieldFromBytes,
  parseRequest,
  pinChangeChallenge,
  type Request,
  signalsToArray,
  signDpop,
  verifyJws,
} from '@akashi/circuits';
import { base64url, decodeJwt } from 'jose';
import { newNonce } from '../../verifier/nonce.ts';
import type { Answer, Client, Intent, Message, Presented } from './network.ts';
import { ORIGIN } from './room.ts';
import type { World } from './world.ts';

type Act = Omit<Message, 'id' | 'from'>;

/** What this phone was told of a verification, which may long be over. */
interface Heard {
  readonly verification: string;
  jws: string | undefined;
  request: Request | undefined;
  readonly attempts: { readonly attempt: string; readonly nonce: string }[];
}

export interface PhoneParts {
  readonly name: string;
  readonly tenant: string;
  readonly subject: string;
  readonly device: string;
  readonly key: DeviceKey & { readonly thumbprint: string };
  /** Of the right PIN. */
  readonly commitment: string;
}

/** How much it has to do with the verifier, searches for its PIN, and is wrong. */
const TEMPERS = [
  { calls: 1, evaluates: 1, mistakes: 5 },
  { calls: 6, evaluates: 1, mistakes: 6 },
  { calls: 14, evaluates: 1, mistakes: 1 },
  { calls: 12, evaluates: 40, mistakes: 2 },
] as const;

/** A customer with a phone: mostly in good faith, sometimes mistaken, sometimes an attacker who owns the device. */
export class SimulatedPhone implements Client {
  readonly name: string;
  readonly tenant: string;
  readonly subject: string;
  readonly device: string;
  /** Of the right PIN, as far as this phone knows. */
  commitment: string;
  outstanding = 0;
  readonly #world: World;
  readonly #key: DeviceKey;
  readonly #thumbprint: string;
  readonly #heard = new Map<string, Heard>();
  readonly #temper: { readonly calls: number; readonly evaluates: number; readonly mistakes: number };
  /** A presentation that was sent and may be sent again, signed anew. */
  #sent:
    | { readonly intent: Omit<Intent, 'tenant'>; readonly path: string; readonly body: object }
    | undefined;
  /** A change of PIN that has begun. */
  #change: { readonly nonce: string; readonly to: string } | undefined;
  #nonce: string;

  constructor(world: World, { name, tenant, subject, device, key, commitment }: PhoneParts) {
    this.#world = world;
    this.name = name;
    this.tenant = tenant;
    this.subject = subject;
    this.device = device;
    this.commitment = commitment;
    this.#key = key;
    this.#thumbprint = key.thumbprint;
    this.#temper = world.chance.pick(TEMPERS);
    // As if it had called before.
    this.#nonce = newNonce(world.room.means.keys.nonceKey, world.now);
  }

  get weight(): number {
    return this.#heard.size === 0 ? 0.3 : this.#temper.calls;
  }

  learn(verification: string): Heard {
    const heard = this.#heard.get(verification) ?? {
      ...{ verification, jws: undefined, request: undefined, attempts: [] },
    };
    this.#heard.set(verification, heard);
    return heard;
  }

  async act(): Promise<Act> {
    const { chance } = this.#world;
    const heard = [...this.#heard.values()];
    const one = heard.length === 0 ? undefined : chance.pick(heard);
    const strangers = [...this.#world.known.values()].filter(
      ({ tenant, subject }) => tenant !== this.tenant || subject !== this.subject,
    );
    const act = chance.weighed<() => Promise<Act>>([
      [this.#sent === undefined ? 0 : 10, () => this.#presentAgain()],
      [heard.length === 0 ? 3 : 0.5, () => this.#sign({ what: 'list' }, 'GET', '/v1/requests')],
      [0.2, () => this.#sign({ what: 'status' }, 'GET', '/v1/devices/current')],
      [0.04, () => this.#sign({ what: 'revoke', device: this.device }, 'DELETE', '/v1/devices/current')],
      [this.#change === undefined ? 0.25 : 2, () => this.#changePin()],
      [one === undefined ? 0 : 8, () => this.#go(one?.verification ?? '', {})],
      [
        strangers.length === 0 ? 0 : 0.5,
        () => this.#go(chance.pick(strangers).verification, { foreign: true }),
      ],
    ]);
    return act();
  }

  async hear({ what, changed }: Intent, answer: Answer | undefined): Promise<void> {
    if (answer === undefined) return;
    this.#nonce = answer.nonce ?? this.#nonce;
    const { requests, nonce } = answer.json;
    if (what === 'begin change' && typeof nonce === 'string') this.#change = { nonce, to: this.#newPin() };
    if (what === 'change' && answer.status !== 401) {
      // Refused, a new one has to begin; done, it may be an older one's answer that comes late.
      if (changed !== undefined && answer.status === 200) this.commitment = changed.to;
      if (changed?.to === this.#change?.to) this.#change = undefined;
    }
    for (const view of Array.isArray(requests) ? requests : [answer.json]) await this.#note(view);
  }

  /** A step of its own verification, or the same with what is not its business. */
  #go(verification: string, more: Partial<Intent>): Promise<Act> {
    const { chance } = this.#world;
    const heard = this.#heard.get(verification);
    const opened = heard !== undefined && heard.attempts.length > 0;
    const act = (what: 'accept' | 'later' | 'decline' | 'report') => () =>
      this.#sign({ what, verification, ...more }, 'POST', `/v1/requests/${verification}/${what}`);
    const read = () =>
      this.#sign({ what: 'read', verification, ...more }, 'GET', `/v1/requests/${verification}`);
    return chance.weighed<() => Promise<Act>>([
      [opened ? 0.5 : 8, act('accept')],
      [opened ? 0.1 : 0.7, act('later')],
      [0.2, act('decline')],
      [0.25, act('report')],
      [1, read],
      [(opened ? 2 : 0.3) * this.#temper.evaluates, () => this.#evaluate(verification, more)],
      [opened ? 8 : more.foreign === true ? 2 : 0, () => this.#present(verification, heard, more)],
    ])();
  }

  #evaluate(verification: string, more: Partial<Intent>): Promise<Act> {
    const { chance, room } = this.#world;
    const blinded = chance.pick(room.means.blinded);
    const intent = { what: 'evaluate', verification, blinded, ...more } as const;
    const body = { use: 'verification', verification, blinded };
    return this.#sign(intent, 'POST', '/v1/devices/current/oprf', body);
  }

  async #present(verification: string, heard: Heard | undefined, more: Partial<Intent>): Promise<Act> {
    const { chance, known, ledger } = this.#world;
    // One that it was not given, for a verification that is not its own.
    const source = heard ?? [...this.#heard.values()].find(({ attempts }) => attempts.length > 0);
    const { jws = 'none', request, attempts = [] } = source ?? {};
    // Nearly always the newest: an older one is used up.
    const newest = attempts.at(-1);
    const used = newest === undefined || chance.oneIn(8) ? attempts[0] : newest;
    const { attempt, nonce } = used ?? { attempt: chance.id(), nonce: base64url.encode(chance.bytes(32)) };
    const right = known.get(verification)?.code ?? '000000';
    const typed = chance.oneIn(this.#temper.mistakes) ? otherCode(right) : right;
    const code = request?.mode === 'precall' ? null : typed;
    const commitment = chance.oneIn(1 + this.#temper.mistakes)
      ? String(BigInt(this.commitment) - 1n)
      : this.commitment;
    // Of ten, one is bound to something else than it is sent with, or is not the proof that was made.
    const [moved, swapped] = [chance.oneIn(20), chance.oneIn(20)];
    const bound = challenge({
      ...{ request: jws, index: 0, nonce: base64url.decode(nonce) },
      code: moved ? otherCode(code ?? right) : code,
    });
    const signals = signalsToArray('pin', { commitment: BigInt(commitment), challenge: bound });
    const made = ledger.make('pin', signals);
    const sent = swapped ? ledger.foreign : made;
    const intact = !moved && !swapped && source === heard;
    const presented: Presented = { attempt, code, commitment, intact };
    const facts = [{ fact: 'pin', version: FACTS.pin.version, proof: sent.proof }];
    const body = { attempt, ...(code === null ? {} : { code }), facts };
    const intent = { what: 'present', verification, presented, ...more } as const;
    const path = `/v1/requests/${verification}/presentation`;
    this.#sent = { intent, path, body };
    return this.#sign(intent, 'POST', path, body);
  }

  #presentAgain(): Promise<Act> {
    if (this.#sent === undefined) throw new TypeError('nothing was sent');
    const { intent, path, body } = this.#sent;
    this.#sent = undefined;
    return this.#sign(intent, 'POST', path, body);
  }

  #newPin(): string {
    return fieldFromBytes(this.#world.chance.bytes(31)).toString();
  }

  /** Has a new PIN evaluated, then puts it in the place of the old one. */
  #changePin(): Promise<Act> {
    const { chance, ledger, room } = this.#world;
    if (this.#change === undefined) {
      const body = { use: 'new', blinded: chance.pick(room.means.blinded) };
      return this.#sign({ what: 'begin change' }, 'POST', '/v1/devices/current/oprf', body);
    }
    const { nonce, to } = this.#change;
    const wrong = chance.oneIn(1 + this.#temper.mistakes);
    const from = wrong ? String(BigInt(this.commitment) - 1n) : this.commitment;
    const swapped = chance.oneIn(10);
    const parts = { thumbprint: this.#thumbprint, nonce: base64url.decode(nonce), commitment: BigInt(to) };
    const signals = { commitment: BigInt(from), challenge: pinChangeChallenge(parts) };
    const made = ledger.make('pin', signalsToArray('pin', signals));
    const { proof } = swapped ? ledger.foreign : made;
    const intent = { what: 'change', changed: { from, to, intact: !swapped } } as const;
    return this.#sign(intent, 'PUT', '/v1/devices/current/pin', { commitment: to, proof });
  }

  async #sign(
    intent: Omit<Intent, 'tenant'>,
    method: DpopCall['method'],
    path: string,
    body?: object,
  ): Promise<Act> {
    const { chance, now } = this.#world;
    const text = body && JSON.stringify(body);
    const call = { method, url: `${ORIGIN}${path}`, body: new TextEncoder().encode(text ?? '') };
    const dpop = await signDpop(call, { jti: chance.id(), nonce: this.#nonce, iat: now }, this.#key);
    const type = text === undefined ? {} : { 'content-type': 'application/json' };
    const whose = { tenant: this.tenant, device: this.device, subject: this.subject };
    return { intent: { ...whose, ...intent }, method, path, body: text, headers: { dpop, ...type } };
  }

  /** A request as it came: signed by the verifier, for this device, of its tenant. */
  async #note(view: Readonly<Record<string, unknown>>): Promise<void> {
    const { verification, request: jws, attempt } = view;
    if (typeof verification !== 'string') return;
    const heard = this.learn(verification);
    if (typeof jws === 'string' && heard.jws === undefined) {
      const [signing] = this.#world.room.means.keys.signing;
      if (signing === undefined) throw new TypeError('no signing key');
      await verifyJws('request', jws, (kid) => (kid === signing.kid ? signing.jwk : undefined));
      heard.jws = jws;
      heard.request = parseRequest(decodeJwt(jws));
    }
    const open = attempt as Heard['attempts'][number] | undefined;
    if (open !== undefined && !heard.attempts.some((other) => other.attempt === open.attempt)) {
      heard.attempts.push(open);
    }
  }
}

function otherCode(code: string): string {
  return String((Number(code) + 1) % 1_000_000).padStart(6, '0');
}
