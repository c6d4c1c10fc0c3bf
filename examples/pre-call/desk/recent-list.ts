import type { Verification } from '@akashi/circuits';
import { element } from '../element.ts';
import { inLanguage } from '../language.ts';
import type { Desk } from './desk.ts';

/** The operator's own verifications, newest first; each can be taken in hand again. */
export function recentList(desk: Desk): Node[] {
  const { texts, recent } = desk;
  const rows = recent.slice(0, 8).map((verification) => row(desk, verification));
  return [
    element('h2', { id: 'recent-title' }, texts.recentTitle),
    rows.length === 0 ? element('p', { class: 'soft' }, texts.recentNone) : element('ul', {}, ...rows),
  ];
}

function row(desk: Desk, verification: Verification): HTMLElement {
  const { texts, language, policies } = desk;
  const purposes = policies.flatMap((policy) => policy.purposes);
  const purpose = purposes.find(({ id }) => id === verification.purpose);
  const clock = new Intl.DateTimeFormat(language, { timeStyle: 'short' });
  const { verdict } = verification;
  return element(
    'li',
    {},
    element(
      'button',
      { class: 'plain', type: 'button', onclick: () => desk.take(verification) },
      element('span', { class: 'soft' }, clock.format(verification.startedAt * 1000)),
      element('strong', {}, verification.subject),
      element(
        'span',
        { class: 'soft purpose' },
        purpose === undefined ? '' : inLanguage(purpose.text, language),
      ),
      element(
        'span',
        { class: `outcome ${verdict ?? 'open'}` },
        verdict === null ? texts.open : texts.verdicts[verdict],
      ),
    ),
  );
}
