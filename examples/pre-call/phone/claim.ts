import type { Asked, CheckedRequest } from '@akashi/sdk/holder';
import { element } from '../element.ts';
import { countdown, deadlineIn } from './countdown.ts';
import { outcomeScreen } from './outcome.ts';
import type { Phone } from './phone.ts';
import { confirmReport, openRequest, tenantName } from './request.ts';

/** The six digits of a pre-call pass, to be said to the tenant and to nobody else. */
export function showClaim(
  phone: Phone,
  request: CheckedRequest,
  asked: Asked,
  claim: NonNullable<CheckedRequest['claim']>,
): void {
  const deadline = deadlineIn(claim.secondsLeft);
  const ended = (): void => phone.go(outcomeScreen(phone, 'claim-ended'));
  phone.go(
    () => {
      const { texts } = phone.frame;
      const report = (): void => confirmReport(phone, request);
      return {
        title: texts.claimTitle,
        content: [
          element('p', { class: 'notice caution' }, texts.claimOnly(tenantName(texts, asked))),
          // Read digit by digit, not as a number of hundreds of thousands.
          element('p', { class: 'claim', id: 'claim' }, spoken(claim.code), ...groups(claim.code)),
          element('p', {}, countdown(deadline, texts.claimLeft, ended)),
          element('p', { class: 'soft' }, texts.claimText),
        ],
        actions: [
          element('button', { class: 'primary', type: 'button', onclick: () => phone.home() }, texts.done),
          element(
            'button',
            { id: 'report', class: 'plain danger', type: 'button', onclick: report },
            texts.reportPrecall,
          ),
        ],
      };
    },
    {
      busy: true,
      request: {
        id: request.id,
        changed: (now) => {
          if (now.claim !== null) return;
          if (performance.now() < deadline) openRequest(phone, now);
          else ended();
        },
      },
    },
  );
}

function spoken(code: string): HTMLElement {
  return element('span', { class: 'visually-hidden' }, [...code].join(' '));
}

function groups(code: string): HTMLElement[] {
  return [code.slice(0, 3), code.slice(3)].map((group) => element('span', { 'aria-hidden': 'true' }, group));
}
