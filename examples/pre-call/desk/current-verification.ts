import { AkashiError, type Verdict, type Verification } from '@akashi/circuits';
import { element, icon } from '../element.ts';
import { inLanguage, minutesAndSeconds } from '../language.ts';
import type { Desk } from './desk.ts';
import { transactionNote } from './transaction.ts';

/** In the order in which operators know them. */
const FACTORS = ['knowledge', 'possession', 'inherence'] as const;

/** Verdicts that only an answer of the customer leads to. */
const BY_CUSTOMER: ReadonlySet<Verdict | null> = new Set<Verdict>([
  'passed',
  'failed',
  'declined',
  'reported',
]);

/** The verification in hand: the code to read out, how far it is, the verdict. */
export class CurrentVerification {
  readonly section = element('section', { class: 'current', 'aria-labelledby': 'current-title' });
  readonly #announcer = element('p', { class: 'visually-hidden', role: 'status' });
  readonly #body = element('div', { class: 'stage' });
  readonly #desk: Desk;
  #shown: Verification | null = null;
  /** When the desk saw the customer answer, in seconds: the verifier does not tell the moment. */
  #acceptedAt: number | null = null;
  /** End of its life on the page's own clock, in milliseconds. */
  #deadline = 0;
  #problem = '';
  #watching = new AbortController();

  constructor(desk: Desk) {
    this.#desk = desk;
    this.section.append(this.#body, this.#announcer);
    setInterval(() => this.#drawTime(), 500);
    // At once: the watch goes on trying for a minute before it gives up.
    addEventListener('offline', () => this.#tell(this.#desk.texts.connectionLost));
    addEventListener('online', () => this.#tell(''));
  }

  /** Shows `verification` and whatever becomes of it. */
  follow(verification: Verification): void {
    this.leave();
    this.#watching = new AbortController();
    this.#deadline = performance.now() + (verification.expiresAt - this.#desk.now()) * 1000;
    this.#shown = verification;
    this.draw();
    if (verification.code !== undefined)
      this.#announcer.textContent = this.#desk.texts.announceCode(spoken(verification.code));
    if (verification.state !== 'done') void this.#watch(verification.verification, this.#watching.signal);
  }

  leave(): void {
    this.#watching.abort();
    this.#shown = null;
    this.#acceptedAt = null;
    this.#problem = '';
    this.#announcer.textContent = '';
  }

  draw(): void {
    const shown = this.#shown;
    const { texts } = this.#desk;
    if (shown === null) {
      this.#body.replaceChildren(
        element('h1', { id: 'current-title' }, texts.idleTitle),
        element('p', { class: 'soft' }, texts.idleText),
      );
      this.#body.dataset.state = 'idle';
      this.#body.removeAttribute('data-transaction');
      return;
    }
    this.#body.dataset.state = shown.verdict ?? shown.state;
    this.#body.toggleAttribute('data-transaction', shown.transaction !== undefined);
    this.#body.replaceChildren(
      this.#title(shown),
      shown.verdict === null ? this.#code(shown) : this.#verdict(shown, shown.verdict),
      // Of a pass that stands in nothing happened since: its own verification has the times.
      ...(shown.reusedFrom === undefined ? [this.#timeline(shown)] : []),
      element('p', { class: 'problem', role: 'alert' }, this.#problem),
    );
    this.#drawTime();
    if (shown.verdict !== null) markPainted(this.#body);
  }

  async #watch(id: string, signal: AbortSignal): Promise<void> {
    try {
      for await (const next of this.#desk.agent.watch(id, { signal })) {
        if (signal.aborted) return;
        this.#update(next);
      }
    } catch (error) {
      if (signal.aborted) return;
      // The client reconnects by itself; when even that ends, the next try is a new one.
      this.#problem = this.#desk.failure(error) === null ? '' : this.#desk.texts.connectionLost;
      this.draw();
      await new Promise((resolve) => setTimeout(resolve, 3000));
      if (!signal.aborted) await this.#watch(id, signal);
    }
  }

  #update(next: Verification): void {
    if (next.state === 'accepted' && this.#shown?.state === 'pending') this.#acceptedAt = this.#desk.now();
    const decided = next.verdict !== null && this.#shown?.verdict === null;
    const moved = next.state !== this.#shown?.state || next.later !== this.#shown.later;
    this.#shown = next;
    this.#problem = '';
    this.draw();
    if (moved || decided) this.#announcer.textContent = stateText(this.#desk, next);
    if (decided) void this.#desk.loadRecent();
  }

  #tell(problem: string): void {
    if (this.#shown === null || this.#shown.verdict !== null) return;
    this.#problem = problem;
    this.draw();
  }

  #title(shown: Verification): HTMLElement {
    const { texts, language, policies } = this.#desk;
    const purposes = policies.flatMap((policy) => policy.purposes);
    const purpose = purposes.find(({ id }) => id === shown.purpose);
    return element(
      'div',
      { class: 'about' },
      element('h1', { id: 'current-title' }, shown.subject),
      element(
        'p',
        { class: 'soft' },
        [
          purpose === undefined ? shown.purpose : inLanguage(purpose.text, language),
          texts[shown.direction],
          ...(shown.mode === 'precall' ? [texts.precallPassed] : []),
        ].join(' / '),
      ),
    );
  }

  #code(shown: Verification): HTMLElement {
    const { texts } = this.#desk;
    const code = shown.code ?? '';
    const cancel = element('button', { id: 'cancel', type: 'button' }, texts.cancel);
    cancel.addEventListener('click', () => void this.#cancel(shown.verification, cancel));
    return element(
      'div',
      { class: 'speak' },
      transactionNote(this.#desk, shown),
      element('p', {}, texts.speak),
      element(
        'p',
        { class: 'code', id: 'code' },
        element('span', { class: 'visually-hidden' }, spoken(code)),
        ...[code.slice(0, 3), code.slice(3)].map((group) =>
          element('span', { 'aria-hidden': 'true' }, group),
        ),
      ),
      element(
        'div',
        { class: 'life' },
        element('span', { class: 'soft small' }, texts.timeLeft),
        element('progress', { max: 1, 'aria-label': texts.timeLeft }),
        element('span', { class: 'left' }),
        cancel,
      ),
    );
  }

  #verdict(shown: Verification, verdict: Verdict): HTMLElement {
    const { texts } = this.#desk;
    const factors = FACTORS.filter((factor) => shown.factors.includes(factor)).map((factor) =>
      element('li', {}, icon('check'), texts.factors[factor]),
    );
    // What was agreed to is confirmed; the figures have gone with the request, and most desks never had them.
    const agreed = verdict === 'passed' && shown.transaction !== undefined;
    const reused = shown.reusedFrom !== undefined;
    const drawn =
      verdict === 'passed' ? 'check' : verdict === 'expired' || verdict === 'cancelled' ? 'clock' : 'close';
    return element(
      'div',
      { class: `verdict ${verdict}`, 'data-verdict': verdict, 'data-reused': reused },
      element('span', { class: 'seal' }, icon(drawn)),
      element(
        'div',
        {},
        element('h2', {}, agreed ? texts.agreed : reused ? texts.reused : texts.verdicts[verdict]),
        element('p', {}, agreed ? texts.agreedText : reused ? texts.reusedText : texts.verdictTexts[verdict]),
        factors.length === 0
          ? null
          : element('ul', { class: 'factors', 'aria-label': texts.factorsShown }, ...factors),
      ),
    );
  }

  #timeline(shown: Verification): HTMLElement {
    const { texts, language } = this.#desk;
    const clock = new Intl.DateTimeFormat(language, { timeStyle: 'medium' });
    const step = (name: string, at: number | null, reached: boolean): HTMLElement =>
      element(
        'li',
        { class: reached ? 'reached' : '' },
        element('span', {}, name),
        element('span', { class: 'soft small' }, at === null ? '' : clock.format(at * 1000)),
      );
    const took = shown.decidedAt === null ? null : shown.decidedAt - shown.startedAt;
    const answered =
      shown.state === 'accepted' || this.#acceptedAt !== null || BY_CUSTOMER.has(shown.verdict);
    return element(
      'div',
      { class: 'progress' },
      element('p', { class: 'now' }, took === null ? stateText(this.#desk, shown) : texts.took(took)),
      element(
        'ol',
        { class: 'timeline' },
        step(texts.steps.started, shown.startedAt, true),
        step(texts.steps.accepted, this.#acceptedAt, answered),
        step(texts.steps.decided, shown.decidedAt, shown.verdict !== null),
      ),
    );
  }

  #drawTime(): void {
    const shown = this.#shown;
    const bar = this.#body.querySelector('progress');
    const left = this.#body.querySelector('.left');
    if (shown === null || bar === null || left === null) return;
    const seconds = Math.max(0, (this.#deadline - performance.now()) / 1000);
    bar.value = seconds / (shown.expiresAt - shown.startedAt);
    left.textContent = minutesAndSeconds(seconds);
  }

  async #cancel(id: string, button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    try {
      this.#update(await this.#desk.agent.cancel(id));
      this.#desk.acted();
    } catch (error) {
      const over = error instanceof AkashiError && error.code === 'verification_over';
      if (!over) this.#problem = this.#desk.failure(error) ?? '';
      this.draw();
    }
  }
}

function stateText({ texts }: Desk, { verdict, state, later }: Verification): string {
  if (verdict !== null) return texts.verdicts[verdict];
  if (state === 'accepted') return texts.states.accepted;
  return later ? texts.states.later : texts.states.waiting;
}

/** Digit by digit for screen readers: not a number of hundreds of thousands. */
function spoken(code: string): string {
  return [...code].join(' ');
}

/** Notes on the element when the frame that shows it was handed over: what `--auto` measures to. */
function markPainted(shown: HTMLElement): void {
  if (shown.dataset.paintedAt !== undefined) return;
  requestAnimationFrame(() => {
    const afterPaint = new MessageChannel();
    afterPaint.port1.onmessage = () => {
      shown.dataset.paintedAt = String(performance.timeOrigin + performance.now());
      afterPaint.port1.close();
    };
    afterPaint.port2.postMessage(null);
  });
}
