import type { Policy, Purpose } from '@akashi/circuits';

/** The policy whose purposes a customer may choose before calling. */
export const PRECALL_POLICY = 'standard';

/** What the bank itself starts for an operator, with a bill of its own records (payments.ts). */
export const PAYMENT = { policy: 'payment', purpose: 'payment' } as const;

/** What the bank verifies callers for, by policy. Operators choose from these; so do customers before a call. */
export const PURPOSES: Readonly<
  Record<'standard' | 'transfer' | 'payment' | 'payee' | 'appointment', Purpose[]>
> = {
  standard: [
    { id: 'inquiry', text: { ja: '残高・お取引内容のご照会', en: 'Balance and account enquiries' } },
    { id: 'address', text: { ja: 'ご住所・お電話番号の変更', en: 'Change of address or phone number' } },
    { id: 'card', text: { ja: 'カードの再発行・利用停止', en: 'Replace or stop a card' } },
  ],
  transfer: [
    { id: 'transfer', text: { ja: 'お振込みの確認', en: 'Confirm a transfer' } },
    { id: 'limit', text: { ja: '利用限度額の変更', en: 'Change a limit' } },
  ],
  payment: [{ id: PAYMENT.purpose, text: { ja: 'ご請求額のお支払い', en: 'Pay a bill' } }],
  payee: [{ id: 'payee', text: { ja: '新しい振込先の登録', en: 'Add a new payee' } }],
  appointment: [{ id: 'visit', text: { ja: 'ご来店の予約', en: 'Book a visit' } }],
};

/**
 * Named lists of facts (docs/protocol.md, section 1), as the bank registers them with the verifier. In a transfer the
 * operator types what the customer says on the call; what somebody owes stays between the bank and the customer.
 */
export const POLICIES: readonly Omit<Policy, 'version'>[] = [
  { policy: 'standard', facts: ['pin', 'account'], purposes: PURPOSES.standard },
  {
    policy: 'transfer',
    facts: ['pin', 'account'],
    purposes: PURPOSES.transfer,
    transaction: { from: 'operator', desk: 'figures' },
  },
  {
    policy: PAYMENT.policy,
    facts: ['pin', 'account'],
    purposes: PURPOSES.payment,
    transaction: { from: 'backend', desk: 'hidden' },
  },
  { policy: 'payee', facts: ['pin', 'passkey'], purposes: PURPOSES.payee },
  { policy: 'appointment', facts: ['pin'], purposes: PURPOSES.appointment },
];
