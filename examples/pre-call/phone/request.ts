import { AkashiError } from '@akashi/circuits';
import { type Asked, type CheckedRequest, claimText } from '@akashi/sdk/holder';
import { element } from '../element.ts';
import { inLanguage, today, unbroken } from '../language.ts';
import { answer } from './answer.ts';
import { showClaim } from './claim.ts';
import { countdown, deadlineIn } from './countdown.ts';
import { outcomeScreen } from './outcome.ts';
import type { Phone, Stay } from './phone.ts';
import type { Texts } from './texts.ts';
import { transactionRows } from './transaction.ts';

/** The screen for a request as it stands: to be answered, under way here, or over. */
export function openRequest(phone: Phone, request: CheckedRequest): void {
  const { asked, claim, verdict } = request;
  if (claim !== null && asked !== null) showClaim(phone, request, asked, claim);
  // Claimed, or void after a report in another tab: this side cannot tell, and says nothing that may be untrue.
  else if (verdict === 'passed' && asked?.mode === 'precall') phone.go(outcomeScreen(phone, 'claimed'));
  else if (verdict !== null) phone.go(outcomeScreen(phone, verdict, asked));
  else if (request.state === 'done' || asked === null) phone.go(outcomeScreen(phone, 'over'));
  else if (request.state === 'accepted') answer(phone, request, asked);
  else showIncoming(phone, request, asked);
}

const STATES: readonly CheckedRequest['state'][] = ['pending', 'accepted', 'done'];

/** Keeps a screen at what the verifier says: over when it is over, further when another tab went on. */
export function stayAbout(phone: Phone, shown: CheckedRequest): Stay {
  return {
    busy: true,
    request: {
      id: shown.id,
      changed: (now) => {
        // Forward only: an answer that was on its way while the customer accepted says `pending`.
        if (STATES.indexOf(now.state) > STATES.indexOf(shown.state)) openRequest(phone, now);
      },
    },
  };
}

/** Reads the request again and shows what became of it. */
export async function reopen(phone: Phone, id: string): Promise<void> {
  try {
    openRequest(phone, await phone.frame.during(phone.holder.request(id)));
  } catch (error) {
    phone.fail(error, () => void reopen(phone, id));
  }
}

/**
 * Runs one of the customer's answers; a verdict that stood already is shown as what it is. Whoever watches the request may hear
 * of the answer first and have gone on: what is typed there by now must stay.
 */
export async function act(
  phone: Phone,
  id: string,
  button: HTMLButtonElement,
  call: () => Promise<CheckedRequest>,
  then: (request: CheckedRequest) => void,
): Promise<void> {
  const { frame } = phone;
  const { screen } = frame;
  try {
    const request = await frame.during(call(), button);
    if (frame.isShowing(screen)) then(request);
  } catch (error) {
    if (!frame.isShowing(screen)) return;
    if (error instanceof AkashiError && error.code === 'verification_over') await reopen(phone, id);
    else phone.fail(error, () => void reopen(phone, id));
  }
}

function showIncoming(phone: Phone, request: CheckedRequest, asked: Asked): void {
  const deadline = deadlineIn(request.secondsLeft);
  phone.go(
    () => {
      const { texts } = phone.frame;
      return {
        title: titleOf(texts, asked),
        content: [
          element('p', { class: 'from' }, texts.requestFrom(tenantName(texts, asked))),
          details(phone, asked, deadline, () => void reopen(phone, request.id)),
          element(
            'p',
            { class: 'soft small' },
            asked.claims.length > 0 ? texts.claimsPrivate : texts.factsPrivate,
          ),
        ],
        actions: choices(phone, request, asked),
        back: () => phone.home(),
      };
    },
    stayAbout(phone, request),
  );
}

function titleOf(texts: Texts, { mode, transaction }: Asked): string {
  if (transaction !== null) return texts.requestTransactionTitle;
  return mode === 'precall' ? texts.requestPrecallTitle : texts.requestTitle;
}

/** What the customer can answer. Nobody asks for later what they are just starting themselves. */
function choices(phone: Phone, request: CheckedRequest, asked: Asked): Node[] {
  const { holder, frame } = phone;
  const { texts } = frame;
  const precall = asked.mode === 'precall';
  const choice = (
    verb: 'accept' | 'later' | 'decline',
    className: string,
    then: (now: CheckedRequest) => void,
  ): HTMLElement => {
    const button = element('button', { id: verb, class: className, type: 'button' }, texts[verb]);
    button.addEventListener('click', () => {
      void act(phone, request.id, button, () => holder[verb](request.id), then);
    });
    return button;
  };
  const report = (): void => confirmReport(phone, request);
  return [
    choice('accept', 'primary', (now) => openRequest(phone, now)),
    element(
      'div',
      { class: 'pair' },
      precall ? null : choice('later', '', () => phone.home()),
      choice('decline', '', () => phone.go(outcomeScreen(phone, 'declined'))),
    ),
    element(
      'button',
      { id: 'report', class: 'plain danger', type: 'button', onclick: report },
      precall ? texts.reportPrecall : texts.report,
    ),
  ];
}

/** Who asks, as the reader's language has it. */
export function tenantName(texts: Texts, { tenant }: Asked): string {
  return texts.tenants[tenant.id] ?? tenant.name;
}

function details(phone: Phone, asked: Asked, deadline: number, over: () => void): HTMLElement {
  const { texts, language } = phone.frame;
  const row = (name: string, ...value: (Node | string)[]): HTMLElement =>
    element('div', {}, element('dt', {}, name), element('dd', {}, ...value));
  const { operator, transaction } = asked;
  const call = asked.mode === 'precall' ? texts.noCallYet : texts[asked.direction];
  const proven = [
    ...(asked.facts.includes('pin') ? [texts.factPin] : []),
    ...(asked.facts.includes('account') ? [texts.factAccount] : []),
    ...asked.claims.map((claim) => unbroken(claimText(claim, language, today()))),
    ...(asked.facts.includes('passkey') ? [texts.factPasskey] : []),
  ];
  return element(
    'dl',
    { class: 'details' },
    // What money is about comes first: nobody should have to look for it.
    ...(transaction === null ? [] : transactionRows(transaction, texts, language)),
    ...(operator === null ? [] : [row(texts.rowOperator, operator)]),
    row(texts.rowPurpose, inLanguage(asked.purpose.text, language)),
    row(texts.rowCall, call),
    element(
      'div',
      // Conditions are whole sentences: they need the width.
      { class: asked.claims.length > 0 ? 'wide' : '' },
      element('dt', {}, texts.rowFacts),
      element('dd', {}, element('ul', {}, ...proven.map((line) => element('li', {}, line)))),
    ),
    row(
      texts.rowTimeLeft,
      countdown(deadline, (time) => time, over),
    ),
  );
}

/** A report stops everything and raises an alert: it asks once more. */
export function confirmReport(phone: Phone, request: CheckedRequest): void {
  const { holder } = phone;
  phone.go(
    () => {
      const { texts } = phone.frame;
      const confirm = element(
        'button',
        { id: 'confirm-report', class: 'danger', type: 'button' },
        texts.reportConfirm,
      );
      confirm.addEventListener('click', () => {
        const reported = (): void => phone.go(outcomeScreen(phone, 'reported'));
        void act(phone, request.id, confirm, () => holder.report(request.id), reported);
      });
      const back = (): void => void reopen(phone, request.id);
      return {
        title: texts.reportConfirmTitle,
        content: [element('p', {}, texts.reportConfirmText)],
        actions: [confirm, element('button', { class: 'plain', type: 'button', onclick: back }, texts.back)],
      };
    },
    stayAbout(phone, request),
  );
}
