import type { Policy, PolicyFact, Purpose } from '@akashi/circuits';
import { CONTRACT, CUSTOMER, INCOME } from './schemas.ts';

/** The policy whose purposes a customer may choose before calling. */
export const PRECALL_POLICY = 'standard';

/** What the bank itself starts for an operator, with a bill of its own records (payments.ts). */
export const PAYMENT = { policy: 'payment', purpose: 'payment' } as const;

/** What the bank verifies callers for, by policy. Operators choose from these; so do customers before a call. */
export const PURPOSES: Readonly<
  Record<'standard' | 'transfer' | 'limit' | 'payment' | 'open' | 'payee' | 'appointment', Purpose[]>
> = {
  standard: [
    { id: 'inquiry', text: { ja: '残高・お取引内容のご照会', en: 'Balance and account enquiries' } },
    { id: 'address', text: { ja: 'ご住所・お電話番号の変更', en: 'Change of address or phone number' } },
    { id: 'card', text: { ja: 'カードの再発行・利用停止', en: 'Replace or stop a card' } },
  ],
  transfer: [{ id: 'transfer', text: { ja: 'お振込みの確認', en: 'Confirm a transfer' } }],
  limit: [{ id: 'limit', text: { ja: '利用限度額の引き上げ', en: 'Raise a limit' } }],
  payment: [{ id: PAYMENT.purpose, text: { ja: 'ご請求額のお支払い', en: 'Pay a bill' } }],
  open: [{ id: 'open', text: { ja: '投資口座の開設', en: 'Open an investment account' } }],
  payee: [{ id: 'payee', text: { ja: '新しい振込先の登録', en: 'Add a new payee' } }],
  appointment: [{ id: 'visit', text: { ja: 'ご来店の予約', en: 'Book a visit' } }],
};

const timeZone = 'Asia/Tokyo';

/** Income, in yen. */
const income = (atLeast: string): PolicyFact => ({ fact: 'range', schema: INCOME, claim: 'income', atLeast });
const CUSTOMER_FOR_FIVE_YEARS: PolicyFact = {
  ...{ fact: 'range', schema: CUSTOMER, claim: 'since' },
  elapsed: { unit: 'years', atLeast: 5, timeZone },
};
const OF_AGE: PolicyFact = {
  ...{ fact: 'range', schema: CONTRACT, claim: 'born' },
  elapsed: { unit: 'years', atLeast: 18, timeZone },
};
const CONTRACT_FOR_A_YEAR: PolicyFact = {
  ...{ fact: 'range', schema: CONTRACT, claim: 'since' },
  elapsed: { unit: 'months', atLeast: 12, timeZone },
};

/**
 * What the bank asks for (docs/protocol.md, section 6), as it registers it with the verifier. In a transfer the operator
 * types what the customer says on the call; what somebody owes stays between the bank and the customer. Whoever passed for
 * an everyday purpose is not asked again for the next one of the same call.
 */
export const POLICIES: readonly Omit<Policy, 'version'>[] = [
  {
    ...{ policy: 'standard', facts: ['pin', 'account'], twoFactor: true, reuseSeconds: 600 },
    purposes: PURPOSES.standard,
  },
  {
    policy: 'transfer',
    facts: ['pin', 'account'],
    twoFactor: true,
    purposes: PURPOSES.transfer,
    transaction: { from: 'operator', desk: 'figures' },
  },
  {
    policy: 'limit',
    facts: ['pin', 'account', { anyOf: [income('4000000'), CUSTOMER_FOR_FIVE_YEARS] }],
    twoFactor: true,
    stepUp: [{ when: { earlierFailures: { atLeast: 3, withinSeconds: 86_400 } }, facts: ['passkey'] }],
    purposes: PURPOSES.limit,
  },
  {
    policy: PAYMENT.policy,
    facts: ['pin', 'account'],
    twoFactor: true,
    purposes: PURPOSES.payment,
    transaction: { from: 'backend', desk: 'hidden' },
  },
  {
    policy: 'open',
    facts: ['pin', OF_AGE, CONTRACT_FOR_A_YEAR, income('2000000')],
    twoFactor: true,
    purposes: PURPOSES.open,
  },
  { policy: 'payee', facts: ['pin', 'passkey'], twoFactor: true, purposes: PURPOSES.payee },
  {
    policy: 'appointment',
    facts: ['pin'],
    stepUp: [
      { when: { numberWithheld: true }, facts: ['account'] },
      { when: { numberNotOnFile: true }, facts: ['account'] },
      { when: { hours: { from: '22:00', until: '06:00', timeZone } }, facts: ['account'] },
    ],
    purposes: PURPOSES.appointment,
  },
];
