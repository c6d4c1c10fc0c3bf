import { daysOfDate, type Elapsed } from '@akashi/circuits';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundsOfElapsed, dateIn, timeIn } from './elapsed.ts';

const timeZone = 'Asia/Tokyo';
const years = (atLeast: number): Elapsed => ({ unit: 'years', atLeast, timeZone });

/** Whether somebody born then has this many years on this day, by the bounds. */
function isOldEnough(born: string, today: string, age = 18): boolean {
  const { atLeast, atMost } = boundsOfElapsed(years(age), today);
  return atLeast === undefined && atMost !== undefined && daysOfDate(born) <= daysOfDate(atMost);
}

describe('an age of 18', () => {
  test.each([
    ['2008-11-22', '2026-11-21', false],
    ['2008-11-22', '2026-11-22', true],
    ['2008-11-22', '2026-11-23', true],
    ['2008-11-23', '2026-11-22', false],
    ['2009-01-01', '2026-12-31', false],
    ['2009-01-01', '2027-01-01', true],
    ['2008-12-31', '2026-12-31', true],
  ])('born on %s, on %s: %s', (born, today, expected) => {
    expect(isOldEnough(born, today)).toBe(expected);
  });

  test.each([
    // 2026 is a common year: 29 February is a year older on 1 March.
    ['2008-02-29', '2026-02-28', false],
    ['2008-02-29', '2026-03-01', true],
    ['2008-02-28', '2026-02-28', true],
    ['2008-03-01', '2026-02-28', false],
    ['2008-03-01', '2026-03-01', true],
  ])('around 29 February: born on %s, on %s: %s', (born, today, expected) => {
    expect(isOldEnough(born, today)).toBe(expected);
  });

  test('in a leap year comes on 29 February, and to those born on the 28th not a day later', () => {
    expect(isOldEnough('2008-02-29', '2028-02-28', 20)).toBe(false);
    expect(isOldEnough('2008-02-29', '2028-02-29', 20)).toBe(true);
    expect(isOldEnough('2010-02-28', '2028-02-29')).toBe(true);
    expect(isOldEnough('2010-03-01', '2028-02-29')).toBe(false);
  });
});

describe('bounds', () => {
  test('of "at most" end where one more would begin', () => {
    const atMost64: Elapsed = { unit: 'years', atMost: 64, timeZone };
    expect(boundsOfElapsed(atMost64, '2026-11-22')).toEqual({ atLeast: '1961-11-23' });
    expect(boundsOfElapsed({ ...atMost64, atLeast: 18 }, '2026-11-22')).toEqual({
      atLeast: '1961-11-23',
      atMost: '2008-11-22',
    });
    expect(boundsOfElapsed({ unit: 'years', atMost: 0, timeZone }, '2024-02-29')).toEqual({
      atLeast: '2023-03-01',
    });
  });

  test.each([
    [1, '2026-03-31', '2026-02-28'],
    [1, '2026-03-28', '2026-02-28'],
    [1, '2026-03-01', '2026-02-01'],
    [1, '2024-03-30', '2024-02-29'],
    [6, '2026-08-31', '2026-02-28'],
    [12, '2026-11-22', '2025-11-22'],
    [0, '2026-11-22', '2026-11-22'],
    [1200, '2026-11-22', '1926-11-22'],
  ])('of %i months on %s end on %s', (atLeast, today, expected) => {
    expect(boundsOfElapsed({ unit: 'months', atLeast, timeZone }, today)).toEqual({ atMost: expected });
  });

  // The rule said the other way round: full on the same day of the month, else on the first of the one after.
  test('are those of counting forward, day by day', () => {
    const fullOn = (date: string, months: number): number => {
      const [year = 0, month = 0, day = 0] = date.split('-').map(Number);
      const then = new Date(Date.UTC(year, month - 1 + months, 1));
      const last = new Date(Date.UTC(then.getUTCFullYear(), then.getUTCMonth() + 1, 0)).getUTCDate();
      return then.getTime() + (Math.min(day, last + 1) - 1) * 86_400_000;
    };
    const day = fc.integer({ min: 0, max: 366 * 40 }).map((days) => {
      return new Date(Date.UTC(2000, 0, 1) + days * 86_400_000).toISOString().slice(0, 10);
    });
    fc.assert(
      fc.property(
        day,
        fc.integer({ min: 0, max: 240 }),
        fc.integer({ min: -3, max: 3 }),
        (today, months, by) => {
          const { atMost = '' } = boundsOfElapsed({ unit: 'months', atLeast: months, timeZone }, today);
          const near = new Date(Date.parse(atMost) + by * 86_400_000).toISOString().slice(0, 10);
          expect(fullOn(near, months) <= Date.parse(today)).toBe(near <= atMost);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('today', () => {
  test.each([
    ['Asia/Tokyo', '2026-11-21T14:59:59Z', '2026-11-21'],
    ['Asia/Tokyo', '2026-11-21T15:00:00Z', '2026-11-22'],
    ['UTC', '2026-11-21T23:59:59Z', '2026-11-21'],
    ['America/New_York', '2026-11-22T04:59:59Z', '2026-11-21'],
    ['America/New_York', '2026-07-22T04:00:00Z', '2026-07-22'],
    ['Pacific/Kiritimati', '2026-12-31T10:00:00Z', '2027-01-01'],
    ['Asia/Tokyo', '2028-02-28T15:00:00Z', '2028-02-29'],
  ])('is in %s at %s the %s', (zone, instant, expected) => {
    expect(dateIn(zone, Date.parse(instant) / 1000)).toBe(expected);
  });
});

describe('the time of day', () => {
  test.each([
    ['2026-11-22T14:59:59Z', 'Asia/Tokyo', '23:59'],
    ['2026-11-22T15:00:00Z', 'Asia/Tokyo', '00:00'],
    ['2026-11-22T15:00:00Z', 'Asia/Kolkata', '20:30'],
    ['2026-07-01T00:05:00Z', 'Europe/London', '01:05'],
    ['2026-12-01T00:05:00Z', 'Europe/London', '00:05'],
  ])('at %s in %s is %s', (at, zone, time) => {
    expect(timeIn(zone, Date.parse(at) / 1000)).toBe(time);
  });
});
