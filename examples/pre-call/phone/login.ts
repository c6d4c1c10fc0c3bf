import type { CustomerName } from '../bank/wire.ts';
import { element, icon } from '../element.ts';
import type { Phone } from './phone.ts';

/**
 * The bank's log-in, which an example can only hint at: whoever opens the page chooses who they are.
 * @param reason `ended`: the log-in ran out; `identify`: asked for again before a new enrolment
 * @param after where to go on; from the beginning if nothing is named
 */
export function showLogin(phone: Phone, reason?: 'ended' | 'identify', after?: () => void): void {
  const { frame, bank } = phone;
  const load = async (): Promise<void> => {
    try {
      const customers = await frame.during(bank.customers());
      // The device belongs to one customer: someone else would have to log out first.
      const mine = reason === undefined ? null : bank.customer;
      show(mine === null ? customers : customers.filter(({ reference }) => reference === mine.reference));
    } catch (error) {
      phone.fail(error, () => void load());
    }
  };
  const logIn = async (customer: CustomerName, button: HTMLButtonElement): Promise<void> => {
    try {
      await frame.during(bank.logIn(customer.reference), button);
      if (after === undefined) await phone.start();
      else after();
    } catch (error) {
      phone.fail(error, () => void load());
    }
  };
  const show = (customers: readonly CustomerName[]): void => {
    phone.go(
      () => {
        const { texts, language } = frame;
        const rows = customers.map((customer) => {
          const button = element(
            'button',
            { type: 'button', class: 'row', onclick: () => void logIn(customer, button) },
            element(
              'span',
              {},
              element('strong', {}, customer.name[language]),
              element('span', { class: 'soft small' }, `${texts.customerNumber} ${customer.reference}`),
            ),
            icon('chevron'),
          );
          return element('li', {}, button);
        });
        return {
          title: texts.loginTitle,
          content: [
            reason === 'ended' ? element('p', { class: 'notice caution' }, texts.loginEnded) : null,
            reason === 'identify' ? element('p', { class: 'notice' }, texts.loginIdentify) : null,
            element('p', { class: 'soft' }, texts.loginText),
            element('ul', { class: 'rows' }, ...rows),
          ],
          actions: [element('p', { class: 'soft small' }, texts.fictional)],
          ...(reason === undefined ? {} : { back: () => void phone.start() }),
        };
      },
      { busy: true },
    );
  };
  void load();
}
