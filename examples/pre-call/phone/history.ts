import type { Transaction } from '@akashi/circuits';
import type { HistoryEntry } from '@akashi/sdk/holder';
import { element } from '../element.ts';
import { dateAndTime, inLanguage, type Language, money } from '../language.ts';
import type { Phone } from './phone.ts';
import { tenantName } from './request.ts';
import { settingsScreen } from './settings.ts';

/** Who asked, when, why, and what came of it. */
export async function showHistory(phone: Phone): Promise<void> {
  try {
    const entries = await phone.holder.history();
    phone.go(() => {
      const { texts } = phone.frame;
      return {
        title: texts.historyTitle,
        content: [
          element('p', { class: 'soft' }, entries.length === 0 ? texts.historyNone : texts.historyText),
          element('ul', { class: 'rows' }, ...entries.map((entry) => row(phone, entry))),
        ],
        back: () => phone.go(settingsScreen(phone)),
      };
    });
  } catch (error) {
    phone.fail(error, () => void showHistory(phone));
  }
}

function row(phone: Phone, { asked, seenAt, outcome }: HistoryEntry): HTMLElement {
  const { texts, language } = phone.frame;
  const tenant = tenantName(texts, asked);
  const { transaction } = asked;
  const who = asked.operator === null ? tenant : `${tenant} ${asked.operator}`;
  return element(
    'li',
    { class: 'row' },
    element(
      'span',
      {},
      element('strong', {}, inLanguage(asked.purpose.text, language)),
      transaction && element('span', { class: 'small' }, paid(transaction, language)),
      element('span', { class: 'soft small' }, who),
      element('span', { class: 'soft small' }, dateAndTime(seenAt, language)),
    ),
    element('span', { class: `outcome ${outcome}` }, texts.historyOutcomes[outcome]),
  );
}

function paid({ amount, currency, payee }: Transaction, language: Language): string {
  return `${money(amount, currency, language)} → ${payee}`;
}
