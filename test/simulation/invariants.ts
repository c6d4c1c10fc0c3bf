import { type AuditEntry, type AuditHead, auditOrigin, type Store, verifyAudit } from '@akashi/verifier';
import type { Database as Connection } from 'better-sqlite3';
import { BOUNDS } from '../../verifier/store.ts';
import type { Answer, Handling, Intent, Message } from './network.ts';
import { type DeviceState, States, type VerificationState } from './states.ts';
import type { World } from './world.ts';

// What must hold after every step. The database is read past the store; what a pass needs is known by the books of the
// world, not by what the verifier says of it.

/** Something that must never be. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** What may bring about each verdict; `expired`, time alone. */
const CAUSES: Readonly<Record<string, Intent['what']>> = {
  ...{ passed: 'present', failed: 'present', declined: 'decline', reported: 'report', cancelled: 'cancel' },
};

export class Invariants {
  readonly #world: World;
  readonly #states: States;
  #verifications = new Map<string, VerificationState>();
  #devices = new Map<string, DeviceState>();
  /** Attempts that were used up, and those whose proofs were looked at. */
  readonly #used = new Set<string>();
  readonly #checked = new Set<string>();
  readonly #done = new Set<number>();
  readonly #started = new Map<string, string>();
  readonly #claimed = new Set<string>();
  /** Elements evaluated for a device, and the new ones since its counter went back last; how often it did. */
  readonly #seen = new Set<string>();
  readonly #evaluated = new Map<string, Set<string>>();
  readonly #resets = new Map<string, number>();
  /** How often its device's counter had gone back when a call began. */
  readonly #began = new Map<Handling, number>();
  readonly #heads = new Map<string, AuditHead>();

  constructor(world: World, reader: Connection) {
    this.#world = world;
    this.#states = new States(reader);
    this.afterStep(undefined);
  }

  /** A verifier begins to work on a message. */
  onDelivery(handling: Handling): void {
    const { device = '' } = handling.message.intent;
    this.#began.set(handling, this.#resets.get(device) ?? 0);
  }

  /** A verifier is about to look at the proofs of this presentation. */
  onCheck({ message: { intent } }: Handling): void {
    if (intent.what === 'change') return;
    const { attempt = '' } = intent.presented ?? {};
    const row = this.#verifications.get(intent.verification ?? '');
    hold(
      row?.lastAttempt === attempt && row.attempt === null,
      'proofs are looked at before the attempt is used up',
    );
    hold(!this.#checked.has(attempt), 'the proofs of one attempt are looked at twice');
    this.#checked.add(attempt);
  }

  /** Something may have been written, on behalf of this message. */
  afterStep(message: Message | undefined): void {
    const { tenants } = this.#world;
    const devices = this.#states.devices(tenants);
    const rows = this.#states.verifications(tenants);
    const before = this.#verifications;
    for (const device of devices) this.#holdDevice(device, message?.intent);
    this.#devices = new Map(devices.map((device) => [device.device, device]));
    for (const row of rows) this.#holdVerification(before.get(row.verification), row, message?.intent);
    this.#verifications = new Map(rows.map((row) => [row.verification, row]));
    hold(
      [...before.keys()].every((id) => this.#verifications.has(id)),
      'a verification is gone',
    );
  }

  /** A verifier has answered: from here on it is bound by what it said. */
  onAnswer(handling: Handling, answer: Answer): void {
    const { message, flight } = handling;
    const { intent } = message;
    hold(answer.status < 500 || flight.faulted, `answered ${answer.status} without a fault`);
    this.#holdTenants(intent, answer);
    if (answer.status < 300) {
      if (intent.device !== undefined && message.headers.dpop !== undefined) {
        hold(!this.#done.has(message.id), 'one signed call was good twice');
        this.#done.add(message.id);
      }
      this.#holdWord(intent, answer);
      if (intent.what === 'evaluate') this.#holdEvaluation(handling, intent);
    }
    this.#began.delete(handling);
  }

  /** Holds the chains of the audit as far as they are linked, from where they were held last. */
  async onLinked(store: Store): Promise<readonly AuditEntry[]> {
    const all: AuditEntry[] = [];
    for (const tenant of this.#world.tenants) {
      const start = this.#heads.get(tenant) ?? auditOrigin(tenant);
      const entries = await store.auditEntries(tenant, start.seq, 10_000);
      this.#heads.set(tenant, verifyAudit(tenant, entries, { start }));
      all.push(...entries);
    }
    return all;
  }

  /** When nothing is under way any more and everybody's time is over: all is decided, and the audit tells the same. */
  atEnd(entries: readonly AuditEntry[]): void {
    const said = new Map<string, string[]>();
    for (const { content } of entries) {
      const { event, verification } = JSON.parse(content) as Record<string, unknown>;
      if (typeof verification === 'string')
        said.set(verification, [...(said.get(verification) ?? []), String(event)]);
    }
    for (const row of this.#verifications.values()) {
      hold(row.state === 'done' && row.verdict !== null, 'a verification never ends');
      hold(row.claim !== 'open', 'a pass can be claimed for ever');
      const events = said.get(row.verification) ?? [];
      const verdicts = events.filter((event) => /^verification\.(?!started|accepted|later)/.test(event));
      hold(
        verdicts.join() === `verification.${row.verdict}`,
        `the audit tells of ${verdicts} for ${row.verdict}`,
      );
      const used = events.filter((event) => event === 'attempt.used');
      hold(used.length === row.attemptsUsed, 'the audit counts other attempts');
    }
  }

  #holdDevice(now: DeviceState, intent: Intent | undefined): void {
    const before = this.#devices.get(now.device);
    hold(now.tries >= 0 && now.tries <= BOUNDS.tries, 'more tries than there are');
    if (before === undefined) return;
    hold(before.state !== 'revoked' || now.state === 'revoked', 'a revoked device is back');
    const own = intent?.device === now.device;
    if (now.tries > before.tries) {
      hold(
        own && intent?.what === 'evaluate' && now.tries === before.tries + 1,
        'tries count something else',
      );
    }
    if (now.commitment !== before.commitment) {
      const { from, to, intact = false } = intent?.changed ?? {};
      hold(own && from === before.commitment && to === now.commitment, 'a PIN was changed by something else');
      hold(intact && before.state === 'active', 'a PIN was changed without a proof of the old one');
      this.#reset(now.device);
    } else if (now.tries < before.tries) {
      const { presented } = intent ?? {};
      const proven = presented?.intact === true && presented.commitment === now.commitment;
      hold(
        own && proven && this.#checked.has(presented.attempt),
        'tries come back without a proof of the PIN',
      );
      this.#reset(now.device);
    }
  }

  #reset(device: string): void {
    this.#evaluated.delete(device);
    this.#resets.set(device, (this.#resets.get(device) ?? 0) + 1);
  }

  #holdVerification(
    before: VerificationState | undefined,
    now: VerificationState,
    intent: Intent | undefined,
  ): void {
    hold(now.attemptsUsed <= BOUNDS.attempts, 'more attempts than there are');
    hold(now.claimTries <= BOUNDS.claimTries, 'more tries of a claim than there are');
    hold((now.state === 'done') === (now.verdict !== null), 'a verdict and an end are one');
    const owner = this.#devices.get(now.device ?? '');
    hold(
      now.device === null || (owner?.tenant === now.tenant && owner.subject === now.subject),
      'a stranger owns it',
    );
    hold(now.claim !== 'open' || owner?.state === 'active', 'a pass of a revoked device can be claimed');
    if (before === undefined) {
      hold(now.state === 'pending' && now.attempt === null, 'it begins in the middle');
      return;
    }
    hold(before.device === null || before.device === now.device, 'another device owns it now');
    this.#holdAttempts(before, now, intent);
    if (before.verdict !== null) {
      const same = before.verdict === now.verdict && before.factors === now.factors;
      hold(same && before.decidedAt === now.decidedAt, 'a verdict changed');
    } else if (now.verdict !== null) this.#holdVerdict(before, now, intent);
    if (before.claim !== now.claim && now.claim === 'claimed') this.#holdClaim(before, intent);
  }

  #holdAttempts(before: VerificationState, now: VerificationState, intent: Intent | undefined): void {
    if (now.attemptsUsed !== before.attemptsUsed) {
      hold(now.attemptsUsed === before.attemptsUsed + 1, 'attempts are counted wrongly');
      const { attempt = '' } = intent?.presented ?? {};
      hold(attempt === before.attempt && attempt === now.lastAttempt, 'another attempt was used up');
      this.#used.add(attempt);
    }
    if (now.attempt !== null) hold(!this.#used.has(now.attempt), 'a used attempt is open again');
  }

  #holdVerdict(before: VerificationState, now: VerificationState, intent: Intent | undefined): void {
    const { verdict } = now;
    if (verdict === 'expired') {
      hold((now.decidedAt ?? 0) >= now.expiresAt, 'it expired before its time');
      return;
    }
    hold(CAUSES[verdict ?? ''] === intent?.what, `${verdict} by ${intent?.what ?? 'nobody'}`);
    hold(intent?.tenant === now.tenant && intent.foreign !== true, 'decided by a stranger');
    if (verdict === 'failed') hold(now.attemptsUsed === BOUNDS.attempts, 'failed with attempts left');
    if (verdict === 'passed') this.#holdPass(before, now, intent);
    if (verdict === 'reported' || verdict === 'declined') {
      hold(intent?.subject === now.subject, 'another subject decided it');
    }
  }

  /** The right code, the right PIN, the attempt that was open, by an active device; and nothing had ended it. */
  #holdPass(before: VerificationState, now: VerificationState, intent: Intent | undefined): void {
    const { presented, device = '' } = intent ?? {};
    const owner = this.#devices.get(device);
    const code = now.mode === 'call' ? (this.#world.known.get(now.verification)?.code ?? 'none') : null;
    hold(now.device === device && intent?.verification === now.verification, 'passed for another device');
    hold(before.state === 'accepted' && before.attempt === null, 'passed without an attempt');
    hold(
      presented?.attempt === before.lastAttempt && this.#checked.has(presented.attempt),
      'passed by another attempt',
    );
    hold(presented.code === code, 'passed with another code');
    hold(presented.intact && presented.commitment === owner?.commitment, 'passed without a good proof');
    hold(owner?.state === 'active', 'passed by a device that is not active');
    // By the clock when the result was handed to the store: a transaction may wait for its turn.
    hold((now.decidedAt ?? Number.POSITIVE_INFINITY) < now.expiresAt, 'passed after its time');
  }

  #holdClaim(before: VerificationState, intent: Intent | undefined): void {
    const known = this.#world.known.get(before.verification);
    hold(before.claim === 'open' && intent?.what === 'claim', 'claimed by something else');
    hold(intent.tenant === before.tenant && intent.subject === before.subject, 'claimed by a stranger');
    hold(known?.claimCode !== undefined && intent.code === known.claimCode, 'claimed with another code');
  }

  /** Every verdict that is told is the one that stands, and is told to those who may know it. */
  #holdWord(intent: Intent, { json }: Answer): void {
    const { requests, verifications } = json;
    const lists = [requests, verifications].filter((list) => Array.isArray(list)).flat();
    for (const view of [json, ...lists] as readonly Readonly<Record<string, unknown>>[]) {
      const { verification, verdict } = view;
      if (typeof verification !== 'string') continue;
      const row = this.#verifications.get(verification);
      hold(row !== undefined && row.tenant === intent.tenant, 'told of a verification that is not there');
      if (typeof verdict !== 'string') continue;
      hold(row.verdict === verdict, `told ${verdict} where ${row.verdict} stands`);
      const early = row.mode === 'precall' && verdict === 'passed' && row.claim !== 'claimed';
      hold(intent.device !== undefined || !early, 'a desk sees a pass that nobody claimed');
    }
    const { verification } = json;
    if (intent.what === 'start' && intent.idempotencyKey !== undefined) {
      const key = `${intent.tenant} ${intent.idempotencyKey}`;
      const first = this.#started.get(key) ?? String(verification);
      hold(first === verification, 'one start made two verifications');
      this.#started.set(key, first);
    }
    if (intent.what === 'claim') {
      hold(!this.#claimed.has(String(verification)), 'one pass was claimed twice');
      this.#claimed.add(String(verification));
    }
  }

  /** Of a device's PIN no more elements are evaluated than it has tries, whatever the counter says. */
  #holdEvaluation(handling: Handling, { device = '', verification, blinded }: Intent): void {
    // The counter went back meanwhile: this one may have been counted before.
    if (this.#began.get(handling) !== (this.#resets.get(device) ?? 0)) return;
    const element = `${device} ${verification} ${blinded}`;
    // Given out before: it tells nothing new, and the last one is not counted again.
    if (this.#seen.has(element)) return;
    this.#seen.add(element);
    const evaluated = this.#evaluated.get(device) ?? new Set();
    this.#evaluated.set(device, evaluated.add(element));
    hold(evaluated.size <= BOUNDS.tries, 'more elements were evaluated than there are tries');
  }

  #holdTenants(intent: Intent, { status, text, json }: Answer): void {
    for (const word of [...wordsOf(text), ...signedIn(json).flatMap(wordsOf)]) {
      const owner = this.#world.owners.get(word);
      hold(owner === undefined || owner === intent.tenant, 'an id of another tenant is in an answer');
    }
    if (intent.foreign !== true) return;
    const { code } = json;
    hold(status >= 400, 'something foreign was found');
    // What is said before anything is looked up, or of what is not there.
    const unknown: readonly unknown[] = ['not_found', 'evaluation_refused', 'claim_refused'];
    const earlier = ['unauthorized', 'use_dpop_nonce', 'device_revoked', 'rate_limited', 'internal'];
    hold(unknown.includes(code) || earlier.includes(String(code)), `something foreign is answered ${code}`);
  }
}

function hold(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Violation(what);
}

function wordsOf(text: string): readonly string[] {
  return text.split(/[^A-Za-z0-9_-]+/);
}

/** What the requests of an answer say, which are signed and so not readable as they are. */
function signedIn(json: Readonly<Record<string, unknown>>): readonly string[] {
  const { requests } = json;
  const views: readonly { readonly request?: unknown }[] = Array.isArray(requests) ? requests : [json];
  return views.flatMap(({ request }) =>
    typeof request === 'string' ? [Buffer.from(request.split('.')[1] ?? '', 'base64url').toString()] : [],
  );
}
