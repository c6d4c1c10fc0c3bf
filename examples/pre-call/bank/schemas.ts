import type { ClaimsSchema } from '@akashi/circuits';

// What is vouched for in this example, as the bank's policies ask about it: by the bank, and by two others whose keys the
// bank had pinned at the verifier. The words are what customers read on their phones.

/** The bank's own. */
export const CUSTOMER: ClaimsSchema = {
  schema: 'aoba-customer',
  version: 1,
  volatile: false,
  claims: [
    {
      name: 'since',
      label: { ja: 'あおば銀行とのお取引開始日', en: 'With Aoba Bank since' },
      type: 'date',
    },
  ],
};

/** A telephone company's, which looked at an identity card when it made the contract. */
export const CONTRACT: ClaimsSchema = {
  schema: 'midori-contract',
  version: 1,
  volatile: false,
  claims: [
    { name: 'born', label: { ja: '生年月日', en: 'Date of birth' }, type: 'date' },
    {
      name: 'since',
      label: { ja: 'みどり通信のご契約日', en: 'With Midori Telecom since' },
      type: 'date',
    },
  ],
};

/** A city's, from its tax records. */
export const INCOME: ClaimsSchema = {
  schema: 'aoba-city-income',
  version: 1,
  volatile: false,
  claims: [
    {
      ...{ name: 'income', type: 'money', currency: 'JPY' },
      label: { ja: '昨年の所得（青葉市）', en: 'Income last year (Aoba City)' },
    },
  ],
};
