import type { Purposes } from '../bank/wire.ts';
import { element } from '../element.ts';
import { inLanguage } from '../language.ts';
import type { Phone } from './phone.ts';

/** The customer verifies before a call: says what it will be about, and the bank's back end starts it. */
export function choosePurpose(phone: Phone): void {
  const { frame, bank } = phone;
  const load = async (): Promise<void> => {
    try {
      show(phone, await frame.during(bank.purposes()));
    } catch (error) {
      phone.fail(error, () => void load());
    }
  };
  void load();
}

function show(phone: Phone, purposes: Purposes): void {
  const { frame } = phone;
  let chosen = purposes[0]?.id;
  phone.go(() => {
    const { texts, language } = frame;
    const options = purposes.map(({ id, text }) =>
      element(
        'label',
        { class: 'row' },
        element('span', {}, inLanguage(text, language)),
        element('input', {
          type: 'radio',
          name: 'purpose',
          value: id,
          checked: id === chosen,
          onchange: () => {
            chosen = id;
          },
        }),
      ),
    );
    const begin = element('button', { id: 'start', class: 'primary', type: 'button' }, texts.precallStart);
    begin.addEventListener('click', () => {
      if (chosen !== undefined) void start(phone, chosen, begin);
    });
    return {
      title: texts.precallTitle,
      content: [
        element('p', { class: 'soft' }, options.length === 0 ? texts.precallNone : texts.precallText),
        element('fieldset', { class: 'rows', 'aria-labelledby': 'title' }, ...options),
      ],
      actions: options.length === 0 ? [] : [begin],
      back: () => phone.home(),
    };
  });
}

async function start(phone: Phone, purpose: string, button?: HTMLButtonElement): Promise<void> {
  const { frame, bank, holder } = phone;
  try {
    const id = await frame.during(bank.startPrecall(purpose), button);
    phone.open(await frame.during(holder.request(id), button));
  } catch (error) {
    phone.fail(error, () => choosePurpose(phone));
  }
}
