import { AkashiError, PIN_MIN_LENGTH } from '@akashi/circuits';
import type { HolderStatus } from '@akashi/sdk/holder';
import { element } from '../element.ts';
import { dateAndTime } from '../language.ts';
import { digitEntry } from './digits.ts';
import { hint } from './enrolment.ts';
import type { Phone } from './phone.ts';
import { progressScreen } from './progress.ts';
import { settingsScreen } from './settings.ts';
import type { Texts } from './texts.ts';

/** Whether a passkey can be made here: the bank uses them, the phone can, and no other site's frame is around the page. */
async function canAdd(phone: Phone, { passkeysOffered }: HolderStatus): Promise<boolean> {
  return passkeysOffered && window.top === window && (await phone.holder.canMakePasskeys());
}

/** After an enrolment, while the PIN is still known. @returns false: there is nothing to offer */
export async function offerPasskey(phone: Phone, pin: string, done: () => void): Promise<boolean> {
  const status = await phone.frame.during(phone.holder.status()).catch(() => null);
  if (status === null || !(await canAdd(phone, status))) return false;
  phone.go(
    () => {
      const { texts } = phone.frame;
      const begin = (): void => void add(phone, pin, done);
      return {
        title: texts.passkeyOfferTitle,
        mark: 'good',
        content: [
          element('p', {}, texts.passkeyOfferText),
          element('p', { class: 'soft' }, texts.passkeyStays),
        ],
        actions: [
          element(
            'button',
            { id: 'add-passkey', class: 'primary', type: 'button', onclick: begin },
            texts.passkeyAdd,
          ),
          element(
            'button',
            { id: 'no-passkey', class: 'plain', type: 'button', onclick: done },
            texts.notNow,
          ),
        ],
      };
    },
    { busy: true },
  );
  return true;
}

/** The passkeys of this device, from the settings. */
export async function showPasskeys(phone: Phone, notice = ''): Promise<void> {
  const { frame, holder } = phone;
  try {
    const status = await frame.during(holder.status());
    const addable = await canAdd(phone, status);
    phone.go(() => {
      const { texts, language } = frame;
      const rows = status.passkeys.map(({ passkey, createdAt, usable }) => {
        const remove = element('button', { class: 'danger', type: 'button' }, texts.passkeyRemove);
        remove.addEventListener('click', () => void removePasskey(phone, passkey, remove));
        const since = texts.deviceSince(dateAndTime(createdAt, language));
        return element('li', { class: 'row' }, usable ? since : texts.passkeyUnusable(since), remove);
      });
      const begin = (): void => askPin(phone);
      const empty = addable ? texts.passkeyNone : texts.passkeyImpossible;
      return {
        title: texts.passkeys,
        content: [
          notice === '' ? null : element('p', { class: 'notice', role: 'status' }, notice),
          element('p', { class: 'soft' }, rows.length === 0 ? empty : texts.passkeyStays),
          element('ul', { class: 'rows' }, ...rows),
        ],
        actions: addable
          ? [
              element(
                'button',
                { id: 'add-passkey', class: 'primary', type: 'button', onclick: begin },
                texts.passkeyAdd,
              ),
            ]
          : [],
        back: () => phone.go(settingsScreen(phone)),
      };
    });
  } catch (error) {
    phone.fail(error, () => void showPasskeys(phone));
  }
}

/** Who only holds the phone adds no passkey: the PIN is proven for it. */
function askPin(phone: Phone, problem?: (texts: Texts) => string): void {
  const { frame } = phone;
  const done = (): void => void showPasskeys(phone, frame.texts.passkeyAdded);
  phone.go(
    () => {
      const { texts } = frame;
      const { form, input } = digitEntry(frame, {
        kind: 'pin',
        label: texts.pinLabel,
        submit: texts.next,
        problem: problem?.(texts),
        onSubmit: (pin) => {
          if (pin.length < PIN_MIN_LENGTH) askPin(phone, (t) => t.pinLengthProblem);
          else void add(phone, pin, done);
        },
      });
      return {
        title: texts.pinTitle,
        content: [hint(texts.pinText), form],
        focus: input,
        back: () => void showPasskeys(phone),
      };
    },
    { busy: true },
  );
}

async function add(phone: Phone, pin: string, done: () => void): Promise<void> {
  const { frame, holder, bank } = phone;
  const words = ({ passkeyAdding, passkeyConfirm }: Texts) => ({
    title: passkeyAdding,
    text: passkeyConfirm,
  });
  phone.go(progressScreen(frame, words).screen, { busy: true });
  try {
    const name = bank.customer?.reference;
    await frame.during(holder.addPasskey({ pin, ...(name === undefined ? {} : { name }) }));
    done();
  } catch (error) {
    const left = error instanceof AkashiError && error.code === 'pin_wrong' ? (error.triesLeft ?? 0) : 0;
    if (left > 0) askPin(phone, (texts) => texts.pinWrong(left));
    else phone.fail(error, () => void add(phone, pin, done));
  }
}

async function removePasskey(phone: Phone, passkey: string, button: HTMLButtonElement): Promise<void> {
  try {
    await phone.frame.during(phone.holder.removePasskey(passkey), button);
    await showPasskeys(phone, phone.frame.texts.passkeyRemoved);
  } catch (error) {
    phone.fail(error, () => void showPasskeys(phone));
  }
}
