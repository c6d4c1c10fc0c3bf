import { AkashiError, PIN_MIN_LENGTH } from '@akashi/circuits';
import { digitEntry } from './digits.ts';
import { choosePin, hint } from './enrolment.ts';
import type { Phone } from './phone.ts';
import { progressScreen } from './progress.ts';
import { settingsScreen } from './settings.ts';
import type { Texts } from './texts.ts';

/** The old PIN, the new one twice, and a proof of the old one (docs/protocol.md, section 5). */
export function changePin(phone: Phone, problem?: (texts: Texts) => string): void {
  const { frame } = phone;
  const back = (): void => phone.go(settingsScreen(phone));
  phone.go(
    () => {
      const { texts } = frame;
      const { form, input } = digitEntry(frame, {
        kind: 'pin',
        label: texts.pinLabel,
        submit: texts.next,
        problem: problem?.(texts),
        onSubmit: (current) => {
          if (current.length < PIN_MIN_LENGTH) return changePin(phone, (t) => t.pinLengthProblem);
          choosePin(frame, phone, {
            title: (t) => t.changePinNextTitle,
            back,
            onChosen: (next) => void change(phone, current, next),
          });
        },
      });
      return { title: texts.changePinCurrentTitle, content: [hint(texts.pinText), form], focus: input, back };
    },
    { busy: true },
  );
}

async function change(phone: Phone, current: string, next: string): Promise<void> {
  const { frame, holder } = phone;
  const progress = progressScreen(frame, (texts) => ({
    title: texts.changePinWorking,
    text: texts.provingText,
  }));
  phone.go(progress.screen, { busy: true });
  try {
    await frame.during(holder.changePin({ current, next }));
    phone.go(settingsScreen(phone, frame.texts.changePinDone));
  } catch (error) {
    const left = error instanceof AkashiError && error.code === 'pin_wrong' ? (error.triesLeft ?? 0) : 0;
    if (left > 0) changePin(phone, (texts) => texts.pinWrong(left));
    else phone.fail(asLocked(error), () => void change(phone, current, next));
  }
}

/** The last try was a wrong one: from here on the verifier would say so. */
function asLocked(error: unknown): unknown {
  return error instanceof AkashiError && error.code === 'pin_wrong' ? new AkashiError('pin_locked') : error;
}
