import { AkashiError, type FactId } from '@akashi/circuits';
import type { Asked, CheckedRequest } from '@akashi/sdk/holder';
import { element } from '../element.ts';
import { inLanguage, money } from '../language.ts';
import { answer } from './answer.ts';
import { showClaim } from './claim.ts';
import { countdown, deadlineIn } from './countdown.ts';
import { outcomeScreen } from './outcome.ts';
import type { Phone, Stay } from './phone.ts';
import type { Texts } from './texts.ts';

/** The screen for a request as it stands: to be answered, under way here, or over. */
export function openRequest(phone: Phone, request: CheckedRequest): void {
  const { asked, claim, verdict } = request;
  if (claim !== null && asked !== null) showClaim(phone, request, asked, claim);
  // Claimed, or void after a report in another tab: this side cannot tell, and says nothing that may be untrue.
  else if (verdict === 'passed' && asked?.mode === 'precall') phone.go(outcomeScreen(phone, 'claimed'));
  else if (verdict !== null) phone.go(outcomeScreen(phone, verdict));
  else if (request.state === 'done' || asked === null) phone.go(outcomeScreen(phone, 'over'));
  else if (request.state === 'accepted') answer(phone, request, asked);
  else showIncoming(phone, request, asked);
}

/** Keeps a screen at what the verifier says: over when it is over, further when another tab went on. */
export function stayAbout(phone: Phone, shown: CheckedRequest): Stay {
  return {
    busy: true,
    request: {
      id: shown.id,
      changed: (now) => {
        const moved = now.state !== shown.state && !(shown.state === 'pending' && now.later);
        if (moved) openRequest(phone, now);
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

/** Runs one of the customer's answers; a verdict that stood already is shown as what it is. */
export async function act(
  phone: Phone,
  id: string,
  button: HTMLButtonElement,
  call: () => Promise<CheckedRequest>,
  then: (request: CheckedRequest) => void,
): Promise<void> {
  try {
    then(await phone.frame.during(call(), button));
  } catch (error) {
    if (error instanceof AkashiError && error.code === 'verification_over') await reopen(phone, id);
    else phone.fail(error, () => void reopen(phone, id));
  }
}

function showIncoming(phone: Phone, request: CheckedRequest, asked: Asked): void {
  const { holder } = phone;
  const { id } = request;
  const deadline = deadlineIn(request.secondsLeft);
  const button = (
    text: string,
    className: string,
    name: string,
    onclick: (self: HTMLButtonElement) => void,
  ) => {
    const made = element(
      'button',
      { id: name, class: className, type: 'button', onclick: () => onclick(made) },
      text,
    );
    return made;
  };
  phone.go(
    () => {
      const { texts } = phone.frame;
      const precall = asked.mode === 'precall';
      return {
        title: precall ? texts.requestPrecallTitle : texts.requestTitle,
        content: [
          element('p', { class: 'from' }, texts.requestFrom(tenantName(texts, asked))),
          details(phone, asked, deadline, () => void reopen(phone, id)),
          element('p', { class: 'soft small' }, texts.factsPrivate),
        ],
        actions: [
          button(texts.accept, 'primary', 'accept', (self) =>
            act(
              phone,
              id,
              self,
              () => holder.accept(id),
              (now) => openRequest(phone, now),
            ),
          ),
          element(
            'div',
            { class: 'pair' },
            precall
              ? null
              : button(texts.later, '', 'later', (self) =>
                  act(
                    phone,
                    id,
                    self,
                    () => holder.later(id),
                    () => phone.home(),
                  ),
                ),
            button(texts.decline, '', 'decline', (self) =>
              act(
                phone,
                id,
                self,
                () => holder.decline(id),
                () => phone.go(outcomeScreen(phone, 'declined')),
              ),
            ),
          ),
          button(precall ? texts.reportPrecall : texts.report, 'plain danger', 'report', () =>
            confirmReport(phone, request),
          ),
        ],
        back: () => phone.home(),
      };
    },
    stayAbout(phone, request),
  );
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
  const proven: Readonly<Record<FactId, string>> = { pin: texts.factPin, account: texts.factAccount };
  return element(
    'dl',
    { class: 'details' },
    ...(operator === null ? [] : [row(texts.rowOperator, operator)]),
    row(texts.rowPurpose, inLanguage(asked.purpose.text, language)),
    row(texts.rowCall, call),
    ...(transaction === null
      ? []
      : [
          row(
            texts.rowTransaction,
            element('strong', {}, money(transaction.amount, transaction.currency, language)),
          ),
          row(texts.rowPayee, transaction.payee),
        ]),
    row(texts.rowFacts, element('ul', {}, ...asked.facts.map((fact) => element('li', {}, proven[fact])))),
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
