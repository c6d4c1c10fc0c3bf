import { describe, expect, test } from 'vitest';
import { money, unbroken } from './language.ts';

/** Blanks of whatever kind as plain ones: which one `Intl` puts in differs by version. */
const shown = (amount: string, currency: string, language: 'ja' | 'en') =>
  money(amount, currency, language).replaceAll(/\s/gu, ' ');

describe('an amount is shown with the digits of its currency', () => {
  test.each([
    ['28400', 'JPY', '￥28,400', '¥28,400'],
    ['0', 'JPY', '￥0', '¥0'],
    ['-1200', 'JPY', '-￥1,200', '-¥1,200'],
    ['12345', 'USD', '$123.45', '$123.45'],
    ['5', 'USD', '$0.05', '$0.05'],
    ['100000', 'EUR', '€1,000.00', '€1,000.00'],
    ['1284750', 'KWD', 'KWD 1,284.750', 'KWD 1,284.750'],
    // `Intl` itself would show 1,000,000 of these dinars.
    ['1000000', 'IQD', 'IQD 1,000.000', 'IQD 1,000.000'],
    // More than a number holds.
    ['999999999999999999', 'USD', '$9,999,999,999,999,999.99', '$9,999,999,999,999,999.99'],
  ])('%s of %s', (amount, currency, ja, en) => {
    expect(shown(amount, currency, 'ja')).toBe(ja);
    expect(shown(amount, currency, 'en')).toBe(en);
  });
});

test('no date is torn between two lines', () => {
  expect(unbroken('Customer since: April 1, 2019')).toBe('Customer since: April\u00a01,\u00a02019');
});
