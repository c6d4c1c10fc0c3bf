// Minor units by ISO 4217 (list one): by how many digits the amount on the wire is larger than the one people read. A table
// of our own, because `Intl` follows CLDR, whose digits differ from the standard's for a dozen currencies (IQD: 0 for 3) and
// from engine to engine: the same signed amount would be a thousand times another on another phone. Codes without minor
// units (metals, drawing rights, test codes) are no currencies one pays in.
const CODES = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY
COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD
KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR
NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY
TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG`,
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
} as const;

const DIGITS: ReadonlyMap<string, number> = new Map(
  Object.entries(CODES).flatMap(([digits, codes]) =>
    codes.split(/\s/).map((code) => [code, Number(digits)] as const),
  ),
);

/** Every code taken as a currency. */
export const CURRENCIES: readonly string[] = [...DIGITS.keys()];

export function isCurrency(code: string): boolean {
  return DIGITS.has(code);
}

/** Digits of the minor unit: 0 for JPY, 2 for USD, 3 for KWD. @throws TypeError for what is no currency */
export function minorDigits(currency: string): number {
  const digits = DIGITS.get(currency);
  if (digits === undefined) throw new TypeError('not a currency');
  return digits;
}

/**
 * An amount of minor units as people write it, without grouping: `12345` is `12345` in JPY, `123.45` in USD, `12.345` in
 * KWD. Text to text, because a number would round what was signed.
 */
export function decimalAmount(amount: string, currency: string): string {
  const digits = minorDigits(currency);
  const [, sign = '', units = ''] = /^(-?)([0-9]+)$/.exec(amount) ?? [];
  if (units === '') throw new TypeError('not an amount of minor units');
  if (digits === 0) return `${sign}${units}`;
  const padded = units.padStart(digits + 1, '0');
  return `${sign}${padded.slice(0, -digits)}.${padded.slice(-digits)}`;
}
