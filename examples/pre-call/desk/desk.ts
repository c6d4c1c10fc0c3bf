import { AkashiError, type Policy, type Verification } from '@akashi/circuits';
import type { Agent } from '@akashi/sdk/agent';
import { element } from '../element.ts';
import { chosenLanguage, type Language, rememberLanguage } from '../language.ts';
import { CallForms } from './call-forms.ts';
import { CurrentVerification } from './current-verification.ts';
import { recentList } from './recent-list.ts';
import { signInForm } from './sign-in-form.ts';
import { TEXTS, type Texts } from './texts.ts';

/** The operator's page: who is signed in, what is in hand, what was before. It never learns more than a verdict. */
export class Desk {
  readonly agent: Agent;
  readonly #root: HTMLElement;
  readonly #header = element('header');
  readonly #recent = element('section', { class: 'recent', 'aria-labelledby': 'recent-title' });
  readonly #forms = new CallForms(this);
  readonly #current = new CurrentVerification(this);
  policies: readonly Policy[] = [];
  /** Seconds by which the verifier's clock is ahead of this machine's, as the last start showed. */
  #ahead = 0;
  recent: readonly Verification[] = [];
  #language: Language = chosenLanguage(localStorage, navigator.languages);
  #problem: 'signInRefused' | 'sessionEnded' | null = null;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(root: HTMLElement, agent: Agent) {
    this.#root = root;
    this.agent = agent;
    addEventListener('storage', () => this.#use(chosenLanguage(localStorage, navigator.languages)));
  }

  get language(): Language {
    return this.#language;
  }

  get texts(): Texts {
    return TEXTS[this.#language];
  }

  async signIn(link: string): Promise<void> {
    this.#drawHeader();
    const opening = element('p', { class: 'opening', role: 'status' }, this.texts.opening);
    this.#root.replaceChildren(this.#header, opening);
    try {
      await this.agent.signIn(link);
    } catch (error) {
      if (this.failure(error) === null) return;
      this.#problem = 'signInRefused';
      return this.#draw();
    }
    await this.open();
  }

  /** The desk of whoever is signed in; else the way to sign in. */
  async open(): Promise<void> {
    this.#problem = null;
    if (this.agent.session !== null) {
      try {
        [this.policies, this.recent] = await Promise.all([this.agent.policies(), this.agent.verifications()]);
        this.acted();
        const open = this.recent.find(({ state }) => state !== 'done');
        if (open !== undefined) this.#current.follow(open);
      } catch (error) {
        const problem = this.failure(error);
        if (this.agent.session !== null) return this.#drawFailure(problem ?? '');
      }
    }
    this.#draw();
  }

  /** UTC seconds by the verifier's clock: what counts for the time that is left. */
  now(): number {
    return Date.now() / 1000 + this.#ahead;
  }

  /** Takes in hand what was started a moment ago. */
  takeStarted(verification: Verification): void {
    this.#ahead = verification.startedAt - Date.now() / 1000;
    this.take(verification);
  }

  /** Takes a verification in hand. */
  take(verification: Verification): void {
    this.acted();
    this.#current.follow(verification);
    void this.loadRecent();
  }

  async loadRecent(): Promise<void> {
    try {
      this.recent = await this.agent.verifications();
      this.#drawRecent();
    } catch (error) {
      this.failure(error);
    }
  }

  /**
   * What to tell the operator about a failure; `null` when there is nothing to tell here, because the session is over
   * and the sign-in took the page's place.
   */
  failure(error: unknown): string | null {
    const code = error instanceof AkashiError ? error.code : 'other';
    if (
      code === 'unauthorized' &&
      this.agent.session === null &&
      this.#problem === null &&
      this.policies.length > 0
    ) {
      this.#end('sessionEnded');
      return null;
    }
    return this.texts.failures[code] ?? this.texts.failures.other;
  }

  /** An action prolongs the session; without one the verifier ends it, and the page asks then (section 8). */
  acted(): void {
    clearTimeout(this.#idle);
    const { session } = this.agent;
    if (session === null) return;
    this.#idle = setTimeout(() => void this.loadRecent(), (session.idleSeconds + 1) * 1000);
  }

  #end(problem: 'sessionEnded' | null): void {
    clearTimeout(this.#idle);
    this.policies = [];
    this.recent = [];
    this.#current.leave();
    this.#problem = problem;
    this.#draw();
  }

  async #signOut(): Promise<void> {
    // Signed out here in any case; a session that cannot be ended now runs out by itself.
    await this.agent.signOut().catch(() => undefined);
    this.#end(null);
  }

  #draw(): void {
    const { texts } = this;
    document.documentElement.lang = this.#language;
    document.title = texts.title;
    this.#drawHeader();
    if (this.agent.session === null) {
      this.#root.replaceChildren(this.#header, signInForm(this, this.#problem));
      return;
    }
    this.#forms.draw();
    this.#current.draw();
    this.#drawRecent();
    this.#root.replaceChildren(
      this.#header,
      element(
        'main',
        {},
        this.#forms.section,
        element('div', { class: 'work' }, this.#current.section, this.#recent),
      ),
    );
  }

  #drawFailure(problem: string): void {
    const again = element('button', { type: 'button', onclick: () => void this.open() }, this.texts.tryAgain);
    this.#drawHeader();
    this.#root.replaceChildren(
      this.#header,
      element('main', { class: 'signed-out' }, element('p', { role: 'alert' }, problem), again),
    );
  }

  #drawHeader(): void {
    const { texts } = this;
    const { session } = this.agent;
    const other: Language = this.#language === 'ja' ? 'en' : 'ja';
    const switchLanguage = (): void => {
      rememberLanguage(localStorage, other);
      this.#use(other);
    };
    this.#header.replaceChildren(
      element(
        'span',
        { class: 'brand' },
        session === null ? texts.title : (texts.tenants[session.tenant.id] ?? session.tenant.name),
      ),
      element(
        'span',
        { class: 'tools' },
        session === null
          ? null
          : element('span', { class: 'soft small' }, texts.signedInAs(session.operator.name)),
        element(
          'button',
          { class: 'plain', type: 'button', lang: other, onclick: switchLanguage },
          texts.language,
        ),
        session === null
          ? null
          : element(
              'button',
              { class: 'plain', type: 'button', onclick: () => void this.#signOut() },
              texts.signOut,
            ),
      ),
    );
  }

  #drawRecent(): void {
    this.#recent.replaceChildren(...recentList(this));
  }

  #use(language: Language): void {
    if (language === this.#language) return;
    this.#language = language;
    this.#draw();
  }
}
