import type { Transaction, Verdict } from '@akashi/circuits';
import { element } from '../element.ts';
import type { Screen, View } from './frame.ts';
import type { Phone } from './phone.ts';
import type { Texts } from './texts.ts';
import { transactionRows } from './transaction.ts';

export type Ending = Verdict | 'elsewhere' | 'over' | 'claimed' | 'claim-ended';

/** How a request can end, for the customer; with a transaction that was agreed to, what was agreed to. */
export function outcomeScreen(phone: Phone, ending: Ending, about?: Transaction | null): Screen {
  return () => {
    const { texts, language } = phone.frame;
    const agreed = ending === 'passed' ? (about ?? null) : null;
    const { title, text, mark } = agreed === null ? ENDINGS[ending] : AGREED;
    return {
      title: texts[title],
      mark,
      content: [
        element('p', { 'data-ending': ending }, texts[text]),
        agreed && element('dl', { class: 'details' }, ...transactionRows(agreed, texts, language)),
      ],
      actions: [
        element(
          'button',
          { id: 'done', class: 'primary', type: 'button', onclick: () => phone.home() },
          texts.done,
        ),
      ],
    };
  };
}

type TextName = { [K in keyof Texts]: Texts[K] extends string ? K : never }[keyof Texts];

interface Words {
  readonly title: TextName;
  readonly text: TextName;
  readonly mark: NonNullable<View['mark']>;
}

const AGREED: Words = { title: 'agreedTitle', text: 'agreedText', mark: 'good' };

const ENDINGS: Readonly<Record<Ending, Words>> = {
  passed: { title: 'passedTitle', text: 'passedText', mark: 'good' },
  claimed: { title: 'claimedTitle', text: 'claimedText', mark: 'good' },
  failed: { title: 'failedTitle', text: 'failedText', mark: 'bad' },
  declined: { title: 'declinedTitle', text: 'declinedText', mark: 'wait' },
  reported: { title: 'reportedTitle', text: 'reportedText', mark: 'good' },
  expired: { title: 'expiredTitle', text: 'expiredText', mark: 'wait' },
  cancelled: { title: 'cancelledTitle', text: 'cancelledText', mark: 'wait' },
  elsewhere: { title: 'elsewhereTitle', text: 'elsewhereText', mark: 'wait' },
  over: { title: 'overTitle', text: 'overText', mark: 'wait' },
  'claim-ended': { title: 'claimEndedTitle', text: 'claimEndedText', mark: 'wait' },
};

/** Something did not work: what it was, in plain words, and the way to try again. */
export function failureScreen(phone: Phone, code: string, again: () => void): Screen {
  return () => {
    const { texts } = phone.frame;
    return {
      title: texts.failureTitle,
      mark: 'bad',
      content: [element('p', { 'data-failure': code }, texts.failures[code] ?? texts.failures.other)],
      actions: [
        element('button', { id: 'again', class: 'primary', type: 'button', onclick: again }, texts.tryAgain),
        element('button', { class: 'plain', type: 'button', onclick: () => void phone.start() }, texts.home),
      ],
    };
  };
}
