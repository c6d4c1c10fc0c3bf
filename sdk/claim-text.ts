import type { AskedClaim, ClaimDefinition } from '@akashi/circuits';

// What the phone says of a claim that is asked about. Every word and figure comes from the signed request: the claim's
// name and that of its values as the issuer chose them, and the very bounds that are proven.

export type Language = 'ja' | 'en';

interface Words {
  readonly between: (low: string, high: string) => string;
  readonly atLeast: (low: string) => string;
  readonly atMost: (high: string) => string;
  readonly from: (low: string) => string;
  readonly until: (high: string) => string;
  readonly ago: (count: number, unit: 'years' | 'months', until: string) => string;
  readonly oneOf: (values: readonly string[]) => string;
  readonly colon: string;
}

const WORDS: Readonly<Record<Language, Words>> = {
  ja: {
    between: (low, high) => `${low}以上${high}以下`,
    atLeast: (low) => `${low}以上`,
    atMost: (high) => `${high}以下`,
    from: (low) => `${low}以降`,
    until: (high) => `${high}以前`,
    ago: (count, unit, until) => `${count}${unit === 'years' ? '年' : 'か月'}以上前（${until}）`,
    oneOf: (values) => (values.length === 1 ? (values[0] ?? '') : `${values.join('、')}のいずれか`),
    colon: '：',
  },
  en: {
    between: (low, high) => `between ${low} and ${high}`,
    atLeast: (low) => `at least ${low}`,
    atMost: (high) => `at most ${high}`,
    from: (low) => `on or after ${low}`,
    until: (high) => `on or before ${high}`,
    ago: (count, unit, until) => `at least ${count} ${count === 1 ? unit.slice(0, -1) : unit} ago (${until})`,
    oneOf: (values) => (values.length === 1 ? (values[0] ?? '') : `one of: ${values.join(', ')}`),
    colon: ': ',
  },
};

/**
 * One line: `Credit limit: at least ¥500,000`, `年間所得：￥3,000,000以上`.
 * @param today `YYYY-MM-DD`, where the customer is. With it, a date that just so many years or months have passed since says so:
 * `Date of birth: at least 18 years ago (on or before 22 November 2008)`. The signed date stands beside it, whatever today is.
 */
export function claimText(asked: AskedClaim, language: Language, today?: string): string {
  const words = WORDS[language];
  const { claim } = asked;
  const value = (text: string) => valueText(claim, text, language);
  const said =
    asked.fact === 'member' ? words.oneOf(asked.values.map(value)) : boundsText(asked, words, value, today);
  return `${inLanguage(claim.label, language)}${words.colon}${said}`;
}

function boundsText(
  { claim, atLeast, atMost }: Extract<AskedClaim, { readonly fact: 'range' }>,
  words: Words,
  value: (text: string) => string,
  today: string | undefined,
): string {
  const dated = claim.type === 'date';
  if (atLeast !== undefined && atMost !== undefined) {
    if (!dated) return words.between(value(atLeast), value(atMost));
    return words === WORDS.ja
      ? `${words.from(value(atLeast))}、${words.until(value(atMost))}`
      : words.between(value(atLeast), value(atMost));
  }
  if (atLeast !== undefined) return (dated ? words.from : words.atLeast)(value(atLeast));
  if (!dated) return words.atMost(value(atMost ?? ''));
  const until = words.until(value(atMost ?? ''));
  const passed = today === undefined ? null : passedSince(atMost ?? '', today);
  return passed === null ? until : words.ago(passed.count, passed.unit, until);
}

/** Whole years or months between two dates with the same day of the month; `null` for any others, and for none at all. */
function passedSince(
  date: string,
  today: string,
): { readonly count: number; readonly unit: 'years' | 'months' } | null {
  const [year = 0, month = 0, day = 0] = date.split('-').map(Number);
  const [toYear = 0, toMonth = 0, toDay = 0] = today.split('-').map(Number);
  const months = 12 * (toYear - year) + (toMonth - month);
  if (day !== toDay || months <= 0) return null;
  return months % 12 === 0 ? { count: months / 12, unit: 'years' } : { count: months, unit: 'months' };
}

function valueText(claim: ClaimDefinition, value: string, language: Language): string {
  switch (claim.type) {
    case 'integer':
      return new Intl.NumberFormat(language).format(BigInt(value));
    case 'money':
      return moneyText(value, claim.currency, language);
    case 'date':
      return new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone: 'UTC' }).format(
        new Date(value),
      );
    case 'enumeration': {
      const listed = claim.values.find((entry) => entry.value === value);
      return listed ? inLanguage(listed.label, language) : value;
    }
    case 'text':
      return language === 'ja' ? `「${value}」` : `“${value}”`;
  }
}

/** An amount of minor units, to the last digit: a JavaScript number would round large ones. */
function moneyText(minor: string, currency: string, language: Language): string {
  const format = new Intl.NumberFormat(language, { style: 'currency', currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 0;
  const negative = minor.startsWith('-');
  const padded = minor.replace('-', '').padStart(digits + 1, '0');
  const whole = padded.slice(0, padded.length - digits);
  const exact = `${negative ? '-' : ''}${whole}${digits > 0 ? `.${padded.slice(-digits)}` : ''}`;
  // The exact decimal as text, which Intl takes though its type does not say so in every version.
  return format.format(exact as `${number}`);
}

function inLanguage(texts: Readonly<Record<string, string>>, language: Language): string {
  return texts[language] ?? texts.en ?? Object.values(texts)[0] ?? '';
}
