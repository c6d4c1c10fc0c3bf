import { decimalAmount, minorDigits } from '@akashi/circuits';

/** The pages speak these two. */
export type Language = 'ja' | 'en';

const STORED = 'language';

/** What the reader chose before, or else the first language of the browser that the pages speak. */
export function chosenLanguage(storage: Storage, preferred: readonly string[]): Language {
  const stored = storage.getItem(STORED);
  if (stored === 'ja' || stored === 'en') return stored;
  for (const tag of preferred) {
    const primary = tag.toLowerCase().split('-')[0];
    if (primary === 'ja' || primary === 'en') return primary;
  }
  return 'en';
}

export function rememberLanguage(storage: Storage, language: Language): void {
  storage.setItem(STORED, language);
}

/** A text that came in several languages (docs/protocol.md, section 2), in this one or else in whichever there is. */
export function inLanguage(texts: Readonly<Record<string, string>>, language: Language): string {
  return texts[language] ?? texts.en ?? Object.values(texts)[0] ?? '';
}

/** `4:05` */
export function minutesAndSeconds(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

export function dateAndTime(seconds: number, language: Language): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(
    seconds * 1000,
  );
}

export function dateOnly(seconds: number, language: Language): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'long' }).format(seconds * 1000);
}

/** With spaces at which no line is broken before a figure: `April 1, 2019` stays whole. */
export function unbroken(text: string): string {
  return text.replaceAll(/ (?=\d)/g, '\u00a0');
}

/** The date on this reader's calendar, as `YYYY-MM-DD`. */
export function today(): string {
  const now = new Date();
  const digits = (value: number): string => String(value).padStart(2, '0');
  return `${now.getFullYear()}-${digits(now.getMonth() + 1)}-${digits(now.getDate())}`;
}

/** An amount of minor units (ISO 4217) as people write it. */
export function money(amount: string, currency: string, language: Language): string {
  const digits = minorDigits(currency);
  const format = new Intl.NumberFormat(language, {
    style: 'currency',
    currency,
    // The standard's digits: those of `Intl` differ for some currencies.
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  // The text goes in whole: a number would round what was signed.
  return format.format(decimalAmount(amount, currency) as Intl.StringNumericLiteral);
}
