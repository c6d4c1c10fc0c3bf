import type { Transaction } from '@akashi/circuits';

/** Someone whom the bank knows. Everything but `reference` stays inside the bank. */
export interface Customer {
  /** Opaque to everyone else: what the bank calls this person towards the verifier (`subject`). */
  readonly reference: string;
  readonly name: { readonly ja: string; readonly en: string };
  readonly accounts: readonly {
    readonly number: string;
    readonly label: 'ordinary' | 'savings' | 'business';
  }[];
  /** When the account was opened: `YYYY-MM-DD`. */
  readonly since: string;
  /** What this person is to pay, as the customer is to see it on the phone. */
  readonly bill: Transaction;
}

/** Fictional people. The phone page turns a label into words of the reader's language. */
export const CUSTOMERS: readonly Customer[] = [
  {
    reference: 'C-48201',
    name: { ja: '佐藤 美咲', en: 'Misaki Sato' },
    accounts: [
      { number: '001-2049318', label: 'ordinary' },
      { number: '001-7735506', label: 'savings' },
    ],
    since: '2014-08-20',
    bill: {
      amount: '28400',
      currency: 'JPY',
      payee: 'あおばカード',
      lines: [
        { text: '10月のご利用分', quantity: 1, amount: '25200' },
        { text: '家族カード年会費', quantity: 2, amount: '4400' },
        { text: 'ポイントのご利用', quantity: 1, amount: '-1200' },
      ],
    },
  },
  {
    reference: 'C-51764',
    name: { ja: '田中 健一', en: 'Kenichi Tanaka' },
    accounts: [
      { number: '014-3380927', label: 'ordinary' },
      { number: '014-9014452', label: 'business' },
    ],
    since: '2009-02-02',
    bill: { amount: '1284750', currency: 'KWD', payee: 'Gulf Trading Company' },
  },
  {
    reference: 'C-60938',
    name: { ja: 'エマ・クラーク', en: 'Emma Clarke' },
    accounts: [{ number: '022-6157843', label: 'ordinary' }],
    since: '2025-09-16',
    bill: {
      amount: '12345',
      currency: 'USD',
      payee: 'Aoba Card',
      lines: [
        { text: 'Card use in October', quantity: 1, amount: '9845' },
        { text: 'Travel insurance', quantity: 1, amount: '2500' },
      ],
    },
  },
];
