import { describe, expect, test } from 'vitest';
import { parseNewPin } from './new-pin.ts';

describe('a PIN that a customer chooses', () => {
  test.each([
    // the ten commonest of four and of six digits in the studies that new-pin.ts cites
    ...['1234', '1111', '0000', '1212', '7777', '1004', '2000', '4444', '2222', '6969'],
    ...['123456', '111111', '123123', '654321', '121212', '000000', '666666', '112233', '159753', '789456'],
    // runs, also over the end
    ...['8901', '3210', '2468', '9753', '01234567', '987654321'],
    // repetitions, pairs, mirrors
    ...['3737', '12341234', '123412341234', '5577', '447799', '1221', '123321', '4554'],
    // lines on the keypad
    ...['2580', '1379', '147258', '147852'],
    // years and days in the orders people write them
    ...['1984', '2026', '0704', '3112', '840704', '040784', '070484', '19840704', '04071984', '07041984'],
  ])('is refused: %s', (pin) => {
    expect(() => parseNewPin(pin)).toThrow(expect.objectContaining({ code: 'pin_weak' }));
  });

  test.each(['', '739', '7391058264013', '73910a', '-39105', '7391.5', '七三九一'])(
    'is refused because it is no PIN: %j',
    (pin) => {
      expect(() => parseNewPin(pin)).toThrow(expect.objectContaining({ code: 'pin_weak' }));
    },
  );

  test.each([
    ['7391', '7391'],
    ['739105', '739105'],
    ['７３９１０５', '739105'],
    ['739 105', '739105'],
    ['3317', '3317'],
    ['1350', '1350'],
    ['863099', '863099'],
    ['739105826401', '739105826401'],
  ])('is taken as ASCII digits: %s', (typed, pin) => {
    expect(parseNewPin(typed)).toBe(pin);
  });

  test('leaves most PINs to choose from', () => {
    const refused = (length: number, step: number) => {
      let count = 0;
      let all = 0;
      for (let n = 0; n < 10 ** length; n += step) {
        all += 1;
        try {
          parseNewPin(String(n).padStart(length, '0'));
        } catch {
          count += 1;
        }
      }
      return count / all;
    };
    expect(refused(4, 1)).toBeLessThan(0.12);
    expect(refused(6, 7)).toBeLessThan(0.12);
  });
});
