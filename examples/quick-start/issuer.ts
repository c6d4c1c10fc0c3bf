import { type IssuerOptions, openIssuer } from '@akashi/sdk/issuer';

export async function openBank(options: IssuerOptions) {
  const issuer = await openIssuer(options);
  await issuer.register();
  const purpose = { id: 'card-block', text: { ja: 'カードの利用停止', en: 'Blocking a card' } };
  await issuer.putPolicy({ policy: 'caller', facts: ['pin', 'account'], purposes: [purpose] });
  const accounts = [{ number: '001-1234567', label: '普通預金' }];
  return {
    enrolmentLink: async (subject: string) =>
      `https://bank.example/phone${(await issuer.requestEnrolment(subject)).fragment}`,
    issue: (subject: string, receipt: string) => issuer.issueAccounts({ receipt, subject, accounts }),
  };
}
