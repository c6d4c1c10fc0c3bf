import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseProof } from '@akashi/circuits';
import { createSignInLink, loadVerificationKeys, openSqliteStore, parsePoints } from '@akashi/verifier';
import { makePasskey } from '../../circuits/authenticator.ts';
import {
  ORIGIN,
  openTenant,
  openWorld,
  PURPOSE,
  readAnswer,
  send,
  signCredential,
  signIn,
  startOf,
  type TenantFixture,
  textOf,
  type World,
} from '../../verifier/app-fixtures.ts';
import { inlineChecker, type ProofChecker } from '../../verifier/checker.ts';
import { temporary } from '../../verifier/folder-fixtures.ts';
import { OPTIONS, openPasskeyBank, PASSKEYS, PHONE_ORIGIN, RP_ID } from '../../verifier/passkey-fixtures.ts';
import {
  type EnrolledPhone,
  enrolmentToken,
  enrolPhone,
  newPhone,
  type Phone,
} from '../../verifier/phone-fixtures.ts';
import { bearer, DeviceProofs } from './credential.ts';
import type { FuzzCall } from './routes.ts';
import { PLACEHOLDER_CODE, placeholderJws, READABLE_PROOF } from './values.ts';

// One app with two tenants, and everything there that an input can name: sessions, devices, open verifications with their
// attempts and codes. What inputs use up is made anew, so that the next ones get as far.

export interface FuzzAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of the call alone: on the clock, and of the processor. */
  readonly wallMs: number;
  readonly cpuMs: number;
  /** What was sent, for who looks into a failure. */
  readonly sent: string;
}

interface Open {
  readonly verification: string;
  readonly endsAt: number;
  uses: number;
}

/** What inputs can name of one tenant. */
interface Side {
  readonly fixture: TenantFixture;
  session: string;
  phone: EnrolledPhone;
  other: EnrolledPhone;
  passkey: string;
  open: Open | undefined;
  attempt: string;
  code: string;
  isLost: boolean;
}

/** Put anew from time to time: inputs are policies of these names as well. */
const POLICIES = [
  { policy: 'knows-pin', facts: ['pin'], purposes: [PURPOSE] },
  {
    policy: 'owns-account',
    facts: ['pin', 'account'],
    purposes: [PURPOSE],
    transaction: { from: 'operator', desk: 'figures' },
  },
  { policy: 'reusing', facts: ['pin'], reuseSeconds: 600, purposes: [PURPOSE] },
];

const NOTHING = 'A'.repeat(22);
const USES = 6;
const UPKEEP_EVERY = 500;
/** The session that a desk has is good for 12 hours at most. */
const SIGN_IN_EVERY = 50;
const PIN = '8035174926';

export class FuzzWorld {
  readonly world: World;
  /** How many there were of each status. */
  readonly answers = new Map<string, number>();
  readonly #sides: { readonly own: Side; readonly foreign: Side };
  readonly #newcomer: Phone;
  readonly #folder: string;
  readonly #proofs: DeviceProofs;
  #calls = 0;
  #starts = 0;
  #etag = '"x"';

  private constructor(world: World, own: Side, foreign: Side, newcomer: Phone, folder: string) {
    this.world = world;
    this.#sides = { own, foreign };
    this.#newcomer = newcomer;
    this.#folder = folder;
    this.#proofs = new DeviceProofs(world);
  }

  static async open(): Promise<FuzzWorld> {
    const folder = mkdtempSync(join(temporary(), 'akashi-fuzz-'));
    const checker = await halfWayChecker();
    const openStore = async () => openSqliteStore({ file: join(folder, 'akashi.db') });
    const world = await openWorld({ checker, openStore });
    const own = await furnish(world, await openPasskeyBank(world));
    const foreign = await furnish(world, await openTenant(world, 'shop'));
    const fuzzed = new FuzzWorld(world, own, foreign, await newPhone(world), folder);
    await fuzzed.#keepHouse();
    return fuzzed;
  }

  async close(): Promise<void> {
    await this.world.close();
    rmSync(this.#folder, { recursive: true });
  }

  async call(input: FuzzCall): Promise<FuzzAnswer> {
    const { world } = this;
    world.clock.now += input.elapse;
    this.#calls += 1;
    if (this.#calls % UPKEEP_EVERY === 0) await this.#keepHouse();
    const side = input.foreign ? this.#sides.foreign : this.#sides.own;
    if (side.isLost) await this.#replacePhones(side);
    if (this.#calls % SIGN_IN_EVERY === 0)
      side.session = await signIn(world, side.fixture.tenant, side.fixture.operator);
    const path = await this.#resolved(input.path);
    const bytes =
      input.body === null
        ? null
        : Buffer.from(await this.#resolved(Buffer.from(input.body).toString('latin1')), 'latin1');
    const body = ['GET', 'HEAD'].includes(input.method) ? null : bytes;
    const etag = input.headers['if-none-match']?.replace('"own_etag"', this.#etag);
    const headers = new Headers({
      ...input.headers,
      ...(etag === undefined ? {} : { 'if-none-match': etag }),
      ...(await this.#credential(input, side, path, body ?? new Uint8Array())),
    });
    const answer = await this.#timed(path, { method: input.method, headers, body });
    this.#learn(side, input, answer);
    this.answers.set(String(answer.status), (this.answers.get(String(answer.status)) ?? 0) + 1);
    return answer;
  }

  async #timed(
    path: string,
    init: { method: string; headers: Headers; body: Buffer | null },
  ): Promise<FuzzAnswer> {
    // Who waits is let go at once: how long a call waits is the caller's choice.
    const gone = new AbortController();
    const timer = path.includes('wait=') ? setTimeout(() => gone.abort(), 2) : undefined;
    const [began, used] = [performance.now(), process.cpuUsage()];
    const response = await this.world.app.request(`${ORIGIN}${path}`, {
      ...init,
      signal: gone.signal,
    } as RequestInit);
    const isStream = response.headers.get('content-type') === 'text/event-stream';
    const text = isStream ? await firstOf(response) : await response.text();
    const wallMs = performance.now() - began;
    const cpu = process.cpuUsage(used);
    clearTimeout(timer);
    const sent = JSON.stringify([
      init.method,
      path,
      [...init.headers],
      init.body?.toString('latin1') ?? null,
    ]);
    return {
      status: response.status,
      headers: response.headers,
      text,
      wallMs,
      cpuMs: (cpu.user + cpu.system) / 1000,
      sent,
    };
  }

  async #credential(
    { credential, flaw, method }: FuzzCall,
    side: Side,
    path: string,
    body: Uint8Array,
  ): Promise<Record<string, string>> {
    switch (credential) {
      case 'none':
        return {};
      case 'backend':
        return bearer(side.fixture.apiKey, flaw);
      case 'operator':
        return bearer(side.session, flaw);
      default:
        return this.#proofs.of(
          credential === 'device' ? side.phone : this.#newcomer,
          { method, path, body },
          flaw,
        );
    }
  }

  async #resolved(text: string): Promise<string> {
    let resolved = text.replaceAll(PLACEHOLDER_CODE, this.#sides.own.code);
    for (const found of new Set(text.match(/(?:own|foreign)_[a-z]+_0*A/g))) {
      const [who, name = ''] = found.split('_');
      resolved = resolved.replaceAll(
        found,
        await this.#lookUp(this.#sides[who === 'own' ? 'own' : 'foreign'], name),
      );
    }
    const jws = placeholderJws('own_credential');
    if (!resolved.includes(jws)) return resolved;
    const { fixture, phone } = this.#sides.own;
    const claims = { sub: phone.subject, cnf: { jkt: phone.thumbprint }, accountsRoot: '7' };
    return resolved.replaceAll(jws, await signCredential(this.world, fixture, claims));
  }

  async #lookUp(side: Side, name: string): Promise<string> {
    const { fixture, phone, other, passkey } = side;
    const { store, clock } = this.world;
    switch (name) {
      case 'verification':
        return this.#openOne(side);
      case 'attempt':
        return side.attempt;
      case 'device':
        return phone.device;
      case 'other':
        return other.device;
      case 'passkey':
        return passkey;
      case 'operator':
        return fixture.operator;
      case 'issuer':
        return fixture.issuer.kid;
      case 'token':
        return enrolmentToken(this.world, fixture, `new-${randomBytes(6).toString('hex')}`);
      case 'link':
        return createSignInLink(store, fixture.tenant, fixture.operator, clock.now, randomBytes);
      default:
        // A name that was spoiled itself.
        return NOTHING;
    }
  }

  /** A verification that is open, most of the time: each is good for a few inputs. */
  async #openOne(side: Side): Promise<string> {
    const { open } = side;
    if (open !== undefined && open.uses++ < USES && open.endsAt > this.world.clock.now)
      return open.verification;
    this.#starts += 1;
    const early = this.#starts % 3 === 0;
    const policy = ['knows-pin', 'owns-account', 'knows-pin', 'reusing'][this.#starts % 4];
    const body = startOf(side.phone.subject, {
      policy: side === this.#sides.own ? policy : 'knows-pin',
      mode: early ? 'precall' : 'call',
    });
    const token = early ? side.fixture.apiKey : side.session;
    const started = await send(this.world, 'POST', '/v1/verifications', { token, body });
    if (started.status !== 201) return open?.verification ?? NOTHING;
    const verification = textOf(started, 'verification');
    side.open = { verification, endsAt: this.world.clock.now + 100, uses: 0 };
    if (!early) side.code = textOf(started, 'code');
    if (this.#starts % 4 !== 3) {
      const accepted = await this.#signed(side.phone, 'POST', `/v1/requests/${verification}/accept`);
      this.#learnAttempt(side, accepted.text);
    }
    return verification;
  }

  async #signed(phone: Phone, method: 'POST', path: string) {
    const headers = await this.#proofs.of(phone, { method, path, body: new Uint8Array() }, null);
    return readAnswer(await this.world.app.request(`${ORIGIN}${path}`, { method, headers }));
  }

  #learn(side: Side, { credential, flaw }: FuzzCall, { headers, text }: FuzzAnswer): void {
    this.#etag = headers.get('etag') ?? this.#etag;
    if (credential === 'device') {
      this.#learnAttempt(side, text);
      if (/"code":"(?:device_revoked|pin_locked)"/.test(text)) side.isLost = true;
    }
    if (credential === 'operator' && flaw === null && text.includes('"code":"unauthorized"'))
      this.#calls += SIGN_IN_EVERY - 1 - (this.#calls % SIGN_IN_EVERY);
  }

  #learnAttempt(side: Side, text: string): void {
    side.attempt = /"attempt":"([^"]+)"/.exec(text)?.[1] ?? side.attempt;
    side.code = /"claim":\{"code":"([0-9]{6})"/.exec(text)?.[1] ?? side.code;
  }

  /** Phones that were revoked or locked by what they sent. */
  async #replacePhones(side: Side): Promise<void> {
    // The limit of enrolments is by the hour, and a session is over by then.
    this.world.clock.now += 3601;
    side.session = await signIn(this.world, side.fixture.tenant, side.fixture.operator);
    Object.assign(side, await phonesOf(this.world, side.fixture));
  }

  async #keepHouse(): Promise<void> {
    const { store, clock, notices, alerts } = this.world;
    const { apiKey, issuer } = this.#sides.own.fixture;
    for (const body of POLICIES) await send(this.world, 'POST', '/v1/policies', { token: apiKey, body });
    await send(this.world, 'POST', '/v1/issuers', { token: apiKey, body: { jwk: issuer.jwk } });
    await store.sweep(clock.now);
    while ((await store.linkAudit()) > 0);
    notices.length = 0;
    alerts.length = 0;
  }
}

async function furnish(world: World, fixture: TenantFixture): Promise<Side> {
  const open = { open: undefined, attempt: NOTHING, code: '000000' };
  return { fixture, session: fixture.session, ...open, ...(await phonesOf(world, fixture)) };
}

async function phonesOf(world: World, fixture: TenantFixture) {
  const phone = await enrolPhone(world, fixture, 'customer-1', PIN);
  const options = await phone.call('POST', OPTIONS);
  let passkey = NOTHING;
  if (options.status === 200) {
    const challenge = Buffer.from(textOf(options, 'challenge'), 'base64url');
    const { registration } = await makePasskey({ rpId: RP_ID, origin: PHONE_ORIGIN, challenge });
    passkey = textOf(await phone.call('POST', PASSKEYS, { registration, proof: READABLE_PROOF }), 'passkey');
  }
  world.clock.now += 1;
  return {
    phone,
    other: await enrolPhone(world, fixture, 'customer-1', PIN),
    passkey,
    open: undefined,
    isLost: false,
  };
}

/** Says yes to one proof, so that inputs get behind the check; checks all others in earnest. */
async function halfWayChecker(): Promise<ProofChecker> {
  const checker = inlineChecker(await loadVerificationKeys(), randomBytes);
  const taken = Buffer.from(parsePoints(parseProof(READABLE_PROOF)).bytes);
  return {
    ...checker,
    async check(checks) {
      if (checks.every(({ points }) => taken.equals(points.bytes))) return checks.map(() => true);
      return checker.check(checks);
    },
  };
}

async function firstOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  return new TextDecoder().decode(first?.value);
}
