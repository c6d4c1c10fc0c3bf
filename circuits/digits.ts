import { AkashiError } from './error.ts';

/** Length of the transfer code and of the claim code. */
export const CODE_LENGTH = 6;
export const PIN_MIN_LENGTH = 4;
export const PIN_MAX_LENGTH = 12;

/**
 * What a person typed, as ASCII digits: NFKC turns the full-width digits of Japanese keyboards into ASCII ones,
 * spaces between groups go.
 * @throws AkashiError `malformed` when anything but digits is left or the length is outside the bounds
 */
export function parseDigits(typed: string, minLength: number, maxLength: number): string {
  const digits = typed.normalize('NFKC').replaceAll(/\s/gu, '');
  if (!/^[0-9]+$/.test(digits) || digits.length < minLength || digits.length > maxLength) {
    throw new AkashiError('malformed');
  }
  return digits;
}

export function parseCode(typed: string): string {
  return parseDigits(typed, CODE_LENGTH, CODE_LENGTH);
}

export function parsePin(typed: string): string {
  return parseDigits(typed, PIN_MIN_LENGTH, PIN_MAX_LENGTH);
}
