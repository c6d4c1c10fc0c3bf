import { AkashiError } from '@akashi/circuits';
import type { CheckedRequest, Holder } from '@akashi/sdk/holder';
import type { BankClient } from './bank-client.ts';
import { reenrolScreen, startEnrolment } from './enrolment.ts';
import type { Frame, Screen } from './frame.ts';
import { homeScreen } from './home.ts';
import { showLogin } from './login.ts';
import { failureScreen, outcomeScreen } from './outcome.ts';
import { openRequest } from './request.ts';
import { watch } from './watch.ts';

/** How a screen wants to be treated while it is on. */
export interface Stay {
  /** Something is being typed or done: nothing may take the screen's place by itself. */
  readonly busy?: boolean;
  /** The screen is about this request: told when it changes or ends. */
  readonly request?: { readonly id: string; readonly changed: (request: CheckedRequest) => void };
}

const REFRESH_BEFORE_SECONDS = 7 * 24 * 3600;

/** What every screen gets: the frame to show itself in, the bank, this device, and ways to go on. */
export class Phone {
  readonly frame: Frame;
  readonly bank: BankClient;
  requests: readonly CheckedRequest[] = [];
  /** Another device of this customer was enrolled lately. */
  newerDevice = false;
  readonly #openHolder: (customer: string) => Promise<Holder>;
  #holder: Holder | null = null;
  #stay: Stay = {};
  #watching = new AbortController();
  /** Requests that came up by themselves once: not again after the customer went elsewhere. */
  readonly #shown = new Set<string>();
  /** Verifications whose PIN held: not asked again for a further attempt, as long as the holder keeps what came of it. */
  readonly pinHeld = new Set<string>();
  #renewedAt = Number.NEGATIVE_INFINITY;
  /** From the address of the page, until it can be followed. */
  #wanted: string | null = null;

  constructor(frame: Frame, bank: BankClient, openHolder: (customer: string) => Promise<Holder>) {
    this.frame = frame;
    this.bank = bank;
    this.#openHolder = openHolder;
  }

  get holder(): Holder {
    if (this.#holder === null) throw new AkashiError('not_enrolled');
    return this.#holder;
  }

  go(screen: Screen, stay: Stay = {}): void {
    this.#stay = stay;
    this.frame.show(screen);
  }

  /** From the beginning: who is the customer, is this device enrolled, was it opened by a link. */
  async start(): Promise<void> {
    this.#watching.abort();
    this.#holder = null;
    this.requests = [];
    this.pinHeld.clear();
    const customer = this.bank.customer;
    if (customer === null) return showLogin(this);
    try {
      this.#holder = await this.#openHolder(customer.reference);
    } catch (error) {
      return this.fail(error, () => void this.start());
    }
    if (this.#holder.storageLost) return this.go(reenrolScreen(this, 'lost'));
    if (this.#holder.enrolled === null) return startEnrolment(this, this.#takeWanted('enrol'));
    this.home();
    this.#watching = watch(this);
    void this.#keepAccountsFresh(this.#holder);
    await this.#followRequestLink();
  }

  home(notice = ''): void {
    this.go(homeScreen(this, notice));
    // While nobody asks: so that the proofs are all but made when somebody does. It stops by itself when the device is
    // needed, and what it could not make is made then.
    void this.#holder?.prepare().catch(() => undefined);
  }

  /** Follows `#request=<id>` and `#enrol=...` of a link, now or as soon as the device is ready. */
  async openLink(fragment: string): Promise<void> {
    if (!/^#(?:request|enrol)=/.test(fragment)) return;
    const enrolled = this.#holder !== null && this.#holder.enrolled !== null;
    if (enrolled && this.#stay.busy === true) return;
    this.#wanted = fragment;
    if (enrolled) await this.#followRequestLink();
  }

  /** What the verifier says is open now (see watch.ts). */
  async arrived(requests: readonly CheckedRequest[]): Promise<void> {
    const news = JSON.stringify(this.requests.map(standing)) !== JSON.stringify(requests.map(standing));
    this.requests = requests;
    const about = this.#stay.request;
    if (about !== undefined) {
      const found = requests.find(({ id }) => id === about.id);
      try {
        const request = found ?? (await this.holder.request(about.id));
        if (this.#stay.request === about) about.changed(request);
      } catch (error) {
        if (!isElsewhere(error)) throw error;
        if (this.#stay.request === about) this.fail(error, () => this.home());
      }
    } else if (this.#stay.busy !== true) {
      const fresh = requests.find(
        ({ id, state, later }) => state === 'pending' && !later && !this.#shown.has(id),
      );
      if (fresh !== undefined) this.open(fresh);
      else if (news) this.frame.refresh();
    }
  }

  /** Whether the screen is about this request already. */
  isAbout(id: string): boolean {
    return this.#stay.request?.id === id;
  }

  showNewerDevice(yes: boolean): void {
    this.newerDevice = yes;
    if (this.#stay.busy !== true) this.frame.refresh();
  }

  open(request: CheckedRequest): void {
    this.#shown.add(request.id);
    if (!this.isAbout(request.id)) openRequest(this, request);
  }

  /** Turns a failure into the screen that says what can be done about it. */
  fail(error: unknown, again: () => void): void {
    const code = error instanceof AkashiError ? error.code : 'other';
    if (code === 'aborted') return;
    if (code === 'unauthorized' && !this.bank.loggedIn) showLogin(this, 'ended', again);
    else if (code === 'not_enrolled' && this.#holder !== null) void this.start();
    else if (code === 'unauthorized' || code === 'device_revoked') this.go(reenrolScreen(this, 'revoked'));
    else if (code === 'pin_locked') this.go(reenrolScreen(this, 'locked'));
    else if (code === 'accepted_elsewhere') this.go(outcomeScreen(this, 'elsewhere'));
    else if (code === 'not_found') this.go(outcomeScreen(this, 'over'));
    else if (code === 'credential_expired' && !this.#justRenewed()) void this.#renewFor(again);
    else this.go(failureScreen(this, code, again));
  }

  /** What is over again at once, somebody's clock is to blame for: trying again would go on for ever. */
  #justRenewed(): boolean {
    return performance.now() - this.#renewedAt < 60_000;
  }

  #takeWanted(kind: 'request' | 'enrol'): string | null {
    const wanted = this.#wanted;
    if (wanted === null || !wanted.startsWith(`#${kind}=`)) return null;
    this.#wanted = null;
    return wanted;
  }

  async #followRequestLink(): Promise<void> {
    const id = this.#takeWanted('request')?.slice('#request='.length);
    if (id === undefined || this.isAbout(id) || this.#shown.has(id)) return;
    this.#shown.add(id);
    try {
      const request = await this.holder.request(id);
      if (this.#stay.busy !== true) this.open(request);
    } catch (error) {
      this.fail(error, () => this.home());
    }
  }

  /** Has everything on this device vouched for anew: by the bank, and by others where they did before. */
  async renew(): Promise<void> {
    await this.frame.during(this.holder.refreshAccounts(this.bank.accounts));
    const held = await this.frame.during(this.holder.claims());
    if (held.length > 0) await this.frame.during(this.holder.refreshClaims(this.bank.claims));
    this.#renewedAt = performance.now();
  }

  /** What was vouched for is over: had anew without a question, and on with what the customer was at. */
  async #renewFor(again: () => void): Promise<void> {
    try {
      await this.renew();
    } catch (error) {
      return this.fail(error, () => void this.#renewFor(again));
    }
    again();
  }

  /** Accounts are vouched for a while only; the app renews them without a question while the log-in lasts. */
  async #keepAccountsFresh(holder: Holder): Promise<void> {
    const { enrolled } = holder;
    const due = enrolled !== null && enrolled.accountsExpireAt - REFRESH_BEFORE_SECONDS < Date.now() / 1000;
    if (!due || !this.bank.loggedIn) return;
    // Tried again with the next opening; settings offer it by hand and then say what is wrong.
    await holder.refreshAccounts(this.bank.accounts).catch(() => undefined);
  }
}

/** Another device of this customer took the request, or it is gone: asking again changes nothing. */
function isElsewhere(error: unknown): boolean {
  return error instanceof AkashiError && ['accepted_elsewhere', 'not_found'].includes(error.code);
}

/** What of a request a list shows; the seconds left change with every answer. */
function standing({ id, state, later, claim }: CheckedRequest) {
  return { id, state, later, claimable: claim !== null };
}
