import { type ClaimsSchema, type IssuerOptions, openIssuer } from '@akashi/sdk/issuer';

const label = { ja: '年収', en: 'Yearly income' };
const claims: ClaimsSchema['claims'] = [{ name: 'income', label, type: 'money', currency: 'JPY' }];
const schema = { schema: 'income', version: 1, volatile: false, claims };

export async function askForIncome(options: IssuerOptions) {
  const issuer = await openIssuer(options);
  const income = { fact: 'range', schema, claim: 'income', atLeast: '4000000' } as const;
  const purposes = [{ id: 'limit', text: { ja: '限度額の引き上げ', en: 'Raising a limit' } }];
  await issuer.putPolicy({ policy: 'limit', facts: ['pin', income], twoFactor: true, purposes });
  return async (subject: string, receipt: string, income: string) => [
    await issuer.issueClaims({ receipt, subject, schema, claims: { income } }),
  ];
}
