import { describe, expect, test } from 'vitest';
import { CURRENCIES, decimalAmount, isCurrency, minorDigits } from './currency.ts';

describe('currencies', () => {
  test.each([
    ['JPY', 0],
    ['KRW', 0],
    ['VND', 0],
    ['USD', 2],
    ['EUR', 2],
    ['KWD', 3],
    ['TND', 3],
    ['CLF', 4],
    // Here CLDR, and with it `Intl`, says 0.
    ['IQD', 3],
    ['LBP', 2],
    ['MMK', 2],
  ])('%s has %i digits', (currency, digits) => {
    expect(minorDigits(currency)).toBe(digits);
  });

  test('each is three capital letters and stands once', () => {
    for (const code of CURRENCIES) expect(code).toMatch(/^[A-Z]{3}$/);
    expect(new Set(CURRENCIES).size).toBe(CURRENCIES.length);
  });

  test.each(['XXX', 'XAU', 'XTS', 'DEM', 'jpy', 'JP', 'JPYX', '', ' JPY', 'toString', '__proto__'])(
    '%s is none',
    (code) => {
      expect(isCurrency(code)).toBe(false);
      expect(() => minorDigits(code)).toThrow(TypeError);
    },
  );
});

describe('an amount as people write it', () => {
  test.each([
    ['120000', 'JPY', '120000'],
    ['0', 'JPY', '0'],
    ['-5', 'JPY', '-5'],
    ['120000', 'USD', '1200.00'],
    ['5', 'USD', '0.05'],
    ['-5', 'USD', '-0.05'],
    ['0', 'USD', '0.00'],
    ['100', 'USD', '1.00'],
    ['120000', 'KWD', '120.000'],
    ['1', 'KWD', '0.001'],
    ['999999999999999999', 'USD', '9999999999999999.99'],
    ['12345', 'CLF', '1.2345'],
  ])('%s minor units of %s are %s', (amount, currency, text) => {
    expect(decimalAmount(amount, currency)).toBe(text);
  });

  test.each(['', '1.5', '1e3', '+1', '--1', ' 1', '１'])('%s is no amount', (amount) => {
    expect(() => decimalAmount(amount, 'USD')).toThrow(TypeError);
  });
});
