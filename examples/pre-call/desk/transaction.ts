import type { Verification } from '@akashi/circuits';
import { element } from '../element.ts';
import { money } from '../language.ts';
import type { Desk } from './desk.ts';

/** What the desk may show of a transaction while it is open; most of the time that there is one. */
export function transactionNote(
  { texts, language }: Desk,
  { transaction }: Verification,
): HTMLElement | null {
  if (transaction === undefined) return null;
  const { figures } = transaction;
  if (figures === undefined) return element('p', { class: 'transaction' }, texts.transactionHidden);
  return element(
    'p',
    { class: 'transaction' },
    element('strong', {}, money(figures.amount, figures.currency, language)),
    ' ',
    texts.transactionTo(figures.payee),
  );
}
