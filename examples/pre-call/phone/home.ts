import type { CheckedRequest } from '@akashi/sdk/holder';
import { bankMark, element, icon } from '../element.ts';
import { inLanguage } from '../language.ts';
import { showNewerDevices } from './devices.ts';
import type { Screen } from './frame.ts';
import type { Phone } from './phone.ts';
import { choosePurpose } from './pre-call.ts';
import { settingsScreen } from './settings.ts';
import type { Texts } from './texts.ts';

/** Nobody is asking; or what is open and waits for the customer. */
export function homeScreen(phone: Phone, notice: string): Screen {
  return () => {
    const { texts } = phone.frame;
    return {
      title: phone.requests[0] === undefined ? texts.homeTitle : wordsFor(texts, phone.requests[0]),
      content: [
        notice === '' ? null : element('p', { class: 'notice', role: 'status' }, notice),
        phone.newerDevice ? newerDevice(phone) : null,
        element('ul', { class: 'rows' }, ...phone.requests.map((request) => waiting(phone, request))),
        element('p', { class: 'soft' }, texts.homeText),
        element('div', { class: 'emblem' }, bankMark()),
      ],
      actions: [
        element(
          'button',
          { id: 'precall', class: 'row', type: 'button', onclick: () => choosePurpose(phone) },
          element(
            'span',
            {},
            element('strong', {}, texts.beforeCall),
            element('span', { class: 'soft small' }, texts.beforeCallHint),
          ),
          icon('chevron'),
        ),
      ],
      settings: () => phone.go(settingsScreen(phone)),
    };
  };
}

function newerDevice(phone: Phone): HTMLElement {
  const { texts } = phone.frame;
  return element(
    'div',
    { class: 'notice caution' },
    element('p', {}, texts.newerDevice),
    element('button', { type: 'button', onclick: () => void showNewerDevices(phone) }, texts.newerDeviceOpen),
  );
}

function waiting(phone: Phone, request: CheckedRequest): HTMLElement {
  const { texts, language } = phone.frame;
  const { asked } = request;
  return element(
    'li',
    {},
    element(
      'button',
      { type: 'button', class: 'row marked', onclick: () => phone.open(request) },
      element(
        'span',
        {},
        element('strong', {}, asked === null ? '' : inLanguage(asked.purpose.text, language)),
        element('span', { class: 'soft small' }, wordsFor(texts, request)),
      ),
      element('span', { class: 'soft small' }, request.claim === null ? texts.openRequest : texts.showClaim),
    ),
  );
}

function wordsFor(texts: Texts, { claim, state, later }: CheckedRequest): string {
  if (claim !== null) return texts.heldClaim;
  if (state === 'accepted') return texts.continueRequest;
  return later ? texts.laterRequest : texts.waitingRequest;
}
