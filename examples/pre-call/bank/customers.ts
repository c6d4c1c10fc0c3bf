/** Someone whom the bank knows. Everything but `reference` stays inside the bank. */
export interface Customer {
  /** Opaque to everyone else: what the bank calls this person towards the verifier (`subject`). */
  readonly reference: string;
  readonly name: { readonly ja: string; readonly en: string };
  readonly accounts: readonly {
    readonly number: string;
    readonly label: 'ordinary' | 'savings' | 'business';
  }[];
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
  },
  {
    reference: 'C-51764',
    name: { ja: '田中 健一', en: 'Kenichi Tanaka' },
    accounts: [
      { number: '014-3380927', label: 'ordinary' },
      { number: '014-9014452', label: 'business' },
    ],
  },
  {
    reference: 'C-60938',
    name: { ja: 'エマ・クラーク', en: 'Emma Clarke' },
    accounts: [{ number: '022-6157843', label: 'ordinary' }],
  },
];
