import type { Transaction, TransactionLine } from '@akashi/circuits';
import { element } from '../element.ts';
import { type Language, money } from '../language.ts';
import type { Texts } from './texts.ts';

/** A transaction exactly as it was signed, as rows of a list of details. */
export function transactionRows(transaction: Transaction, texts: Texts, language: Language): HTMLElement[] {
  const { amount, currency, payee, lines } = transaction;
  const row = (name: string, className: string, value: Node | string): HTMLElement =>
    element('div', { class: className }, element('dt', {}, name), element('dd', {}, value));
  return [
    row(texts.rowTransaction, 'amount', money(amount, currency, language)),
    row(texts.rowPayee, '', payee),
    ...(lines === undefined ? [] : [row(texts.rowLines, 'lines', lineList(lines, currency, language))]),
  ];
}

function lineList(lines: readonly TransactionLine[], currency: string, language: Language): HTMLElement {
  return element(
    'ul',
    {},
    ...lines.map(({ text, quantity, amount }) =>
      element(
        'li',
        { class: 'line' },
        element('span', {}, quantity === 1 ? text : `${text}\u00a0×\u00a0${quantity}`),
        element('span', { class: 'figure' }, money(amount, currency, language)),
      ),
    ),
  );
}
