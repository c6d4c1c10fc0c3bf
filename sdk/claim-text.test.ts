import { type AskedClaim, parse, requestedFact } from '@akashi/circuits';
import { describe, expect, test } from 'vitest';
import { claimText } from './claim-text.ts';

const label = { ja: '項目', en: 'Item' };
const date = { name: 'd', label, type: 'date' };
const yen = { name: 'm', label, type: 'money', currency: 'JPY' };
const dollars = { ...yen, currency: 'USD' };
const number = { name: 'n', label, type: 'integer' };
const plan = { name: 't', label, type: 'text' };
const prefecture = {
  name: 'e',
  label,
  type: 'enumeration',
  values: [
    { value: '13', label: { ja: '東京都', en: 'Tokyo' } },
    { value: '14', label: { en: 'Kanagawa' } },
  ],
};

function asked(claim: object, rest: object): AskedClaim {
  const fact = 'values' in rest ? 'member' : 'range';
  const parsed = parse(requestedFact, {
    fact,
    version: 1,
    schema: '5',
    volatile: false,
    index: 0,
    claim,
    ...rest,
  });
  if (!('schema' in parsed)) throw new TypeError('no claim is asked about');
  return parsed;
}

describe('what the phone says', () => {
  test.each<[object, object, string, string]>([
    [date, { atMost: '2008-11-22' }, '項目：2008年11月22日以前', 'Item: on or before November 22, 2008'],
    [date, { atLeast: '1961-11-23' }, '項目：1961年11月23日以降', 'Item: on or after November 23, 1961'],
    [
      date,
      { atLeast: '1961-11-23', atMost: '2008-11-22' },
      '項目：1961年11月23日以降、2008年11月22日以前',
      'Item: between November 23, 1961 and November 22, 2008',
    ],
    [yen, { atLeast: '3000000' }, '項目：￥3,000,000以上', 'Item: at least ¥3,000,000'],
    [yen, { atLeast: '-500', atMost: '0' }, '項目：-￥500以上￥0以下', 'Item: between -¥500 and ¥0'],
    [dollars, { atMost: '5' }, '項目：$0.05以下', 'Item: at most $0.05'],
    [
      dollars,
      { atMost: '9223372036854775807' },
      '項目：$92,233,720,368,547,758.07以下',
      'Item: at most $92,233,720,368,547,758.07',
    ],
    [number, { atLeast: '12' }, '項目：12以上', 'Item: at least 12'],
    [
      number,
      { atMost: '18446744073709551615' },
      '項目：18,446,744,073,709,551,615以下',
      'Item: at most 18,446,744,073,709,551,615',
    ],
    [
      prefecture,
      { values: ['13', '14'] },
      '項目：東京都、Kanagawaのいずれか',
      'Item: one of: Tokyo, Kanagawa',
    ],
    [prefecture, { values: ['13'] }, '項目：東京都', 'Item: Tokyo'],
    [
      plan,
      { values: ['Gold', 'Silver'] },
      '項目：「Gold」、「Silver」のいずれか',
      'Item: one of: “Gold”, “Silver”',
    ],
  ])('of %j with %j', (claim, rest, ja, en) => {
    expect(claimText(asked(claim, rest), 'ja')).toBe(ja);
    expect(claimText(asked(claim, rest), 'en')).toBe(en);
  });

  test.each([
    [
      '2008-11-22',
      '18年以上前（2008年11月22日以前）',
      'at least 18 years ago (on or before November 22, 2008)',
    ],
    ['2025-11-22', '1年以上前（2025年11月22日以前）', 'at least 1 year ago (on or before November 22, 2025)'],
    [
      '2026-08-22',
      '3か月以上前（2026年8月22日以前）',
      'at least 3 months ago (on or before August 22, 2026)',
    ],
    [
      '2026-10-22',
      '1か月以上前（2026年10月22日以前）',
      'at least 1 month ago (on or before October 22, 2026)',
    ],
    // Another day of the month, today, or later: nothing that could be said in whole months.
    ['2008-11-21', '2008年11月21日以前', 'on or before November 21, 2008'],
    ['2026-11-22', '2026年11月22日以前', 'on or before November 22, 2026'],
    ['2027-11-22', '2027年11月22日以前', 'on or before November 22, 2027'],
  ])('until %s says how long that has been on 22 November 2026', (atMost, ja, en) => {
    expect(claimText(asked(date, { atMost }), 'ja', '2026-11-22')).toBe(`項目：${ja}`);
    expect(claimText(asked(date, { atMost }), 'en', '2026-11-22')).toBe(`Item: ${en}`);
  });

  test('says nothing of how long where there are two bounds, or no date', () => {
    const two = asked(date, { atLeast: '1961-11-23', atMost: '2008-11-22' });
    expect(claimText(two, 'en', '2026-11-22')).toBe(claimText(two, 'en'));
    const money = asked(yen, { atMost: '20081122' });
    expect(claimText(money, 'en', '2026-11-22')).toBe(claimText(money, 'en'));
  });

  test('takes English for a word that the issuer gave in no other language', () => {
    const item = { ...number, label: { en: 'Item' } };
    expect(claimText(asked(item, { atLeast: '1' }), 'ja')).toBe('Item：1以上');
  });
});
