import type { Verdict } from '@akashi/circuits';
import type { Asked } from '@akashi/sdk/holder';
import { element } from '../element.ts';
import type { Screen, View } from './frame.ts';
import type { Phone } from './phone.ts';
import type { Texts } from './texts.ts';
import { transactionRows } from './transaction.ts';

export type Ending = Verdict | 'elsewhere' | 'over' | 'claimed' | 'claim-ended';

/** How a request can end, for the customer; with a transaction that was agreed to, what was agreed to. */
export function outcomeScreen(phone: Phone, ending: Ending, about: Asked | null = null): Screen {
  return () => {
    const { texts, language } = phone.frame;
    const agreed = ending === 'passed' ? (about?.transaction ?? null) : null;
    const renewable = ending === 'failed' && about !== null && isVouchedFor(about);
    const renewed = (): void => phone.home(texts.refreshed);
    const { title, text, mark } = agreed === null ? ENDINGS[ending] : AGREED;
    return {
      title: texts[title],
      mark,
      content: [
        element('p', { 'data-ending': ending }, texts[text]),
        agreed && element('dl', { class: 'details' }, ...transactionRows(agreed, texts, language)),
        renewable ? element('p', { class: 'soft' }, texts.renewText) : null,
      ],
      actions: [
        element(
          'button',
          { id: 'done', class: 'primary', type: 'button', onclick: () => phone.home() },
          texts.done,
        ),
        renewable ? renewButton(phone, renewed) : null,
      ],
    };
  };
}

/** Whether an issuer's word was part of it: it may have been taken back, which nobody tells the device. */
export function isVouchedFor({ facts, claims }: Asked): boolean {
  return facts.includes('account') || claims.length > 0;
}

/** Has everything vouched for anew, if whoever vouched for it still does. */
export function renewButton(phone: Phone, then: () => void): HTMLElement {
  const button = element('button', { id: 'renew', type: 'button' }, phone.frame.texts.renew);
  const renew = async (): Promise<void> => {
    const { screen } = phone.frame;
    button.disabled = true;
    try {
      await phone.renew();
      if (phone.frame.isShowing(screen)) then();
    } catch (error) {
      phone.fail(error, () => void renew());
    }
  };
  button.addEventListener('click', () => void renew());
  return button;
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
