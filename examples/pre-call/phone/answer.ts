import { AkashiError, CODE_LENGTH, PIN_MIN_LENGTH } from '@akashi/circuits';
import type { Asked, CheckedRequest, PresentProgress } from '@akashi/sdk/holder';
import { element } from '../element.ts';
import { certificatesNeededScreen } from './certificates.ts';
import { digitEntry } from './digits.ts';
import { hint, reenrolScreen } from './enrolment.ts';
import { isVouchedFor, outcomeScreen, renewButton } from './outcome.ts';
import type { Phone } from './phone.ts';
import { progressScreen } from './progress.ts';
import { act, openRequest, reopen, stayAbout } from './request.ts';
import type { Texts } from './texts.ts';

/** What was typed so far for one verification. It lives in this tab and ends with the verification. */
interface Typed {
  readonly code?: string;
  readonly pin?: string;
}

/** From an accepted request to a verdict: the code the operator speaks (on a call), the PIN, the proof. */
export function answer(phone: Phone, request: CheckedRequest, asked: Asked): void {
  if (asked.mode === 'call') askCode(phone, request, asked);
  else if (asked.facts.includes('pin')) askPin(phone, request, asked, {});
  else void present(phone, request, asked, {});
}

function askCode(phone: Phone, request: CheckedRequest, asked: Asked, problem?: keyof Texts): void {
  phone.go(
    () => {
      const { texts } = phone.frame;
      const { form, input } = digitEntry(phone.frame, {
        kind: 'code',
        label: texts.codeLabel,
        submit: texts.next,
        problem: problem === undefined ? undefined : String(texts[problem]),
        onSubmit: (code) => {
          if (code.length !== CODE_LENGTH) askCode(phone, request, asked, 'codeLengthProblem');
          else if (asked.facts.includes('pin') && !phone.pinHeld.has(request.id))
            askPin(phone, request, asked, { code });
          else void present(phone, request, asked, { code });
        },
      });
      return {
        title: texts.codeTitle,
        content: [hint(texts.codeText), form],
        focus: input,
        back: () => phone.home(),
      };
    },
    stayAbout(phone, request),
  );
}

function askPin(
  phone: Phone,
  request: CheckedRequest,
  asked: Asked,
  typed: Typed,
  problem?: (texts: Texts) => string,
): void {
  phone.go(
    () => {
      const { texts } = phone.frame;
      const { form, input } = digitEntry(phone.frame, {
        kind: 'pin',
        label: texts.pinLabel,
        submit: texts.pinConfirm,
        problem: problem?.(texts),
        onSubmit: (pin) => {
          if (pin.length < PIN_MIN_LENGTH) askPin(phone, request, asked, typed, (t) => t.pinLengthProblem);
          else void present(phone, request, asked, { ...typed, pin });
        },
      });
      const forgotten = (): void => phone.go(reenrolScreen(phone, 'forgot'));
      return {
        title: texts.pinTitle,
        content: [hint(texts.pinText), form],
        actions: [
          element('button', { class: 'plain', type: 'button', onclick: forgotten }, texts.pinForgotten),
        ],
        focus: input,
        back: () => phone.home(),
      };
    },
    stayAbout(phone, request),
  );
}

async function present(phone: Phone, request: CheckedRequest, asked: Asked, typed: Typed): Promise<void> {
  const { frame, holder } = phone;
  const progress = progressScreen(frame, (texts) => ({ title: texts.provingTitle, text: texts.provingText }));
  phone.go(progress.screen, { busy: true });
  try {
    const onProgress = (now: PresentProgress): void => progress.reach(...partOf(now));
    const outcome = await frame.during(holder.present(request.id, { ...typed, onProgress }));
    phone.pinHeld.add(request.id);
    if (outcome.state === 'accepted') showAttemptFailed(phone, outcome, asked);
    else openRequest(phone, outcome);
  } catch (error) {
    const code = error instanceof AkashiError ? error.code : 'other';
    const left = error instanceof AkashiError ? (error.triesLeft ?? 0) : 0;
    if (code === 'pin_wrong' && left > 0) {
      askPin(phone, request, asked, typed, (texts) => texts.pinWrong(left));
    } else if (code === 'pin_wrong') {
      phone.go(reenrolScreen(phone, 'locked'));
    } else if (code === 'claim_unknown') {
      phone.go(certificatesNeededScreen(phone, request), stayAbout(phone, request));
    } else if (code === 'claim_unmet') {
      showUnmet(phone, request);
    } else if (code === 'verification_over' || code === 'attempt_used') {
      await reopen(phone, request.id);
    } else {
      // The same again is safe: neither a try nor an attempt is used up twice (docs/protocol.md, section 5).
      phone.fail(error, () => void present(phone, request, asked, typed));
    }
  }
}

function partOf({ phase, done, total }: PresentProgress): [number, (texts: Texts) => string] {
  if (phase === 'pin') return [0.1, (texts) => texts.provingPin];
  if (phase === 'passkey') return [0.15, (texts) => texts.passkeyConfirm];
  if (phase === 'sending') return [0.95, (texts) => texts.provingSend];
  return [0.2 + (0.7 * done) / total, (texts) => texts.provingProof];
}

/** What this device holds does not meet what is asked, and another try would not change that. */
function showUnmet(phone: Phone, request: CheckedRequest): void {
  phone.go(
    () => {
      const { texts } = phone.frame;
      return {
        title: texts.claimUnmetTitle,
        mark: 'bad',
        content: [element('p', { 'data-failure': 'claim_unmet' }, texts.claimUnmetText)],
        actions: [
          declineButton(phone, request, 'primary'),
          element('button', { class: 'plain', type: 'button', onclick: () => phone.home() }, texts.home),
        ],
      };
    },
    stayAbout(phone, request),
  );
}

function declineButton(phone: Phone, request: CheckedRequest, className: string): HTMLElement {
  const decline = element('button', { class: className, type: 'button' }, phone.frame.texts.decline);
  decline.addEventListener('click', () => {
    const declined = (): void => phone.go(outcomeScreen(phone, 'declined'));
    void act(phone, request.id, decline, () => phone.holder.decline(request.id), declined);
  });
  return decline;
}

/** The verifier does not say why. What this device can do about it: another code, and what was vouched for anew. */
function showAttemptFailed(phone: Phone, request: CheckedRequest, asked: Asked): void {
  phone.go(
    () => {
      const { texts } = phone.frame;
      const again = (): void => answer(phone, request, asked);
      const text = asked.mode === 'call' ? texts.attemptFailedText : texts.attemptFailedPrecallText;
      return {
        title: texts.attemptFailedTitle,
        mark: 'bad',
        content: [
          element('p', {}, text(request.attemptsLeft ?? 0)),
          isVouchedFor(asked) ? element('p', { class: 'soft' }, texts.renewText) : null,
        ],
        actions: [
          element(
            'button',
            { id: 'again', class: 'primary', type: 'button', onclick: again },
            asked.mode === 'call' ? texts.enterCodeAgain : texts.tryAgain,
          ),
          isVouchedFor(asked) ? renewButton(phone, again) : null,
          declineButton(phone, request, 'plain'),
        ],
      };
    },
    stayAbout(phone, request),
  );
}
