import { AkashiError } from '@akashi/circuits';
import type { EnrolPhase } from '@akashi/sdk/holder';
import { parseNewPin } from '@akashi/sdk/new-pin';
import { element } from '../element.ts';
import { digitEntry } from './digits.ts';
import type { Frame, Screen } from './frame.ts';
import { showLogin } from './login.ts';
import { offerPasskey } from './passkeys.ts';
import type { Phone } from './phone.ts';
import { progressScreen } from './progress.ts';
import type { Texts } from './texts.ts';

/**
 * The beginning of an enrolment.
 * @param link from a link that the bank sent; without one the bank is asked for it when the PIN is chosen
 */
export function startEnrolment(phone: Phone, link: string | null = null): void {
  const { frame } = phone;
  let further = false;
  const screen: Screen = () => {
    const { texts } = frame;
    const begin = (): void => choosePin(frame, phone, { onChosen: (pin) => void enrol(phone, pin, link) });
    return {
      title: texts.welcomeTitle,
      content: [
        element('p', {}, texts.welcomeText),
        element('ol', { class: 'steps' }, ...texts.welcomeSteps.map((step) => element('li', {}, step))),
        further ? element('p', { class: 'notice caution' }, texts.furtherDevice) : null,
      ],
      actions: [
        element('button', { class: 'primary', type: 'button', onclick: begin }, texts.welcomeStart),
        element(
          'button',
          { class: 'plain', type: 'button', onclick: () => void logOut(phone) },
          texts.logout,
        ),
      ],
    };
  };
  phone.go(screen, { busy: true });
  // Only a hint beside the text: the enrolment does not wait for it, nor fail with it.
  phone.bank
    .activeDevices()
    .then((active) => {
      further = active > 0;
      if (further && frame.isShowing(screen)) frame.refresh();
    })
    .catch(() => undefined);
}

/** Why a device that was enrolled has to be enrolled again, and the way there. */
export function reenrolScreen(phone: Phone, why: 'lost' | 'revoked' | 'forgot' | 'locked'): Screen {
  const begin = (): void => showLogin(phone, 'identify', () => startEnrolment(phone));
  return () => {
    const { texts } = phone.frame;
    const title = {
      lost: 'lostTitle',
      revoked: 'revokedTitle',
      forgot: 'forgotTitle',
      locked: 'lockedTitle',
    } as const;
    const text = {
      lost: 'lostText',
      revoked: 'revokedText',
      forgot: 'forgotText',
      locked: 'lockedText',
    } as const;
    return {
      title: texts[title[why]],
      mark: why === 'forgot' ? 'wait' : 'bad',
      content: [element('p', {}, texts[text[why]])],
      actions: [
        element('button', { class: 'primary', type: 'button', onclick: begin }, texts.enrolAgain),
        why === 'forgot' || why === 'locked'
          ? element('button', { class: 'plain', type: 'button', onclick: () => phone.home() }, texts.cancel)
          : null,
      ],
    };
  };
}

export interface ChoosePinOptions {
  readonly onChosen: (pin: string) => void;
  readonly title?: (texts: Texts) => string;
  readonly back?: () => void;
}

/** A new PIN, twice. What is too common is refused before the second time (`parseNewPin`). */
export function choosePin(
  frame: Frame,
  phone: Phone,
  options: ChoosePinOptions,
  problem?: keyof Texts,
): void {
  const back = options.back ?? (() => void phone.start());
  const choose: Screen = () => {
    const { texts } = frame;
    const { form, input } = digitEntry(frame, {
      kind: 'pin',
      label: texts.pinLabel,
      submit: texts.next,
      problem: problem === undefined ? undefined : String(texts[problem]),
      onSubmit: (typed) => {
        const refused = refusal(typed);
        if (refused === null) repeat(typed);
        else choosePin(frame, phone, options, refused);
      },
    });
    const title = options.title?.(texts) ?? texts.choosePinTitle;
    return { title, content: [hint(texts.choosePinText), form], focus: input, back };
  };
  const repeat = (first: string): void => {
    const again: Screen = () => {
      const { texts } = frame;
      const { form, input } = digitEntry(frame, {
        kind: 'pin',
        label: texts.pinLabel,
        submit: texts.next,
        onSubmit: (typed) => {
          if (typed === first) options.onChosen(typed);
          else choosePin(frame, phone, options, 'pinMismatch');
        },
      });
      const content = [hint(texts.repeatPinText), form];
      return {
        title: texts.repeatPinTitle,
        content,
        focus: input,
        back: () => choosePin(frame, phone, options),
      };
    };
    phone.go(again, { busy: true });
  };
  phone.go(choose, { busy: true });
}

/** What `digitEntry` is described by. */
export function hint(text: string): HTMLElement {
  return element('p', { id: 'hint', class: 'soft' }, text);
}

async function enrol(phone: Phone, pin: string, given: string | null): Promise<void> {
  const { frame, bank, holder } = phone;
  const phases: readonly EnrolPhase[] = ['registering', 'protecting', 'exchanging', 'storing', 'preparing'];
  const progress = progressScreen(frame, (texts) => ({ title: texts.enrolling, text: texts.provingText }));
  phone.go(progress.screen, { busy: true });
  try {
    const link = given ?? (await frame.during(bank.enrolment()));
    await frame.during(
      holder.enrol({
        link,
        pin,
        exchange: bank.accounts,
        onProgress: (phase) => progress.reach((phases.indexOf(phase) + 1) / (phases.length + 1)),
      }),
    );
    await phone.start();
    const home = (): void => phone.home(frame.texts.enrolled);
    if (!(await offerPasskey(phone, pin, home))) home();
  } catch (error) {
    if (error instanceof AkashiError && error.code === 'pin_weak') {
      choosePin(frame, phone, { onChosen: (next) => void enrol(phone, next, given) }, 'pinWeak');
    } else {
      // A link is good once: the next try asks the bank for another.
      phone.fail(error, () => void enrol(phone, pin, null));
    }
  }
}

function refusal(typed: string): keyof Texts | null {
  try {
    parseNewPin(typed);
    return null;
  } catch (error) {
    if (!(error instanceof AkashiError)) throw error;
    return typed.length < 4 ? 'pinLengthProblem' : 'pinWeak';
  }
}

async function logOut(phone: Phone): Promise<void> {
  await phone.frame.during(phone.bank.logOut());
  await phone.start();
}
