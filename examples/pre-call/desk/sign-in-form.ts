import { element } from '../element.ts';
import type { Desk } from './desk.ts';

/** For whoever has a link but not in the address bar, or came back after the session was over. */
export function signInForm(desk: Desk, problem: 'signInRefused' | 'sessionEnded' | null): HTMLElement {
  const { texts } = desk;
  const link = element('input', {
    id: 'link',
    class: 'field',
    type: 'text',
    autocomplete: 'off',
    required: true,
  });
  const form = element(
    'form',
    {
      class: 'sign-in',
      onsubmit: (event: Event) => {
        event.preventDefault();
        void desk.signIn(link.value.trim());
      },
    },
    element('h1', {}, texts.signInTitle),
    problem === null ? null : element('p', { class: 'notice caution', role: 'alert' }, texts[problem]),
    element('p', { class: 'soft' }, texts.signInText),
    element('label', { for: 'link' }, texts.signInLink),
    link,
    element('button', { class: 'primary', type: 'submit' }, texts.signIn),
  );
  return element('main', { class: 'signed-out' }, form);
}
