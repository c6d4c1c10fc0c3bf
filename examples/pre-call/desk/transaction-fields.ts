import type { Policy, Transaction } from '@akashi/circuits';
import { element } from '../element.ts';
import type { Texts } from './texts.ts';

/** What an operator says about a transaction: nothing, the figures, or that the bank knows them. */
export class TransactionFields {
  // What was entered outlives a change of language.
  #amount = '';
  #payee = '';
  #open = false;

  draw(texts: Texts, policy: Policy | undefined): HTMLElement | null {
    if (isBanks(policy)) return element('p', { class: 'soft small' }, texts.fromBank);
    return policy?.transaction === undefined ? null : this.#fields(texts);
  }

  /** Minor units; the figures of one verification, which the next one must not carry along unseen: see {@link clear}. */
  entered(policy: Policy | undefined): Transaction | undefined {
    const typed = this.#open && this.#amount + this.#payee !== '';
    if (!typed || policy?.transaction?.from !== 'operator') return undefined;
    return { amount: this.#amount, currency: 'JPY', payee: this.#payee };
  }

  clear(): void {
    this.#amount = '';
    this.#payee = '';
    this.#open = false;
  }

  #fields(texts: Texts): HTMLDetailsElement {
    const amount = element('input', {
      ...{ id: 'amount', class: 'field', type: 'text', inputmode: 'numeric', autocomplete: 'off' },
      value: this.#amount,
      oninput: () => {
        this.#amount = amount.value.normalize('NFKC').replaceAll(/[,\s]/g, '');
      },
    });
    const payee = element('input', {
      ...{ id: 'payee', class: 'field', type: 'text', autocomplete: 'off', maxlength: 120 },
      value: this.#payee,
      oninput: () => {
        this.#payee = payee.value.trim();
      },
    });
    const fields = element(
      'details',
      {
        open: this.#open,
        ontoggle: () => {
          this.#open = fields.open;
        },
      },
      element('summary', {}, texts.withTransaction),
      element('label', { for: 'amount' }, texts.amount),
      amount,
      element('label', { for: 'payee' }, texts.payee),
      payee,
    );
    return fields;
  }
}

/** Whether the bank itself starts what is under this policy, with a transaction of its own records. */
export function isBanks(policy: Policy | undefined): boolean {
  return policy?.transaction?.from === 'backend';
}
