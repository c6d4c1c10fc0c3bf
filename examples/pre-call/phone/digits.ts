import { CODE_LENGTH, PIN_MAX_LENGTH } from '@akashi/circuits';
import { element, icon } from '../element.ts';
import type { Frame } from './frame.ts';

export interface DigitsOptions {
  readonly label: string;
  /** A PIN is shown as dots; a code in the open. */
  readonly kind: 'pin' | 'code';
  readonly submit: string;
  /** Why the last entry was not taken. */
  readonly problem?: string | undefined;
  /** Gets ASCII digits only. */
  readonly onSubmit: (digits: string, button: HTMLButtonElement) => void;
}

export interface Digits {
  readonly form: HTMLFormElement;
  readonly input: HTMLInputElement;
}

/**
 * Entry of a PIN or a code: one real input, so that hardware keyboards, pasting and screen readers work as usual,
 * under cells that show what was typed, and keys of our own. The system's keyboard stays closed (`inputmode`): keys that
 * never move keep the thumb in place.
 */
export function digitEntry(frame: Frame, options: DigitsOptions): Digits {
  const max = options.kind === 'code' ? CODE_LENGTH : PIN_MAX_LENGTH;
  const problem = element('p', { id: 'problem', class: 'problem', role: 'alert' }, options.problem ?? '');
  const cells = element('span', { class: `cells ${options.kind}`, 'aria-hidden': 'true' });
  const input = element('input', {
    id: 'digits',
    class: 'typed',
    name: options.kind,
    type: options.kind === 'pin' ? 'password' : 'text',
    inputmode: 'none',
    // For the PIN too: it keeps browsers from offering to store it with their passwords.
    autocomplete: 'one-time-code',
    'aria-label': options.label,
    'aria-describedby': 'hint problem',
    'aria-invalid': (options.problem ?? '') === '' ? undefined : 'true',
  });
  const submit = element('button', { id: 'submit', class: 'primary', type: 'submit' }, options.submit);

  const draw = (): void => cells.replaceChildren(...cellsOf(options.kind, input.value));
  const take = (typed: string): void => {
    // Japanese keyboards send full-width digits; NFKC makes them ASCII.
    input.value = typed
      .normalize('NFKC')
      .replaceAll(/[^0-9]/g, '')
      .slice(0, max);
    if (problem.textContent !== '') problem.textContent = '';
    input.removeAttribute('aria-invalid');
    draw();
  };
  input.addEventListener('input', (event) => {
    if (!(event instanceof InputEvent && event.isComposing)) take(input.value);
  });
  input.addEventListener('compositionend', () => take(input.value));

  const form = element(
    'form',
    {
      class: 'digits',
      novalidate: true,
      onsubmit: (event: Event) => {
        event.preventDefault();
        if (!submit.disabled) options.onSubmit(input.value, submit);
      },
    },
    element('span', { class: 'entry' }, cells, input),
    problem,
    keypad(frame, (key) => {
      take(key === 'erase' ? input.value.slice(0, -1) : input.value + key);
      frame.announce(frame.texts.digitsEntered(input.value.length));
    }),
    submit,
  );
  draw();
  return { form, input };
}

/** A code fills six boxes; a PIN, whose length is nobody's business, as many dots as it has. */
function cellsOf(kind: 'pin' | 'code', typed: string): HTMLElement[] {
  const shown = kind === 'code' ? CODE_LENGTH : Math.max(6, typed.length);
  return Array.from({ length: shown }, (_, place) => {
    const digit = typed[place];
    const state = digit !== undefined ? 'full' : place === typed.length ? 'next' : 'empty';
    return element('span', { class: `cell ${state}` }, kind === 'code' ? (digit ?? '') : '');
  });
}

function keypad(frame: Frame, press: (key: string) => void): HTMLElement {
  const key = (name: string): HTMLButtonElement =>
    element(
      'button',
      {
        type: 'button',
        'aria-label': name === 'erase' ? frame.texts.erase : undefined,
        // Keeps the focus in the input, so that keys and keyboard can be mixed.
        onpointerdown: (event: Event) => event.preventDefault(),
        onclick: () => press(name),
      },
      name === 'erase' ? icon('erase') : name,
    );
  const digits = ['1', '2', '3', '4', '5', '6', '7', '8', '9'].map(key);
  return element(
    'div',
    { class: 'keypad', role: 'group', 'aria-label': frame.texts.keypad },
    ...digits,
    element('span'),
    key('0'),
    key('erase'),
  );
}
