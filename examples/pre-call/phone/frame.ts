import { bankMark, element, icon } from '../element.ts';
import { chosenLanguage, type Language, rememberLanguage } from '../language.ts';
import { TEXTS, type Texts } from './texts.ts';

/** One screen, as the frame puts it on the page. */
export interface View {
  readonly title: string;
  readonly content: readonly (Node | null)[];
  /** At the bottom of the screen, within reach of a thumb. */
  readonly actions?: readonly (Node | null)[];
  readonly mark?: 'good' | 'bad' | 'wait';
  readonly back?: (() => void) | undefined;
  readonly settings?: (() => void) | undefined;
  /** What gets the focus; the title if nothing is named. */
  readonly focus?: HTMLElement;
}

/** Makes its view anew when asked, in the language of the moment: what must last lives outside of it. */
export type Screen = () => View;

const SLOW_MS = 4000;

/** The page around the screens: header, language, connection, focus, title. */
export class Frame {
  readonly #header = element('header', { class: 'header' });
  readonly #connection = element('p', { class: 'connection', role: 'status' });
  readonly #announcer = element('p', { class: 'visually-hidden', role: 'status' });
  readonly #main = element('main', { class: 'main' });
  readonly #storage: Storage;
  #language: Language;
  #screen: Screen = () => ({ title: this.texts.opening, content: [] });
  #slow = 0;
  #unreachable = false;

  constructor(root: HTMLElement, storage: Storage, preferred: readonly string[]) {
    this.#storage = storage;
    this.#language = chosenLanguage(storage, preferred);
    root.replaceChildren(this.#header, this.#connection, this.#main, this.#announcer);
    addEventListener('online', () => this.#renderConnection());
    addEventListener('offline', () => this.#renderConnection());
    addEventListener('storage', () => this.#use(chosenLanguage(storage, preferred)));
    this.refresh();
  }

  get language(): Language {
    return this.#language;
  }

  get texts(): Texts {
    return TEXTS[this.#language];
  }

  get screen(): Screen {
    return this.#screen;
  }

  /** Turns to another screen: scroll to its top, focus, and the page's title follow. */
  show(screen: Screen): void {
    this.#screen = screen;
    const focus = this.#render();
    scrollTo(0, 0);
    // Where the page is one of two frames, what arrives on the phone must not take the keyboard from the desk.
    if (document.hasFocus()) focus.focus({ preventScroll: true });
  }

  /** The same screen again, for another language or newer data; the focus stays where it can. */
  refresh(): void {
    const focused = document.activeElement?.id ?? '';
    this.#render();
    if (focused !== '') document.getElementById(focused)?.focus({ preventScroll: true });
  }

  isShowing(screen: Screen): boolean {
    return this.#screen === screen;
  }

  /** Said by screen readers; nothing is seen. */
  announce(text: string): void {
    this.#announcer.textContent = text;
  }

  /** Whether the last call of the background reached the verifier. */
  reachable(yes: boolean): void {
    this.#unreachable = !yes;
    this.#renderConnection();
  }

  /** Waits for `work` with `button` at rest, and says so when it takes long. */
  async during<T>(work: Promise<T>, button?: HTMLButtonElement): Promise<T> {
    if (button !== undefined) button.disabled = true;
    let slow = 0;
    const timer = setTimeout(() => {
      slow = 1;
      this.#addSlow(slow);
    }, SLOW_MS);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
      this.#addSlow(-slow);
      if (button !== undefined) button.disabled = false;
    }
  }

  #addSlow(change: number): void {
    this.#slow += change;
    this.#renderConnection();
  }

  #use(language: Language): void {
    if (language === this.#language) return;
    this.#language = language;
    this.refresh();
  }

  #render(): HTMLElement {
    const view = this.#screen();
    const { texts } = this;
    document.documentElement.lang = this.#language;
    document.title = `${view.title} | ${texts.bank}`;
    this.#header.replaceChildren(...this.#headerOf(view));
    const title = element('h1', { id: 'title', tabindex: -1 }, view.title);
    this.#main.replaceChildren(
      element(
        'div',
        { class: 'content' },
        view.mark === undefined ? null : markOf(view.mark),
        title,
        ...view.content,
      ),
      element('div', { class: 'actions' }, ...(view.actions ?? [])),
    );
    this.#renderConnection();
    return view.focus ?? title;
  }

  #headerOf(view: View): Node[] {
    const { texts } = this;
    const other: Language = this.#language === 'ja' ? 'en' : 'ja';
    const switchLanguage = (): void => {
      rememberLanguage(this.#storage, other);
      this.#use(other);
    };
    return [
      view.back === undefined
        ? element('span', { class: 'brand' }, bankMark(), texts.bank)
        : element(
            'button',
            { id: 'back', class: 'plain', type: 'button', onclick: view.back },
            icon('back'),
            texts.back,
          ),
      element(
        'span',
        { class: 'tools' },
        element(
          'button',
          { id: 'language', class: 'plain', type: 'button', lang: other, onclick: switchLanguage },
          texts.language,
        ),
        view.settings === undefined
          ? null
          : element(
              'button',
              {
                id: 'settings',
                class: 'plain',
                type: 'button',
                'aria-label': texts.settings,
                onclick: view.settings,
              },
              icon('menu'),
            ),
      ),
    ];
  }

  #renderConnection(): void {
    const { texts } = this;
    const offline = !navigator.onLine || this.#unreachable;
    const text = offline ? texts.offline : this.#slow > 0 ? texts.slow : '';
    if (this.#connection.textContent !== text) this.#connection.textContent = text;
  }
}

function markOf(mark: 'good' | 'bad' | 'wait'): HTMLElement {
  const drawn = { good: 'check', bad: 'close', wait: 'clock' } as const;
  return element('span', { class: `mark-${mark}` }, icon(drawn[mark]));
}
