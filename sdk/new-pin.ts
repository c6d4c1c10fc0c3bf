import { AkashiError, parsePin } from '@akashi/circuits';

// Which PINs are refused when one is chosen. With five tries, what matters is that the first guesses miss; what people
// choose is known from J. Bonneau et al., "A birthday present every eleven wallets?" (FC 2012), D. Wang et al.,
// "Understanding Human-Chosen PINs" (AsiaCCS 2017) and P. Markert et al., "This PIN Can Be Easily Guessed" (S&P 2020):
// runs, repetitions, dates, lines on the keypad, and a short list of favourites.

/** Lines and shapes on a keypad, words, meanings: favourites of those studies that no rule below catches. */
const FAVOURITES = new Set(
  `2580 0852 1379 1397 7931 5683 1004 6969 2468 1357 9753 8642 7410 0147 3690 1470
   159753 951753 147258 258369 369258 147852 789456 456789 159357 142536 135790 246810 292513 131420
   14725836 147258369 741852963 159357456`.split(/\s+/),
);

/**
 * A PIN that a customer chooses, as ASCII digits.
 * @param typed as typed: full-width digits are fine
 * @throws AkashiError `pin_weak` when it is not 4 to 12 digits or among the first that a thief would try
 */
export function parseNewPin(typed: string): string {
  let pin: string;
  try {
    pin = parsePin(typed);
  } catch (cause) {
    throw new AkashiError('pin_weak', { cause });
  }
  if (
    FAVOURITES.has(pin) ||
    isRun(pin) ||
    isRepetition(pin) ||
    isDoubled(pin) ||
    isMirror(pin) ||
    isDate(pin)
  ) {
    throw new AkashiError('pin_weak');
  }
  return pin;
}

/** Every digit follows the one before by the same step: 1111, 1234, 9876, 8901, 2468. */
function isRun(pin: string): boolean {
  const digits = [...pin].map(Number);
  const steps = digits.slice(1).map((digit, i) => (digit - (digits[i] ?? 0) + 10) % 10);
  const [first] = steps;
  return first !== undefined && [0, 1, 9, 2, 8].includes(first) && steps.every((step) => step === first);
}

/** One short group again and again: 1212, 123123, 12341234. */
function isRepetition(pin: string): boolean {
  return /^(\d{1,4})\1+$/.test(pin);
}

/** Pairs of equal digits: 1122, 112233. */
function isDoubled(pin: string): boolean {
  return /^(?:(\d)\1)+$/.test(pin);
}

/** The same from both ends, in a run: 1221, 123321. */
function isMirror(pin: string): boolean {
  const half = pin.slice(0, Math.floor(pin.length / 2));
  return pin === [...pin].reverse().join('') && (half.length < 2 || isRun(half));
}

/** Years, days of a year, birthdays, as people write them: 1984, 0704, 840704, 04071984. */
function isDate(pin: string): boolean {
  const at = (start: number, length: number) => Number(pin.slice(start, start + length));
  const day = (month: number, date: number) => month >= 1 && month <= 12 && date >= 1 && date <= 31;
  const year = (value: number) => value >= 1900 && value <= 2099;
  if (pin.length === 4) return year(at(0, 4)) || day(at(0, 2), at(2, 2)) || day(at(2, 2), at(0, 2));
  if (pin.length === 6) {
    return day(at(2, 2), at(4, 2)) || day(at(0, 2), at(2, 2)) || day(at(2, 2), at(0, 2));
  }
  if (pin.length !== 8) return false;
  const dayFirst = day(at(0, 2), at(2, 2)) || day(at(2, 2), at(0, 2));
  return (year(at(0, 4)) && day(at(4, 2), at(6, 2))) || (year(at(4, 4)) && dayFirst);
}
